"""Settings: read once from the environment, validated before any connection is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from data.errors import SettingsError


def _setting(default: Any, doc: str, **rule: Any) -> Any:
    return field(default=default, metadata={"doc": doc, **rule})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator may set; the variable of a field is ``ANXIN_`` and its name in capitals."""

    database_url: str = _setting(
        "", "PostgreSQL or TimescaleDB; empty: the embedded server", schemes=("postgresql", "postgres")
    )
    mqtt_url: str = _setting(
        "",
        "Broker as mqtt[s]://user:password@host:port; {role} in it stands for ingest, notify, gateway or"
        " simulator; empty: the embedded broker",
        schemes=("mqtt", "mqtts"),
    )
    home: str = _setting("", "Where the embedded servers and keys live; empty: ~/.local/share/anxin")
    broker: str = _setting(
        "auto",
        "Embedded broker: auto takes mosquitto when it is on PATH, else amqtt",
        choices=("auto", "mosquitto", "amqtt"),
    )
    http_host: str = _setting("127.0.0.1", "Address the API listens on")
    http_port: int = _setting(8737, "Port the API listens on", low=1, high=65535)
    public_url: str = _setting("", "Address owners reach the API at; empty: http_host and http_port")
    db_pool_size: int = _setting(4, "Connections per service", low=1, high=100)
    db_answer_s: float = _setting(
        120.0,
        "Ingest drops a database connection that owes an answer and is silent for so long; 0 waits for ever",
        low=0.0,
        high=86_400.0,
    )
    ingest_slot: str = _setting(
        "0",
        "Stable client-id slot of this ingest process; its session is kept by the broker",
        pattern=r"[A-Za-z0-9._-]{1,64}",
    )
    ingest_share: str = _setting(
        "ingest",
        "Group of the MQTT 5 shared subscription; empty: a plain subscription",
        pattern=r"[A-Za-z0-9._-]{0,64}",
    )
    ingest_window_messages: int = _setting(
        20_000, "Messages in flight before the broker waits", low=1, high=65535
    )
    ingest_window_bytes: int = _setting(
        64 * 2**20,
        "Payload bytes in flight before the broker waits; memory stays below 200 MB and eight times this",
        low=65_536,
        high=2**34,
    )
    ingest_flush_rows: int = _setting(50_000, "Rows that make a batch", low=1, high=5_000_000)
    ingest_flush_after_s: float = _setting(0.25, "Longest wait for a batch to fill", low=0.01, high=60.0)
    ingest_future_s: float = _setting(
        300.0, "Samples further in the future are refused", low=0.0, high=86_400.0
    )
    ingest_clock_limit_s: float = _setting(
        30.0, "A vehicle's clock that is further off is reported", low=1.0, high=86_400.0
    )
    adapters: str = _setting(
        "", "TOML file that says how to read OVMS, TeslaMate and other topics; empty: none"
    )
    repair_interval_s: float = _setting(
        10.0, "Pause between two requests for the same missing messages", low=0.5, high=86_400.0
    )
    repair_messages_per_request: int = _setting(
        500, "Missing messages asked for in one request", low=1, high=100_000
    )
    repair_horizon_days: float = _setting(
        7.0, "Missing messages are given up after the vehicle's store", low=0.01, high=90.0
    )
    rows_per_day_drive: int = _setting(
        4_000_000, "Drive rows a day of the whole fleet; sizes the chunks", low=0, high=1_000_000_000_000
    )
    rows_per_day_tire: int = _setting(
        400_000, "Tire rows a day of the whole fleet; sizes the chunks", low=0, high=1_000_000_000_000
    )
    rows_per_day_cell: int = _setting(
        400_000, "Cell rows a day of the whole fleet; sizes the chunks", low=0, high=1_000_000_000_000
    )
    rows_per_day_signal: int = _setting(
        400_000, "DBC signal rows a day of the whole fleet; sizes the chunks", low=0, high=1_000_000_000_000
    )
    database_memory_gb: float = _setting(
        0.0, "Memory of the database's machine; 0: effective_cache_size / 0.75", low=0.0, high=100_000.0
    )
    database_disk_gb: float = _setting(
        0.0, "Disk of the database's machine, for warnings; 0: looked up on this machine", low=0.0, high=1e9
    )
    lateness_days: float = _setting(
        8.0,
        "Age from which rows move to the columnstore; more than the vehicle's store of seven days",
        low=1.0,
        high=400.0,
    )
    retention_days_drive: int = _setting(
        0, "Days that drive rows are kept, by sample time; 0: for ever", low=0, high=36_500
    )
    retention_days_tire: int = _setting(
        0, "Days that tire rows are kept, by sample time; 0: for ever", low=0, high=36_500
    )
    retention_days_cell: int = _setting(
        0, "Days that cell rows are kept, by sample time; 0: for ever", low=0, high=36_500
    )
    retention_days_signal: int = _setting(
        0, "Days that DBC signal rows are kept, by sample time; 0: for ever", low=0, high=36_500
    )
    retention_days_event: int = _setting(
        0, "Days that events and trouble codes are kept, by sample time; 0: for ever", low=0, high=36_500
    )
    retention_days_five_minutes: int = _setting(
        0, "Days that rollups of five minutes are kept, by sample time; 0: for ever", low=0, high=36_500
    )
    retention_days_hour: int = _setting(
        0, "Days that rollups of an hour are kept, by sample time; 0: for ever", low=0, high=36_500
    )
    retention_days_batch: int = _setting(
        7, "Days that the commit log is kept, longer what a service has not read", low=1, high=36_500
    )
    retention_days_reject: int = _setting(90, "Days that rejects are kept", low=1, high=36_500)
    retention_days_stream: int = _setting(
        90, "Days that the message account of a finished boot is kept", low=14, high=36_500
    )
    retention_days_quality: int = _setting(
        400, "Days that counts of values not believed are kept", low=1, high=36_500
    )
    retention_days_feature: int = _setting(
        400, "Days that daily features are kept; predictors look back up to 180", low=180, high=36_500
    )
    gateway_host: str = _setting("127.0.0.1", "Address the GB/T 32960 gateway listens on")
    gateway_port: int = _setting(
        0, "Port the GB/T 32960 gateway listens on; 0: anxin up starts none", low=0, high=65535
    )
    gateway_tls_cert: str = _setting("", "Certificate chain of the gateway, PEM; empty: plain TCP")
    gateway_tls_key: str = _setting("", "Key of the certificate, PEM; empty: it is in the same file")
    gateway_tenant: str = _setting("", "Tenant whose vehicles the gateway serves; empty: of every tenant")
    gateway_connections: int = _setting(
        10_000, "Connections before others are turned away", low=1, high=500_000
    )
    gateway_idle_s: float = _setting(
        180.0, "Silence, heartbeats included, after which a connection is closed", low=1.0, high=86_400.0
    )
    gateway_login_s: float = _setting(30.0, "Time for a login after connecting", low=0.1, high=3600.0)
    gateway_window_messages: int = _setting(
        2000, "Frames that wait for the broker before the gateway stops reading", low=1, high=60_000
    )
    gateway_window_bytes: int = _setting(
        33_554_432, "Bytes that wait for the broker before the gateway stops reading", low=65_536, high=2**31
    )
    fresh_s: float = _setting(
        900.0, "A live warning needs a live sample not older than this", low=1.0, high=86_400.0
    )
    score_every_s: float = _setting(
        60.0, "Pause between two scorings of a vehicle that goes on sending live", low=0.1, high=86_400.0
    )
    hold_minutes: float = _setting(
        15.0, "Soft hold of bay, technician and parts while the owner decides", low=1.0, high=10_080.0
    )
    road_factor: float = _setting(1.3, "Road distance over great-circle distance", low=1.0, high=3.0)
    routing_url: str = _setting("", "Address of an OSRM server for distances on the road; empty: the factor")
    push_subject: str = _setting(
        "mailto:operations@example.com", "VAPID subject: how push services reach the operator"
    )
    push_allow_loopback: bool = _setting(
        False, "Let push subscriptions point at this machine (the demo's own endpoint)"
    )
    push_timeout_s: float = _setting(10.0, "Longest wait for a push service", low=0.1, high=120.0)
    smtp_url: str = _setting(
        "",
        "Mail server as smtp[s]://user:password@host:port; empty: no e-mail to owners",
        schemes=("smtp", "smtps"),
    )
    mail_from: str = _setting("Anxin <anxin@example.com>", "Sender of e-mail to owners")
    gateways: str = _setting(
        "", "TOML file of SMS, WeChat and other gateways that apprise reaches; empty: none"
    )
    webhook_timeout_s: float = _setting(
        10.0, "Longest wait for a webhook, a gateway or the mail server", low=0.1, high=120.0
    )
    webhook_allow_private: bool = _setting(
        False, "Let webhooks of stations and of the desk lie in the operator's own network"
    )
    map_tiles_url: str = _setting(
        "",
        "Map tiles in WGS-84 as https://host/{z}/{x}/{y}.png; empty: the bundled outline only",
        schemes=("https", "http"),
    )
    metrics_host: str = _setting("127.0.0.1", "Address that metrics and health of a service are served on")
    metrics_port: int = _setting(
        0,
        "Port of metrics and health of a service; 0: none, and under anxin up free ports, listed in run.json",
        low=0,
        high=65_535 - 16,
    )
    log_level: str = _setting(
        "info", "Least severe log event shown", choices=("debug", "info", "warning", "error")
    )
    log_format: str = _setting(
        "auto",
        "Logs as text or as JSON, one object a line; auto: text on a terminal, JSON elsewhere",
        choices=("auto", "text", "json"),
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings that ``environ`` gives.

        Raises:
            SettingsError: A value breaks its rule, or an ``ANXIN_`` variable is unknown; names it.
        """
        values: dict[str, Any] = {}
        known = {"ANXIN_" + f.name.upper(): f for f in fields(cls)}
        for variable, text in environ.items():
            if (
                not variable.startswith("ANXIN_")
                or variable in _NOT_SETTINGS
                or variable.startswith(_NOT_SETTINGS_PREFIXES)
            ):
                continue
            if variable not in known:
                raise SettingsError(f"{variable}: no such setting")
            chosen = known[variable]
            values[chosen.name] = _parse(variable, text.strip(), type(chosen.default), chosen.metadata)
        return cls(**values)

    @property
    def home_path(self) -> Path:
        """Return the directory of the embedded servers and keys."""
        return Path(self.home).expanduser() if self.home else Path.home() / ".local" / "share" / "anxin"

    @property
    def base_url(self) -> str:
        """Return the address that owners and stations reach the API at."""
        return self.public_url.rstrip("/") or f"http://{self.http_host}:{self.http_port}"


#: Variables of the test suite, not settings of the product.
_NOT_SETTINGS = frozenset({"ANXIN_RECORDINGS"})
_NOT_SETTINGS_PREFIXES = ("ANXIN_TEST_", "ANXIN_CI_")


def _parse(variable: str, text: str, kind: type, rule: Mapping[str, Any]) -> Any:
    value: Any = text
    if kind is bool:
        if text.lower() not in {"0", "1", "true", "false", "yes", "no"}:
            raise SettingsError(f"{variable}={text!r}: must be 1, 0, true, false, yes or no")
        return text.lower() in {"1", "true", "yes"}
    if kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            raise SettingsError(f"{variable}={text!r}: must be a number") from None
        if not rule.get("low", value) <= value <= rule.get("high", value):
            raise SettingsError(f"{variable}={text!r}: must be from {rule.get('low')} to {rule.get('high')}")
    if "pattern" in rule and not re.fullmatch(rule["pattern"], text):
        raise SettingsError(f"{variable}={text!r}: must be letters, digits, '.', '_' and '-', at most 64")
    if "choices" in rule and text not in rule["choices"]:
        raise SettingsError(f"{variable}={text!r}: must be one of {', '.join(rule['choices'])}")
    if text and "schemes" in rule:
        try:
            parts = urlsplit(text)
            has_host = bool(parts.hostname or "host=" in parts.query) and (
                parts.port is None or parts.port > 0
            )
        except ValueError:
            has_host = False
            parts = urlsplit("")
        if parts.scheme not in rule["schemes"] or not has_host:
            raise SettingsError(f"{variable}: must be a URL of the form {rule['schemes'][0]}://host:port/…")
    return value

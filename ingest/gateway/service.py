"""The gateway as a service: settings, database, clock, and a drained end."""

from __future__ import annotations

import asyncio
import resource
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import structlog

from data.db import Pool, open_pool
from data.errors import DatabaseAway, SettingsError
from data.exposition import Exposition, Vitals
from data.heartbeat import Heartbeat
from data.settings import Settings
from ingest.gateway.house import Limits
from ingest.gateway.logins import Platform, Registration
from ingest.gateway.metrics import GatewayCollector
from ingest.gateway.progress import Progress
from ingest.gateway.registry import Registry
from ingest.gateway.server import Gateway
from ingest.gateway.store import fetch_platform, fetch_registrations, is_password
from ingest.gateway.uplink import Uplink

_log = structlog.get_logger("gateway")
_GRACE_S = 5.0
_TELL_EVERY_S = 60.0
#: Files beside the vehicles' connections: database, broker, libraries.
_OTHER_FILES = 64


def run(
    settings: Settings, *, stop: threading.Event, on_listening: Callable[[int], None] | None = None
) -> None:
    """Let vehicles in until ``stop`` is set; what is under way then is finished.

    Args:
        settings: ``gateway_*``, the broker's address under the account ``gateway``, the database.
        stop: Ends the service.
        on_listening: Called with the port, once connections are accepted.

    Raises:
        SettingsError: No port, no broker, a TLS file that cannot be read, or an address in use.
    """
    if not settings.gateway_port and on_listening is None:
        raise SettingsError("ANXIN_GATEWAY_PORT is not set: the gateway needs a port to listen on")
    if not settings.mqtt_url:
        raise SettingsError("ANXIN_MQTT_URL is not set: the gateway needs a broker")
    tls = _tls(settings)
    pool = _open_pool(settings, stop)
    if pool is None:
        return
    try:
        asyncio.run(_serve(settings, pool, tls, stop, on_listening))
    finally:
        pool.close()


async def _serve(
    settings: Settings,
    pool: Pool,
    tls: ssl.SSLContext | None,
    stop: threading.Event,
    on_listening: Callable[[int], None] | None,
) -> None:
    def fetch(vins: Sequence[str]) -> Mapping[str, Sequence[Registration]]:
        return fetch_registrations(pool, vins, tenant=settings.gateway_tenant)

    def find_platform(user: str, password: str) -> Platform | None:
        platform = fetch_platform(pool, user, tenant=settings.gateway_tenant)
        return platform if platform is not None and is_password(platform, password) else None

    uplink = Uplink(
        settings.mqtt_url,
        window=settings.gateway_window_messages,
        window_bytes=settings.gateway_window_bytes,
        on_room=lambda: gateway.resume(),  # noqa: PLW0108 - the gateway comes after its uplink
    )
    gateway = Gateway(
        uplink=uplink,
        registry=Registry(fetch, clock_s=time.monotonic),
        find_platform=find_platform,
        limits=Limits(idle_s=settings.gateway_idle_s, login_s=settings.gateway_login_s),
        most_connections=_raise_file_limit(settings.gateway_connections),
        now=lambda: datetime.now(UTC),
    )
    uplink.start()
    try:
        port = await gateway.start(settings.gateway_host, settings.gateway_port, tls=tls)
    except OSError as error:
        await uplink.stop()
        raise SettingsError(
            f"ANXIN_GATEWAY_PORT={settings.gateway_port}: cannot listen on {settings.gateway_host}"
            f" ({error.strerror or error})"
        ) from error
    _log.info("listening", host=settings.gateway_host, port=port, is_tls=tls is not None)
    vitals = Vitals(lambda: uplink.is_connected)
    collector = GatewayCollector(gateway.progress, uplink)
    beat = Heartbeat(
        settings.database_url,
        "gateway",
        slot=f"{settings.gateway_host}:{port}",
        is_ready=lambda: uplink.is_connected,
    )
    with Exposition(settings, "gateway", vitals, (collector,)), beat:
        if on_listening is not None:
            on_listening(port)
        await _tell(gateway.progress, uplink, vitals, stop)
        await gateway.stop(grace_s=_GRACE_S)
        await uplink.stop()
    _log.info("stopped", action="gateway", **gateway.progress.as_fields())


async def _tell(progress: Progress, uplink: Uplink, vitals: Vitals, stop: threading.Event) -> None:
    """Wait for the end; say once a minute what has happened, if anything."""
    told, waited_s = progress.as_fields(), 0.0
    while not stop.is_set():
        await asyncio.sleep(0.1)
        vitals.move()
        waited_s += 0.1
        if waited_s >= _TELL_EVERY_S:
            waited_s = 0.0
            if (fields := progress.as_fields()) != told:
                _log.info("gateway", action="gateway", in_flight=uplink.in_flight, **fields)
                told = fields


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.gateway_tls_cert and not settings.gateway_tls_key:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.gateway_tls_cert, settings.gateway_tls_key or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"ANXIN_GATEWAY_TLS_CERT={settings.gateway_tls_cert!r}: must be a certificate in PEM, its key in"
            f" ANXIN_GATEWAY_TLS_KEY ({error})"
        ) from error
    return context


def _open_pool(settings: Settings, stop: threading.Event) -> Pool | None:
    """Return a pool, or None when stopped before the database answered."""
    is_told = False
    while not stop.is_set():
        try:
            return open_pool(
                settings.database_url,
                size=settings.db_pool_size,
                name="anxin-gateway",
                timeout_s=5.0,
                statement_timeout_s=10.0,
            )
        except DatabaseAway as error:
            if not is_told:
                _log.warning("database away", error=str(error))
            is_told = True
            stop.wait(1.0)
    return None


def _raise_file_limit(connections: int) -> int:
    """Let the process hold a file per connection; return how many connections that allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < wanted:
            _log.warning("fewer connections than set", allowed=soft - _OTHER_FILES, wanted=connections)
            return soft - _OTHER_FILES
    return connections

"""One machine's installation: embedded servers unless URLs are given, services, where others find them."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import psutil
import structlog

from data.broker import ROLES, EmbeddedBroker
from data.embedded import EmbeddedDatabase
from data.errors import SettingsError
from data.migrate import migrate
from data.processes import DirectoryLock
from data.settings import Settings
from data.supervisor import ServiceSpec, Supervisor

logger = structlog.get_logger()

#: Every service of a running installation, and the broker account it uses.
SERVICES: Mapping[str, str | None] = {
    "ingest": "ingest",
    "watch": None,
    "score": None,
    "route": None,
    "notify": "notify",
    "api": None,
    "maintain": None,
    "gateway": "gateway",
}
#: Those that serve metrics and health on a port of their own; the API has its own pages for them.
EXPOSED = ("ingest", "watch", "score", "route", "notify", "maintain", "gateway")
_RUN_FILE = "run.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where a running installation is reached; broker URLs by account."""

    database_url: str
    mqtt_urls: Mapping[str, str]
    broker: str  #: ``mosquitto``, ``amqtt`` or ``external``

    def settings_for(self, settings: Settings, role: str | None) -> Settings:
        """Return the settings with these URLs, the broker's under the account of ``role``.

        Raises:
            SettingsError: A role is named and no broker is known.
        """
        mqtt_url = self.mqtt_urls.get(role or "", "")
        if role and not mqtt_url:
            raise SettingsError("ANXIN_MQTT_URL is not set: a given database goes with a given broker")
        return replace(settings, database_url=self.database_url, mqtt_url=mqtt_url)


class Installation:
    """Servers and services of one machine, started and stopped together."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        services: Sequence[str] = tuple(SERVICES),
        foreign: Sequence[str] = (),
    ) -> None:
        """Remember what to run; ``foreign`` are the topic filters that adapters read."""
        self._settings = settings
        self._environ = environ
        self._foreign = tuple(foreign)
        self._services = [name for name in services if name != "gateway" or settings.gateway_port]
        self._database: EmbeddedDatabase | None = None
        self._broker: EmbeddedBroker | None = None
        self._supervisor: Supervisor | None = None
        self._lock = DirectoryLock(settings.home_path)
        self._written = ""
        self._metrics_ports: dict[str, int] = {}
        self.endpoints: Endpoints | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start_servers(self) -> Endpoints:
        """Start what is embedded, bring the schema up to date and return where everything is.

        Raises:
            EmbeddedError: Another installation runs in the home, or a server did not start.
            DatabaseAway: The given database does not answer.
            SettingsError: The home cannot be made, or something else listens where the API shall.
        """
        settings, home = self._settings, self._settings.home_path
        try:
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock.acquire()
        except OSError as error:
            raise SettingsError(
                f"ANXIN_HOME={str(home)!r}: must be a directory to write to ({error.strerror})"
            ) from error
        if "api" in self._services:
            _check_free("HTTP", settings.http_host, settings.http_port, more=": take another, or --port")
        if "gateway" in self._services:
            _check_free("GATEWAY", settings.gateway_host, settings.gateway_port)
        database_url = settings.database_url
        if not database_url:
            self._database = EmbeddedDatabase(home)
            self._database.start()
            database_url = self._database.url
        if settings.mqtt_url:
            mqtt_urls = _external_urls(settings.mqtt_url)
            broker = "external"
        else:
            self._broker = EmbeddedBroker(home, kind=settings.broker, foreign=self._foreign)
            self._broker.start()
            mqtt_urls = {role: self._broker.url(role) for role in ROLES}
            broker = self._broker.kind
        applied = migrate(database_url, settings)
        logger.info("servers ready", action="servers", broker=broker, migrations=applied)
        self.endpoints = Endpoints(database_url=database_url, mqtt_urls=mqtt_urls, broker=broker)
        return self.endpoints

    def start_services(self) -> None:
        """Start the services under supervision and write down where the installation is."""
        if self.endpoints is None:
            raise SettingsError("start_servers comes before start_services")
        share = "" if self.endpoints.broker == "amqtt" else self._settings.ingest_share
        specs = []
        exposed = [name for name in EXPOSED if name in self._services]
        self._metrics_ports = _choose_ports(self._settings, exposed)
        for name in self._services:
            role = SERVICES[name]
            environ = {
                **self._environ,
                "ANXIN_HOME": str(self._settings.home_path),
                "ANXIN_DATABASE_URL": self.endpoints.database_url,
                "ANXIN_HTTP_PORT": str(self._settings.http_port),
                "ANXIN_PUSH_ALLOW_LOOPBACK": str(int(self._settings.push_allow_loopback)),
                "ANXIN_INGEST_SHARE": share,
                "ANXIN_METRICS_PORT": str(self._metrics_ports.get(name, 0)),
                "PYTHONUNBUFFERED": "1",
            }
            if role:
                environ["ANXIN_MQTT_URL"] = self.endpoints.mqtt_urls[role]
            command = [sys.executable, "-m", "anxin", name, "--supervised"]
            specs.append(ServiceSpec(name=name, command=command, environ=environ))
        self._supervisor = Supervisor(specs, log_dir=self._settings.home_path / "logs")
        self._supervisor.start()
        self._write_run_file()

    def tend(self) -> None:
        """Start again what has crashed among the embedded servers; call it every second or so."""
        if self._database and self._database.ensure_running():
            logger.warning("database started again", action="restart", service="database")
        if self._broker and self._broker.ensure_running():
            logger.warning("broker started again", action="restart", service="broker")
        if self._broker and self._broker.refresh_accounts():
            logger.info("broker knows new accounts", action="accounts", service="broker")
        try:
            self._write_run_file()
        except OSError as error:  # a full disk must not end what still runs
            logger.warning("run file not written", action="run_file", error=str(error))

    def _write_run_file(self) -> None:
        if self.endpoints is None or self._supervisor is None:
            return
        run: dict[str, Any] = {
            "pid": os.getpid(),
            "database_url": self.endpoints.database_url,
            "mqtt_urls": dict(self.endpoints.mqtt_urls),
            "broker": self.endpoints.broker,
            "http": self._settings.base_url,
            "services": self._supervisor.pids(),
            "metrics": {
                name: f"http://{self._settings.metrics_host}:{port}"
                for name, port in self._metrics_ports.items()
            },
            "servers": {
                "database": self._database and self._database.pid,
                "broker": self._broker and self._broker.pid,
            },
            "restarts": self._supervisor.restarts(),
        }
        text = json.dumps(run)
        if text == self._written:
            return
        path = self._settings.home_path / _RUN_FILE
        fresh = path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        fresh.replace(path)
        self._written = text

    def stop(self) -> None:
        """Stop services, then broker, then database; safe to call twice."""
        if self._supervisor:
            self._supervisor.stop()
            self._supervisor = None
            (self._settings.home_path / _RUN_FILE).unlink(missing_ok=True)
        if self._broker:
            self._broker.stop()
            self._broker = None
        if self._database:
            self._database.stop()
            self._database = None
        self._lock.release()


def _choose_ports(settings: Settings, names: Sequence[str]) -> dict[str, int]:
    """Return a port for each service: from ``metrics_port`` upwards, else free ones.

    Raises:
        SettingsError: No port of that host can be had.
    """
    if settings.metrics_port:
        return {name: settings.metrics_port + number for number, name in enumerate(names)}
    probes = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in names]
    try:
        for probe in probes:  # all held at once, so that no two are the same
            probe.bind((settings.metrics_host, 0))
        return {name: int(probe.getsockname()[1]) for name, probe in zip(names, probes, strict=True)}
    except OSError as error:
        raise SettingsError(
            f"ANXIN_METRICS_HOST={settings.metrics_host!r}: cannot listen there ({error.strerror})"
        ) from error
    finally:
        for probe in probes:
            probe.close()


def _check_free(name: str, host: str, port: int, *, more: str = "") -> None:
    """Check that a service will be able to listen; it would only be started again and again."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise SettingsError(
            f"ANXIN_{name}_PORT={port}: cannot listen on {host} ({error.strerror}){more}"
        ) from error


def find_running(settings: Settings) -> Endpoints:
    """Return where to connect: the given URLs, else the installation that ``anxin up`` runs in ``home``.

    Raises:
        SettingsError: No database URL is set and nothing runs in ``home``.
    """
    if settings.database_url:
        return Endpoints(
            database_url=settings.database_url,
            mqtt_urls={**_external_urls(settings.mqtt_url), "": settings.mqtt_url},
            broker="external",
        )
    path: Path = settings.home_path / _RUN_FILE
    try:
        run = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        run = None
    if run is None or not psutil.pid_exists(run["pid"]):  # one that was killed leaves its file behind
        raise SettingsError(
            "ANXIN_DATABASE_URL is not set and no 'anxin up' runs in ANXIN_HOME: start one or set the URLs"
        )
    return Endpoints(database_url=run["database_url"], mqtt_urls=run["mqtt_urls"], broker=run["broker"])


def _external_urls(url: str) -> dict[str, str]:
    """Return the broker's address per account: ``{role}`` in it stands for the name of the account."""
    return {role: url.replace("{role}", role) for role in ROLES}

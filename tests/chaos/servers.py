"""A broker, a database and ingest processes of one test alone, each a real process that may be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from data.db import connect
from data.embedded import EmbeddedBroker, EmbeddedDatabase
from data.migrate import migrate
from data.reference import load_reference
from tests.chaos.installation import until
from tests.installed import ANXIN, environment

#: Settings that make repair quick enough to watch; everything else is as shipped.
QUICK = {"ANXIN_REPAIR_INTERVAL_S": "1", "ANXIN_LOG_LEVEL": "info"}


@dataclass
class IngestProcess:
    """One ``anxin ingest``: started, killed, started again under the same slot."""

    slot: str
    home: Path
    settings: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    peak_rss_bytes: int = 0

    @property
    def log_path(self) -> Path:
        return self.home / f"ingest-{self.slot}.log"

    def start(self) -> None:
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [ANXIN, "ingest"],
                env=environment(
                    **QUICK | self.settings, ANXIN_INGEST_SLOT=self.slot, ANXIN_HOME=str(self.home)
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def rss_bytes(self) -> int:
        """Return the memory in use now, and remember the most."""
        assert self.process is not None
        rss = int(psutil.Process(self.process.pid).memory_info().rss)
        self.peak_rss_bytes = max(self.peak_rss_bytes, rss)
        return rss

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()


@dataclass
class Servers:
    """What a small deployment runs, without its supervisor: the test is the one who starts again."""

    home: Path
    database: EmbeddedDatabase
    broker: EmbeddedBroker
    ingests: dict[str, IngestProcess] = field(default_factory=dict)

    @property
    def database_url(self) -> str:
        return self.database.url

    def add_ingest(self, slot: str, **settings: str) -> IngestProcess:
        """Start one more ingest process; ``settings`` may lead it through a proxy."""
        addresses = {"ANXIN_DATABASE_URL": self.database.url, "ANXIN_MQTT_URL": self.broker.url("ingest")}
        ingest = IngestProcess(slot, self.home, addresses | settings)
        self.ingests[slot] = ingest
        ingest.start()
        return ingest

    def wait_ready(self) -> None:
        """Wait until every ingest process is subscribed: what is published earlier nobody keeps."""

        def is_ready() -> bool:
            with psycopg.connect(self.database_url) as connection:
                ready = "SELECT count(*) FROM service_beats WHERE service = 'ingest' AND is_ready"
                return connection.execute(ready).fetchone() == (len(self.ingests),)

        until(is_ready, 40, what=f"ingest connected\n{self.logs()}")

    def kill_and_restart(self, victim: str, *, down_s: float) -> None:
        """Kill ``broker``, ``database`` or an ingest slot with SIGKILL; start it again ``down_s`` later."""
        if victim in self.ingests:
            assert self.ingests[victim].is_running, f"{victim} ended by itself\n{self.logs()}"
            self.ingests[victim].kill()
            time.sleep(down_s)
            self.ingests[victim].start()
            return
        server = self.broker if victim == "broker" else self.database
        pid = server.pid
        assert pid is not None, f"{victim} ended by itself\n{self.logs()}"
        os.kill(pid, signal.SIGKILL)
        until(lambda: server.pid is None, 20, pause_s=0.02, what=f"the end of the {victim}")
        time.sleep(down_s)
        assert server.ensure_running()

    def stop(self) -> None:
        for ingest in self.ingests.values():
            with suppress(psutil.NoSuchProcess):
                ingest.stop()
        self.broker.stop()
        self.database.stop()

    def logs(self, length: int = 2500) -> str:
        """Return the end of every log."""
        paths = [i.log_path for i in self.ingests.values()]
        paths += [*self.home.glob("*/postgres.log"), *self.home.glob("*/broker.log")]
        return "\n".join(
            f"--- {path.name}\n{path.read_text('utf-8', errors='replace')[-length:]}"
            for path in paths
            if path.exists()
        )


@contextmanager
def serving(home: Path) -> Iterator[Servers]:
    """Run a durable PostgreSQL and Mosquitto with the shipped configuration; the schema is in place."""
    home.mkdir(parents=True, exist_ok=True)
    servers = Servers(home, EmbeddedDatabase(home), EmbeddedBroker(home, kind="mosquitto"))
    try:
        servers.database.start()
        servers.broker.start()
        migrate(servers.database_url)
        with connect(servers.database_url, name="anxin-test") as connection:
            load_reference(connection, tenant="demo")
        yield servers
    finally:
        servers.stop()

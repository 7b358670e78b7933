"""How fast a filled broker queue becomes committed rows: real processes, a naive peer beside them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data.embedded import EmbeddedBroker, EmbeddedDatabase
from data.migrate import migrate
from data.topics import UP_FILTER
from ingest.bench import store
from ingest.bench.load import (
    SAMPLES_OF_B,
    SIGNALS_OF_A,
    SIGNALS_OF_B,
    Encoding,
    end_session,
    make_messages,
    open_session,
    publish_all,
)
from ingest.bench.rounds import Counts, Drain, measure_in_turn
from ingest.bench.watch import Watch
from ingest.errors import IngestError
from ingest.subscription import STATUS_FILTER

_START_MS = 1_700_000_000_000
_LONGEST_DRAIN_S = 1800.0
#: The first part of a drain is not timed: processes start, tables and caches are empty.
_WARM_UP = 0.15
_UNITS = {
    "messages_per_s": "messages/s to committed rows, median of the rounds",
    "cpu_us_per_message": "microseconds of processor time a message, by kind of process",
    "signals_per_s": "signal values/s to committed rows",
    "ratio": "times the messages/s (a) or signals/s (b) of the naive peer",
    "peak_rss_mb": "MB, the largest ingest process",
    "two_processes.speed_up": "times the messages/s of one process",
    "prefill_rows": "rows in the drive table before the first message",
}


@dataclass(frozen=True, slots=True)
class _Servers:
    mqtt_ingest: str
    mqtt_load: str
    database: str
    pids: Mapping[str, int]  #: name -> process, of those that are ours


def bench_ingest(
    *,
    messages: int | None,
    seed: int,
    rounds: int = 3,
    database_url: str = "",
    prefill_rows: int = 0,
    cases: tuple[str, ...] = ("a", "b", "b_typed", "two_processes"),
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Fill a queue, drain it with ``anxin ingest``, and count in the database what has come of it.

    A Mosquitto of its own with the shipped configuration keeps the messages for persistent sessions at QoS 1;
    filling is not timed. Rates are those of the commit log between the end of the first 15 % of the messages
    and the last commit. Case ``a``: JSON of one sample with 24 scalars; ``b``: CBOR of ten samples with 24
    scalars, four tires (pressure and temperature), 96 cells and 32 probes; ``b_typed``: the same as RFC 8746
    arrays. The naive peer takes the same content as JSON and stores it in as many tables. Both drain in turn,
    ``rounds`` times; the median counts.

    Args:
        messages: Of case ``a``; ``b`` has an eighth. None: as many as take ten seconds, after a short drain
            that tells how fast it goes.
        seed: Of the contents.
        rounds: How often each is measured.
        database_url: A server where a database may be made; empty: an embedded one.
        prefill_rows: Rows stored in the drive table beforehand.
        cases: Which to run.
        tell: Is told what is going on.

    Raises:
        IngestError: The queue was not drained in time.
    """
    rng = np.random.default_rng(seed)
    with (
        tempfile.TemporaryDirectory(prefix="anxin-bench-", ignore_cleanup_errors=True) as home,
        _servers(Path(home), database_url) as servers,
    ):
        migrate(servers.database)
        vehicles = 1000
        store.register_fleet(servers.database, vehicles)
        result: dict[str, Any] = {"prefill_rows": 0}
        if prefill_rows:
            tell(f"prefilling {prefill_rows:,} rows")
            result["prefill_rows"] = store.prefill(servers.database, prefill_rows, vehicles, _START_MS)
        run = _Run(servers, Path(home), vehicles, rng, tell)
        counts = Counts(messages)
        for kind in ("a", "b"):
            if kind in cases:
                result |= measure_in_turn(run.drains(kind, cases), counts, rounds)
        return result | run.totals() | {"rounds": rounds, "cores": os.cpu_count(), "units": _UNITS}


class _Run:
    """One fleet and its boots: each measurement is a boot of its own, an hour after the one before."""

    def __init__(
        self,
        servers: _Servers,
        home: Path,
        vehicles: int,
        rng: np.random.Generator,
        tell: Callable[[str], None],
    ) -> None:
        self._servers, self._home, self._vehicles, self._rng, self._tell = servers, home, vehicles, rng, tell
        self._boot_count = 0
        self._stored = self._lost = self._duplicated = 0
        self._peak_rss = 0

    def measure(
        self, kind: Literal["a", "b"], encoding: Encoding, count: int, *, processes: int = 1
    ) -> dict[str, Any]:
        """Fill and drain; return rates."""
        slots = [str(n) for n in range(processes)]
        shared = [f"$share/ingest/{UP_FILTER}", STATUS_FILTER]
        for slot in slots:
            open_session(
                self._servers.mqtt_ingest, f"anxin-ingest-{slot}", shared, is_v5=True, receive_maximum=20_000
            )
        boot, size = self._fill(kind, encoding, count)
        self._tell(f"draining {count:,} messages, {size / count:,.0f} bytes each, {processes} process(es)")
        before = store.last_batch(self._servers.database)
        with _ingesting(self._servers, slots) as running:
            watched = Watch(running, self._servers.pids)
            _wait(lambda: store.received(self._servers.database, boot), count, watched)
            cpu_us = watched.cpu_us_per_message(count)
        for slot in slots:
            end_session(self._servers.mqtt_ingest, f"anxin-ingest-{slot}", is_v5=True)
        rate, seconds, batches = store.rate_since(self._servers.database, before, count, _WARM_UP)
        samples, width = (1, SIGNALS_OF_A) if kind == "a" else (SAMPLES_OF_B, SIGNALS_OF_B)
        self._account(boot, count, samples, kind)
        self._peak_rss = max(self._peak_rss, watched.peak_rss)
        return {
            "messages": count,
            "payload_bytes": round(size / count),
            "messages_per_s": rate,
            "signals_per_s": rate * samples * width,
            "timed_s": seconds,
            "batches": batches,
            "cpu_us_per_message": cpu_us,
        }

    def measure_naive(self, kind: Literal["a", "b"], count: int) -> dict[str, Any]:
        """Fill and drain with the naive peer; return its rates."""
        store.create_naive(self._servers.database)
        client_id = "naive"
        open_session(self._servers.mqtt_ingest, client_id, [UP_FILTER], is_v5=False, receive_maximum=20)
        self._fill(kind, "json", count)
        self._tell(f"draining {count:,} messages with the naive peer")
        command = [
            sys.executable,
            "-m",
            "ingest.bench.naive",
            self._servers.mqtt_ingest,
            self._servers.database,
        ]
        done = subprocess.run(  # noqa: S603 -- our own command
            [*command, str(count), client_id], capture_output=True, text=True, check=False
        )
        end_session(self._servers.mqtt_ingest, client_id, is_v5=False)
        if done.returncode:
            raise IngestError(f"the naive peer failed: {done.stderr.strip()[-500:]}")
        told = json.loads(done.stdout)
        samples, width = (1, SIGNALS_OF_A) if kind == "a" else (SAMPLES_OF_B, SIGNALS_OF_B)
        rows = store.naive_rows(self._servers.database)
        wanted = count * samples
        if rows != ((wanted, 0, 0) if kind == "a" else (wanted, wanted, wanted)):
            raise IngestError(f"the naive peer stored {rows} rows: must be {wanted} in each table")
        rate = told["messages"] / told["seconds"]
        return {
            "messages": told["messages"],
            "messages_per_s": rate,
            "signals_per_s": rate * samples * width,
            "timed_s": round(told["seconds"], 3),
        }

    def drains(self, kind: Literal["a", "b"], cases: tuple[str, ...]) -> dict[str, Drain]:
        """Return what is to be measured in turn with one kind of messages."""
        found: dict[str, Drain] = {
            kind: lambda count: self.measure(kind, "json" if kind == "a" else "cbor", count)
        }
        if "no_naive" not in cases:
            found[f"naive_{kind}"] = lambda count: self.measure_naive(kind, count)
        if kind == "a" and "two_processes" in cases:
            found["two_processes"] = lambda count: self.measure("a", "json", count, processes=2)
        if kind == "b" and "b_typed" in cases:
            found["b_typed"] = lambda count: self.measure("b", "cbor_typed", count)
        return found

    def totals(self) -> dict[str, Any]:
        """Return what all measurements together stored, lost and stored twice, and the memory they took."""
        return {
            "stored": self._stored,
            "lost": self._lost,
            "duplicated": self._duplicated,
            "peak_rss_mb": round(self._peak_rss / 1e6, 1),
        }

    def _fill(self, kind: Literal["a", "b"], encoding: Encoding, count: int) -> tuple[str, int]:
        self._tell(f"filling the queue with {count:,} messages")
        boot = f"bench{self._boot_count}"
        start_ms = _START_MS + self._boot_count * 3_600_000
        size = 0

        def counted() -> Iterator[tuple[str, bytes]]:
            nonlocal size
            for topic, payload in make_messages(
                kind,
                count=count,
                vehicles=self._vehicles,
                encoding=encoding,
                start_ms=start_ms,
                boot=boot,
                rng=self._rng,
            ):
                size += len(payload)
                yield topic, payload

        self._boot_count += 1
        publish_all(self._servers.mqtt_load, counted())
        return boot, size

    def _account(self, boot: str, count: int, samples: int, kind: str) -> None:
        hour_ms = _START_MS + (self._boot_count - 1) * 3_600_000
        found = store.account(self._servers.database, boot, hour_ms)
        wanted = count * samples
        rows = [found.drive_rows] if kind == "a" else [found.drive_rows, found.tire_rows, found.cell_rows]
        self._stored += sum(rows)
        self._lost += sum(max(0, wanted - n) for n in rows) + max(0, count - found.received)
        self._duplicated += sum(max(0, n - wanted) for n in rows) + found.duplicate_rows


def _wait(received: Callable[[], int], count: int, watched: Watch) -> None:
    deadline = time.monotonic() + _LONGEST_DRAIN_S
    while (done := received()) < count:
        if done > _WARM_UP * count:
            watched.begin(done)
        for _ in range(5):
            watched.look()
            time.sleep(0.1)
        if time.monotonic() > deadline:
            raise IngestError(f"the queue was not drained within {_LONGEST_DRAIN_S:.0f} s")


@contextmanager
def _servers(home: Path, database_url: str) -> Iterator[_Servers]:
    with EmbeddedBroker(home, kind="mosquitto") as broker:
        ingest, load = broker.url("ingest"), broker.url("simulator")
        pids = {"broker": broker.pid} if broker.pid else {}
        if database_url:
            with store.temporary_database(database_url) as url:
                yield _Servers(ingest, load, url, pids)
        else:
            with EmbeddedDatabase(home) as database:
                yield _Servers(ingest, load, database.url, pids | {"database": database.pid or 0})


@contextmanager
def _ingesting(servers: _Servers, slots: list[str]) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for slot in slots:
            environ = {k: v for k, v in os.environ.items() if not k.startswith("ANXIN_")} | {
                "ANXIN_DATABASE_URL": servers.database,
                "ANXIN_MQTT_URL": servers.mqtt_ingest,
                "ANXIN_INGEST_SLOT": slot,
                "ANXIN_LOG_LEVEL": "warning",
            }
            command = [sys.executable, "-m", "anxin", "ingest"]
            running[slot] = subprocess.Popen(command, env=environ)  # noqa: S603 -- our own command
        yield running
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

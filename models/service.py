"""The two services of models: ``score`` for what builds up over days, ``watch`` for what cannot wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import structlog

from data.db import Connection, Pool, open_pool, transaction
from data.errors import DatabaseAway, DatabaseError
from data.exposition import Exposition, Vitals
from data.heartbeat import Heartbeat
from data.records import Family, VehicleSpec
from data.settings import Settings
from models import store
from models.assess import Told
from models.backlog import Backlog
from models.errors import PartitionLost, describe_error
from models.partitions import Partitions, partition_of
from models.score import Scorer
from models.watch import Spans, Watcher

_LOG = structlog.get_logger("models")
_BATCHES = 500
#: Vehicles scored in one transaction: few, so that the first of a waiting fleet do not wait for the last.
_VEHICLES = 16
#: A stop that comes while the database is away waits no longer than this.
_CONNECT_S = 5.0
_BACK_OFF_S = (0.5, 1.0, 2.0, 5.0)
#: Of the time, at most this share goes into scoring, the rest stays for the others on the machine.
_DUTY = 0.5
_LONGEST_PAUSE_S = 1.0


def run_score(settings: Settings, *, stop: threading.Event) -> None:
    """Score vehicles until ``stop`` is set; survives the database going away."""
    _keep_running("score", settings, stop, _score)


def run_watch(settings: Settings, *, stop: threading.Event) -> None:
    """Watch the live stream until ``stop`` is set; survives the database going away."""
    _keep_running("watch", settings, stop, _watch)


def _keep_running(
    service: str,
    settings: Settings,
    stop: threading.Event,
    work: Callable[[Settings, Pool, Partitions, threading.Event, Vitals], None],
) -> None:
    vitals = Vitals()
    vitals.become(is_well=False)
    beat = Heartbeat(settings.database_url, service, is_ready=lambda: vitals.is_ready)
    with Exposition(settings, service, vitals), beat:
        _keep_trying(service, settings, stop, work, vitals)


def _keep_trying(
    service: str,
    settings: Settings,
    stop: threading.Event,
    work: Callable[[Settings, Pool, Partitions, threading.Event, Vitals], None],
    vitals: Vitals,
) -> None:
    failures = 0
    while not stop.is_set():
        started = time.monotonic()
        vitals.move()
        try:
            pool = open_pool(settings.database_url, size=2, name=f"anxin-{service}", timeout_s=_CONNECT_S)
            try:
                with Partitions(settings.database_url, service) as partitions:
                    vitals.become(is_well=True)
                    work(settings, pool, partitions, stop, vitals)
            finally:
                pool.close()
        except (DatabaseAway, DatabaseError, PartitionLost, psycopg.Error) as error:
            vitals.become(is_well=False)
            failures = 0 if time.monotonic() - started > 60 else failures + 1
            if failures <= 1:
                _LOG.warning("interrupted", service=service, error=str(error)[:300])
            stop.wait(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])


class _Follower:
    """Reads the commit log once for all owned partitions."""

    def __init__(self, service: str, pool: Pool, partitions: Partitions) -> None:
        self.service = service
        self.pool = pool
        self.partitions = partitions
        self.cursors: dict[int, int] = {}
        self.read_to: dict[int, int] = {}
        self.specs: dict[int, VehicleSpec] = {}

    def acquire(self) -> set[int]:
        """Take free partitions; return the new ones."""
        new = self.partitions.acquire()
        if new:
            with transaction(self.pool) as connection:
                for partition in new:
                    at = store.fetch_cursor(connection, self.service, partition)
                    self.cursors[partition] = self.read_to[partition] = at
            _LOG.info("partitions", service=self.service, owned=len(self.partitions.owned))
        return new

    def read(self) -> list[store.Batch]:
        """Return unread batches, cut to the vehicles of owned partitions; know their specs afterwards."""
        if not self.read_to:
            return []
        with transaction(self.pool) as connection:
            batches = store.fetch_batches(connection, min(self.read_to.values()), _BATCHES)
            touched = {v for batch in batches for v in batch.vehicle_ids}
            unknown = {v for v in touched if partition_of(v) in self.read_to} - self.specs.keys()
            if unknown:
                self.specs.update(store.fetch_specs(connection, unknown))
        return batches

    def entries(self, batch: store.Batch) -> list[tuple[int, str, int, int, bool]]:
        """Return vehicle, family, first and last sample, sent live, of what a partition has not read yet."""
        rows = zip(batch.vehicle_ids, batch.families, batch.from_us, batch.to_us, batch.has_live, strict=True)
        return [
            row for row in rows if batch.batch_id > self.read_to.get(partition_of(row[0]), batch.batch_id)
        ]

    def mark_read(self, batch_id: int) -> None:
        """Note that every owned partition has been read up to a batch."""
        for partition, at in self.read_to.items():
            self.read_to[partition] = max(at, batch_id)

    def move(self, connection: psycopg.Connection, partition: int, to: int) -> None:
        """Move a cursor within the caller's transaction.

        Raises:
            PartitionLost: Another process has moved it.
        """
        seen = self.cursors[partition]
        if to > seen and not store.move_cursor(connection, self.service, partition, seen=seen, to=to):
            raise PartitionLost(f"{self.service} partition {partition}: another process goes on with it")


def _score(
    settings: Settings, pool: Pool, partitions: Partitions, stop: threading.Event, vitals: Vitals
) -> None:
    follower = _Follower("score", pool, partitions)
    backlog = Backlog(pause_s=settings.score_every_s)
    scorer = Scorer(fresh=timedelta(seconds=settings.fresh_s))
    while not stop.is_set():
        vitals.move()
        follower.acquire()
        batches = follower.read()
        for batch in batches:
            backlog.add(batch.batch_id, follower.entries(batch), follower.specs, now_s=time.monotonic())
            follower.mark_read(batch.batch_id)
        due = backlog.due(time.monotonic(), _VEHICLES)
        if due or (batches and not backlog.touched):
            started = time.monotonic()
            _score_due(follower, backlog, scorer, due)
            took = time.monotonic() - started
            stop.wait(min(took * (1 - _DUTY) / _DUTY, _LONGEST_PAUSE_S))
        elif len(batches) < _BATCHES:
            partitions.wait(0.5)


def _score_due(follower: _Follower, backlog: Backlog, scorer: Scorer, due: list[int]) -> None:
    """Score vehicles together; where one of them cannot be scored, each alone, and leave that one out."""
    try:
        _score_some(follower, backlog, scorer, due)
    except (DatabaseAway, PartitionLost):
        raise
    except Exception as error:
        failure = describe_error(error)
    else:
        return
    scorer.forget(due)
    if len(due) > 1:
        for vehicle in due:
            _score_due(follower, backlog, scorer, [vehicle])
        return
    _LOG.error("vehicle left out until it sends more", vehicle_id=due[0], error=failure)
    with transaction(follower.pool) as connection:
        store.write_failures(connection, due, {(due[0], "*"): failure}, now=datetime.now(UTC))
    backlog.done(due, time.monotonic())


def _score_some(follower: _Follower, backlog: Backlog, scorer: Scorer, due: list[int]) -> None:
    started = time.monotonic()
    reached = {p: backlog.reach(p, at, due) for p, at in follower.read_to.items()}
    with transaction(follower.pool) as connection:
        written = scorer.score(
            connection, {v: backlog.touched[v] for v in due}, follower.specs, now=datetime.now(UTC)
        )
        for partition, to in reached.items():
            follower.move(connection, partition, to)
    for partition, to in reached.items():
        follower.cursors[partition] = max(follower.cursors[partition], to)
    backlog.done(due, time.monotonic())
    if due:
        _LOG.info(
            "scored",
            vehicles=len(due),
            predictions=written,
            waiting=len(backlog.touched),
            seconds=round(time.monotonic() - started, 3),
        )


def _watch(
    settings: Settings, pool: Pool, partitions: Partitions, stop: threading.Event, vitals: Vitals
) -> None:
    follower = _Follower("watch", pool, partitions)
    watcher = Watcher(fresh=timedelta(seconds=settings.fresh_s))
    while not stop.is_set():
        vitals.move()
        if follower.acquire():
            watcher.forget()
        batches = follower.read()
        if batches:
            _watch_some(follower, watcher, batches)
        if len(batches) < _BATCHES:
            partitions.wait(0.5)


def _look(
    watcher: Watcher,
    connection: Connection,
    spans: Spans,
    specs: dict[int, VehicleSpec],
    now: datetime,
) -> list[Told]:
    """Look at vehicles together; where one of them cannot be read, at each alone, and leave that one out."""
    try:
        return watcher.look(connection, spans, specs, now=now)
    except (DatabaseError, psycopg.Error):
        raise
    except Exception as error:
        watcher.forget()
        vehicles = sorted({vehicle for vehicle, _ in spans})
        if len(vehicles) == 1:
            _LOG.exception("vehicle not watched this time", vehicle_id=vehicles[0], error=str(error)[:300])
            return []
        return [
            told
            for one in vehicles
            for told in _look(
                watcher, connection, {key: s for key, s in spans.items() if key[0] == one}, specs, now
            )
        ]


def _watch_some(follower: _Follower, watcher: Watcher, batches: list[store.Batch]) -> None:
    now = datetime.now(UTC)
    spans: dict[tuple[int, Family], tuple[int, int]] = {}
    for batch in batches:
        for vehicle, name, from_us, to_us_, _ in follower.entries(batch):
            key = (vehicle, Family(name))
            if not watcher.is_late(key[1], to_us_, now):
                first, last = spans.get(key, (from_us, to_us_))
                spans[key] = (min(first, from_us), max(last, to_us_))
    follower.mark_read(batches[-1].batch_id)
    with transaction(follower.pool) as connection:
        told = _look(watcher, connection, spans, follower.specs, now) if spans else []
        written = store.insert_predictions(connection, told)
        for partition, to in follower.read_to.items():
            follower.move(connection, partition, to)
    follower.cursors.update(follower.read_to)
    if written:
        _LOG.info("watched", predictions=written, vehicles=len({vehicle for vehicle, _ in spans}))

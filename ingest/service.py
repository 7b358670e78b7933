"""The ingest loop: receive, read, store, acknowledge; and the rounds of gap repair beside it."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import numpy as np
import structlog

from data.catalogue import load_catalogue
from data.db import Pool, open_pool
from data.errors import DatabaseAway, DatabaseError
from data.exposition import Exposition, Vitals
from data.heartbeat import Heartbeat
from data.migrate import check_schema
from data.settings import Settings
from data.topics import UP_FILTER
from ingest.adapters.files import load_adapters
from ingest.asking import Asker
from ingest.can import parse_can_payload
from ingest.can.rows import CanDecoders
from ingest.intake import Intake
from ingest.memory import keep_freed_memory
from ingest.messages import Adapter
from ingest.meters import IngestCollector
from ingest.pipeline import Clock, Pipeline
from ingest.progress import Progress
from ingest.quality_watch import QualityWatch
from ingest.rejects import Retried
from ingest.rejects import retry_rejects as _retry_rejects
from ingest.store_sessions import check_slot_free, forget_session, note_session
from ingest.subscriber import Subscriber
from ingest.upkeep import Upkeep

_log = structlog.get_logger("ingest")
#: A session that has brought nothing for so long is empty.
_DRAINED_AFTER_S = 5.0


def run(
    settings: Settings,
    *,
    stop: threading.Event,
    adapters: Sequence[Adapter] = (),
    progress: Progress | None = None,
    is_draining: bool = False,
) -> None:
    """Store what vehicles send until ``stop`` is set.

    Survives the database and the broker going away. May be killed at any instant: what was not committed was
    not acknowledged, and what was committed has no effect twice.

    Args:
        settings: Database, broker, slot, window.
        stop: Ends the service.
        adapters: Read topics that are not ours, beside those of the settings' mapping file; their filters are
            subscribed to beside ours.
        progress: Counts what is done.
        is_draining: Take nothing new, store what the broker still holds for this slot, end the session there,
            and return.

    Raises:
        AdapterError: The mapping file breaks a rule.
        SchemaError: The database is of another version.
        SlotTaken: A slot is to be drained in which another process works.
        ExpositionError: Metrics cannot be served where they should be.
    """
    keep_freed_memory()
    adapters = (*adapters, *load_adapters(settings.adapters))
    pool = _open_pool(settings, stop)
    if pool is None:
        return
    client_id = _client_id(settings)
    subscriber = Subscriber(
        settings.mqtt_url,
        client_id=client_id,
        share=settings.ingest_share,
        window=settings.ingest_window_messages,
        window_bytes=settings.ingest_window_bytes,
        clock_us=_now_us,
        filters=(UP_FILTER, *(f for adapter in adapters for f in adapter.filters)),
        is_draining=is_draining,
    )
    progress = Progress() if progress is None else progress
    is_storing = threading.Event()
    is_storing.set()
    vitals = Vitals(lambda: subscriber.is_connected and is_storing.is_set())
    upkeep = Upkeep(
        settings,
        pool,
        build_intake(settings, pool, adapters),
        publish=subscriber.publish,
        is_connected=lambda: subscriber.is_connected,
        stop=stop,
        rng=np.random.default_rng(),
        clock=lambda: datetime.now(UTC),
    )
    asker = Asker(
        pool,
        publish=subscriber.publish,
        is_connected=lambda: subscriber.is_connected,
        stop=stop,
        clock=lambda: datetime.now(UTC),
    )
    meters = IngestCollector(
        progress,
        upkeep.counts,
        window_messages=settings.ingest_window_messages,
        window_bytes=settings.ingest_window_bytes,
        connection=lambda: (subscriber.connection_count, subscriber.takeover_count, subscriber.is_connected),
        is_storing=is_storing.is_set,
    )
    beat = Heartbeat(
        settings.database_url, "ingest", slot=settings.ingest_slot, is_ready=lambda: vitals.is_ready
    )
    is_drained = threading.Event()
    try:
        if is_draining:
            check_slot_free(pool, slot=settings.ingest_slot)
        note_session(pool, client_id=client_id, slot=settings.ingest_slot, share=settings.ingest_share)
        with Exposition(settings, "ingest", vitals, (meters,)), beat:
            subscriber.start()
            if is_draining:
                threading.Thread(
                    target=_watch_drain, args=(subscriber, stop, is_drained), name="ingest-drain", daemon=True
                ).start()
            else:
                upkeep.start()
                asker.start()
            intake = build_intake(settings, pool, adapters)
            with _rare_collections():
                Pipeline(
                    settings,
                    intake,
                    subscriber,
                    stop=stop,
                    is_storing=is_storing,
                    progress=progress,
                    clock=Clock(time.monotonic, _now_us),
                    vitals=vitals,
                ).run()
            _store_gathered(intake)
            if is_drained.is_set():
                if subscriber.stop(ends_session=True):
                    forget_session(pool, client_id=client_id)
                else:
                    _log.error("session not ended: drain again", action="drain", slot=settings.ingest_slot)
                _log.info("drained", action="drain", slot=settings.ingest_slot, messages=progress.messages)
    finally:
        subscriber.stop()
        upkeep.join(timeout_s=10.0)
        asker.join(timeout_s=10.0)
        pool.close()


def _client_id(settings: Settings) -> str:
    return f"anxin-ingest-{settings.ingest_slot}"


def discard_session(settings: Settings) -> bool:
    """Discard the broker's session of a slot that never comes back, with all that it holds.

    Left alone it would go on receiving its share of every message for a week.

    Returns:
        Whether the broker has confirmed it.
    """
    subscriber = Subscriber(
        settings.mqtt_url,
        client_id=_client_id(settings),
        share=settings.ingest_share,
        window=1,
        clock_us=_now_us,
    )
    return subscriber.stop(ends_session=True)


def _store_gathered(intake: Intake) -> None:
    try:
        intake.store_gathered()
    except DatabaseError as error:
        _log.warning("findings of the last minute are lost", error=str(error)[:200])


def _watch_drain(subscriber: Subscriber, stop: threading.Event, is_drained: threading.Event) -> None:
    """Stop the service once the broker has brought all that it held for this slot."""
    while not stop.wait(0.2):
        if subscriber.is_connected and subscriber.quiet_s > _DRAINED_AFTER_S:
            is_drained.set()
            stop.set()


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for garbage rarely: a batch is many objects without cycles, and looking at them costs the most.

    Measured with JSON of 24 scalars: 60 microseconds a message instead of 8 at Python's own thresholds.
    """
    usual = gc.get_threshold()
    gc.set_threshold(200_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def build_intake(settings: Settings, pool: Pool, adapters: Sequence[Adapter] = ()) -> Intake:
    """Return the path from deliveries to rows that the service uses."""
    can = CanDecoders()
    return Intake(
        pool,
        slot=settings.ingest_slot,
        future_s=settings.ingest_future_s,
        can_decode=can,
        join_can=can.join,
        find_cut=can.find_cut,
        parse_can=parse_can_payload,
        clock_s=time.monotonic,
        adapters=adapters,
        watch=QualityWatch(load_catalogue(), clock_limit_s=settings.ingest_clock_limit_s),
    )


def retry_rejects(
    settings: Settings, *, tenant: str | None = None, vins: Sequence[str] | None = None
) -> Retried:
    """Read the retryable rejects again and store what can be read now; with ``vins`` those of these vehicles.

    Raises:
        DatabaseAway: The database does not answer.
    """
    pool = open_pool(settings.database_url, size=2, name="anxin-rejects")
    try:
        return _retry_rejects(
            pool,
            build_intake(settings, pool, load_adapters(settings.adapters)),
            now=datetime.now(UTC),
            tenant=tenant,
            vins=vins,
        )
    finally:
        pool.close()


def _open_pool(settings: Settings, stop: threading.Event) -> Pool | None:
    """Return a pool on a database of the right schema, or None when stopped before there was one."""
    is_told = False
    while not stop.is_set():
        try:
            pool = open_pool(
                settings.database_url,
                size=settings.db_pool_size,
                name="anxin-ingest",
                timeout_s=5.0,
                answer_s=settings.db_answer_s,
            )
        except DatabaseAway as error:
            if not is_told:
                _log.warning("database away", error=str(error))
            is_told = True
            stop.wait(1.0)
            continue
        try:
            with pool.connection() as connection:
                check_schema(connection)
        except BaseException:
            pool.close()
            raise
        return pool
    return None


def _now_us() -> int:
    return time.time_ns() // 1000

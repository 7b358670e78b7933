"""What ingest does beside the stream: asks for missing messages, reads rejects again whose cause has gone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import structlog

from data.db import Pool
from data.errors import DatabaseError
from data.settings import Settings
from ingest.cuts import join_cuts
from ingest.intake import Intake
from ingest.rejects import retry_welcome
from ingest.repair import RepairCounts, Repairer
from ingest.store_repair import count_holes

_log = structlog.get_logger("ingest")


@dataclass(slots=True)
class UpkeepCounts:
    """What has been done since the start of the process, and what the last round saw."""

    asked_messages: int = 0
    given_up_streams: int = 0
    retried_messages: int = 0
    joined_transfers: int = 0  #: pairs of halves that came to different processes
    failures: int = 0  #: rounds that the database did not take
    streams_with_holes: int = 0
    missing_messages: int = 0


class Upkeep:
    """A thread that goes its rounds every half repair interval.

    Args:
        settings: Gap repair.
        pool: The database.
        intake: Reads and stores rejects; of this thread alone.
        publish: (topic, payload) -> whether it could be tried.
        is_connected: Whether the broker can be asked.
        stop: Ends the thread.
        rng: Draws the jitter of requests.
        clock: Now, timezone-aware.
    """

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        intake: Intake,
        *,
        publish: Callable[[str, bytes], bool],
        is_connected: Callable[[], bool],
        stop: threading.Event,
        rng: np.random.Generator,
        clock: Callable[[], datetime],
    ) -> None:
        self._pool = pool
        self._intake = intake
        self._is_connected = is_connected
        self._stop = stop
        self._clock = clock
        self._pause_s = settings.repair_interval_s / 2
        self._kept = timedelta(days=settings.repair_horizon_days)
        self._repairer = Repairer(
            pool,
            publish,
            interval_s=settings.repair_interval_s,
            limit=settings.repair_messages_per_request,
            horizon_days=settings.repair_horizon_days,
            rng=rng,
        )
        self._thread = threading.Thread(target=self._run, name="ingest-upkeep", daemon=True)
        self.counts = UpkeepCounts()

    def start(self) -> None:
        """Begin the rounds; the first comes after a pause."""
        self._thread.start()

    def join(self, *, timeout_s: float) -> None:
        """Wait for the end of the present round after ``stop``."""
        if self._thread.is_alive():
            self._thread.join(timeout=timeout_s)

    def run_round(self) -> None:
        """Go one round.

        Raises:
            DatabaseError: The database is away or refuses; the next round tries again.
        """
        now = self._clock()
        retried = retry_welcome(self._pool, self._intake, now=now)
        if retried.stored:
            self.counts.retried_messages += retried.stored
            _log.info("stored rejects after all", action="retry", messages=retried.stored)
        if self._is_connected():
            self._note(self._repairer.run_round(now))
        joined = join_cuts(self._pool, self._intake, now=now, kept=self._kept)
        if joined:
            self.counts.joined_transfers += joined
            _log.info("put cut transfers together", action="join", pairs=joined)
        holes = count_holes(self._pool)
        self.counts.streams_with_holes, self.counts.missing_messages = holes

    def _run(self) -> None:
        while not self._stop.wait(self._pause_s):
            try:
                self.run_round()
            except DatabaseError as error:
                self.counts.failures += 1
                _log.warning("upkeep failed, trying again", action="upkeep", error=str(error)[:300])
            except Exception:
                # a thread that ended here would take gap repair with it, unseen
                self.counts.failures += 1
                _log.exception("upkeep failed, trying again", action="upkeep")

    def _note(self, counts: RepairCounts) -> None:
        self.counts.asked_messages += counts.asked_messages
        self.counts.given_up_streams += counts.given_up_streams
        if counts.asked_messages or counts.given_up_streams:
            _log.info(
                "asked for missing messages",
                action="repair",
                streams=counts.asked_streams,
                messages=counts.asked_messages,
                given_up_streams=counts.given_up_streams,
            )

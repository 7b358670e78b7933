"""Asks vehicles for the messages that never came, through one ingest process at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import numpy as np

from data.db import Pool
from data.topics import Down, down
from ingest.gaps import START, Gap, Plan, StreamKey, plan_requests
from ingest.store_repair import repair_round

#: Streams looked at in one round; the next round goes on behind them.
_STREAMS = 1000
#: Messages asked for in one round, about: a fleet that lost a broker is not to answer all at once.
_MESSAGES = 20_000
#: Streams whose last look is remembered; one forgotten is asked a look later.
_REMEMBERED = 100_000


@dataclass(slots=True)
class RepairCounts:
    """What one round did."""

    asked_streams: int = 0
    asked_messages: int = 0
    given_up_streams: int = 0


class Repairer:
    """Looks at the holes of all streams from time to time.

    Args:
        pool: The database.
        publish: (topic, payload) -> whether it could be tried.
        interval_s: Shortest pause between two requests for one stream.
        limit: Messages in one request.
        horizon_days: How long vehicles keep their messages.
        rng: Draws the jitter.
    """

    def __init__(
        self,
        pool: Pool,
        publish: Callable[[str, bytes], bool],
        *,
        interval_s: float,
        limit: int,
        horizon_days: float,
        rng: np.random.Generator,
    ) -> None:
        self._pool = pool
        self._publish = publish
        self._interval_s = interval_s
        self._limit = limit
        self._horizon = timedelta(days=horizon_days)
        self._rng = rng
        self._seen: dict[StreamKey, int] = {}  # highest number at the last look
        self._after = START

    def run_round(self, now: datetime) -> RepairCounts:
        """Ask for what has been missing since the last round; do nothing while another process does it.

        The request is noted before it is sent: a process that dies between the two asks again one interval
        later.

        Raises:
            DatabaseAway: Try again.
        """

        def decide(gaps: Sequence[Gap]) -> Plan:
            plan = plan_requests(
                gaps,
                self._seen,
                now=now,
                interval_s=self._interval_s,
                limit=self._limit,
                budget=_MESSAGES,
                horizon_s=self._horizon.total_seconds(),
                rng=self._rng,
            )
            self._turn(gaps, plan)
            return plan

        plan = repair_round(
            self._pool,
            decide,
            now=now,
            horizon=self._horizon,
            interval_s=self._interval_s,
            after=self._after,
            limit=_STREAMS,
        )
        counts = RepairCounts(given_up_streams=len(plan.given_up))
        for request in plan.requests:
            ranges = [[low, high - 1] for low, high in request.ranges]
            payload = msgspec.json.encode({"v": 1, "boot": request.gap.boot, "ranges": ranges})
            if self._publish(down(request.gap.tenant, request.gap.vin, Down.RESEND), payload):
                counts.asked_streams += 1
                counts.asked_messages += request.message_count
        return counts

    def _turn(self, gaps: Sequence[Gap], plan: Plan) -> None:
        """Remember what was looked at, and where the next round goes on: every stream has its turn."""
        if len(self._seen) > _REMEMBERED:
            self._seen.clear()
        looked_at = gaps[: plan.looked_at]
        self._seen.update((gap.key, gap.high) for gap in looked_at)
        is_end = len(looked_at) == len(gaps) < _STREAMS
        self._after = START if is_end else looked_at[-1].key

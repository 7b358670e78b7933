"""Asks vehicles for the messages that never came, through one ingest process at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import numpy as np

from data.db import Pool
from data.topics import Down, down
from ingest.gaps import Gap, Plan, Ranges, StreamKey, plan_requests
from ingest.store_repair import repair_round

#: Streams looked at in one round, those that answer first, then the longest unasked.
_STREAMS = 1000


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
        self._seen: dict[StreamKey, Ranges] = {}

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
                horizon_s=self._horizon.total_seconds(),
                rng=self._rng,
            )
            self._seen = {gap.key: gap.missing for gap in gaps}
            return plan

        plan = repair_round(self._pool, decide, now=now, horizon=self._horizon, limit=_STREAMS)
        counts = RepairCounts(given_up_streams=len(plan.given_up))
        for request in plan.requests:
            ranges = [[low, high - 1] for low, high in request.ranges]
            payload = msgspec.json.encode({"v": 1, "boot": request.gap.boot, "ranges": ranges})
            if self._publish(down(request.gap.tenant, request.gap.vin, Down.RESEND), payload):
                counts.asked_streams += 1
                counts.asked_messages += sum(high - low for low, high in request.ranges)
        return counts

"""Transfers cut between two messages that this process did not both read: put together in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from data.db import Connection, Pool
from data.records import Origin
from ingest.intake import Intake
from ingest.messages import CanFrames, Envelope, Message
from ingest.store_cuts import CutPair, join_pairs


def join_cuts(pool: Pool, intake: Intake, *, now: datetime, kept: timedelta) -> int:
    """Store what transfers say whose two halves came to different processes, or in the wrong order.

    Rows and halves change in one transaction: killed in between, the next round does it all again.

    Args:
        pool: The database.
        intake: The path of new messages; of this thread alone.
        now: Timezone-aware.
        kept: Age at which a half is given up; as long as vehicles keep what may be asked for again.

    Returns:
        How many pairs of halves were joined.

    Raises:
        DatabaseAway: Try again; what was done stays done.
    """

    def store(connection: Connection, pairs: Sequence[CutPair]) -> dict[int, CanFrames]:
        messages: list[Message] = []
        open_still: dict[int, CanFrames] = {}
        for at, pair in enumerate(pairs):
            vehicle = intake.find_vehicle(pair.tenant, pair.vin)
            if vehicle is None:  # out of service since
                continue
            frames = CanFrames.join([pair.begun, pair.rest])
            rows, _ = intake.find_cut(vehicle, frames)
            if rows.size:
                open_still[at] = frames.take(rows)
            messages.append(
                Message(
                    vehicle=vehicle,
                    received_us=pair.received_us,
                    envelope=Envelope(
                        boot=None,
                        seq=None,
                        sent_us=pair.received_us,
                        is_hist=pair.is_hist,
                        origin=Origin(pair.origin),
                    ),
                    can=frames,
                )
            )
        intake.write(connection, messages)
        return open_still

    total = 0
    while joined := join_pairs(pool, store, now=now, kept=kept):
        total += joined
    return total

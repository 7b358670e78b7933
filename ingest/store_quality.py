"""SQL of the quality checks: what was found, per vehicle and day, and how far clocks are off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from data.db import Connection, Pool, load_queries, transaction
from ingest.quality_clocks import ClockTold
from ingest.tally import Tally

_Q = load_queries("ingest", "quality.sql")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def store_findings(pool: Pool, tally: Tally, *, received_us: int) -> None:
    """Add findings in a transaction of their own; see ``write_quality``.

    Raises:
        DatabaseError: They could not be stored.
    """
    if tally.counts:
        with transaction(pool) as connection:
            write_quality(connection, tally, (), received_us=received_us)


def write_quality(
    connection: Connection, tally: Tally, clocks: Sequence[ClockTold], *, received_us: int
) -> None:
    """Add what a batch found inside the caller's transaction.

    Args:
        connection: In a transaction.
        tally: Counts go to the day of receipt, UTC; a batch delivered again counts again.
        clocks: Estimates to store; an older one never replaces a newer one.
        received_us: When the newest message of the batch was received, microseconds.
    """
    if tally.counts:
        found = sorted(tally.counts)
        connection.execute(
            _Q["add_quality_counts"],
            {
                "received": _EPOCH + timedelta(microseconds=received_us),
                "vehicle_id": [f.vehicle_id for f in found],
                "signal": [f.signal.replace("\0", "") for f in found],
                "element": [f.element for f in found],
                "reason": [f.reason.replace("\0", "") for f in found],
                "count": [tally.counts[f] for f in found],
            },
        )
    if clocks:
        told = {clock.vehicle_id: clock for clock in clocks}
        connection.execute(
            _Q["tell_clocks"],
            {
                "vehicle_id": list(told),
                "offset_s": [c.offset_s for c in told.values()],
                "is_off": [c.is_off for c in told.values()],
                "observed_at": [_EPOCH + timedelta(microseconds=c.observed_us) for c in told.values()],
            },
        )

"""What is believed: ranges, sentinels and clocks. Doubtful values become NaN and are counted, never repaired.

On-board alarms do not pass here: they bypass every filter.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from data.catalogue import Signal
from data.records import BoolArray, FloatArray, IntArray

#: No connected vehicle is older; a clock that was never set says 1970 or 2000.
EARLIEST_US = int(datetime(2010, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


def find_bad_times(
    time_us: IntArray, received_us: IntArray, *, future_s: float
) -> tuple[BoolArray, BoolArray]:
    """Tell which sample times cannot be.

    Args:
        time_us: Shape (n,), sample time, microseconds since 1970 UTC.
        received_us: Shape (n,), when ingest received the message.
        future_s: How far a vehicle's clock may be ahead, seconds.

    Returns:
        Two masks of shape (n,): in the future, before 2010.
    """
    return time_us > received_us + round(future_s * 1e6), time_us < EARLIEST_US


def mask_values(signal: Signal, values: npt.NDArray[np.floating]) -> tuple[FloatArray, dict[str, int]]:
    """Return a copy of ``values`` with what cannot be measured as NaN.

    Args:
        signal: Its range, sentinels and SQL type.
        values: Shape (n,) or (n, k), catalogue unit, NaN missing.

    Returns:
        The masked copy; counts by ``alias:sentinel``, ``alias:range`` and ``alias:not_integer``.
    """
    masked = np.array(values, dtype=np.float64)
    counts: dict[str, int] = {}
    for sentinel in signal.sentinels:
        hit = masked == sentinel
        if signal.sentinel_rule == "all" and masked.ndim == 2:
            hit &= np.all(hit | np.isnan(masked), axis=1, keepdims=True)
        _mask(masked, hit, f"{signal.alias}:sentinel", counts)
    _mask(masked, (masked < signal.low) | (masked > signal.high), f"{signal.alias}:range", counts)
    if signal.sql_type == "smallint" and signal.scale == 1:
        fraction = np.isfinite(masked) & (masked != np.rint(masked))
        _mask(masked, fraction, f"{signal.alias}:not_integer", counts)
    return masked, counts


def _mask(values: FloatArray, hit: BoolArray, reason: str, counts: dict[str, int]) -> None:
    found = int(np.count_nonzero(hit))
    if found:
        values[hit] = np.nan
        counts[reason] = counts.get(reason, 0) + found

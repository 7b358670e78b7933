"""What is believed: ranges, sentinels and clocks. Doubtful values become NaN and are counted, never repaired.

These checks look at one batch and need no memory; those that follow a vehicle over time are in
``ingest/quality_watch.py``. On-board alarms do not pass here: they bypass every filter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from data.catalogue import Signal
from data.records import BoolArray, IntArray
from ingest.tally import Tally

#: No connected vehicle is older; a clock that was never set says 1970 or 2000.
EARLIEST_US = int(datetime(2010, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000

Columns = Mapping[str, npt.NDArray[np.floating]]


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


def check_family(
    signals: Mapping[str, Signal],
    columns: Columns,
    vehicle_id: npt.NDArray[np.integer],
    *,
    tally: Tally,
    masked: Counter[str],
) -> dict[str, npt.NDArray[np.floating]]:
    """Return the columns of one family with what cannot have been measured as NaN.

    Each signal passes the same named checks: ``sentinel`` (a value that means missing), ``all_equal`` (all
    wheels, cells or probes show one value at which they cannot all be), ``range`` (ends included) and
    ``not_integer`` (a state that is none). A column without findings is returned as it came.

    Args:
        signals: The catalogue, by alias.
        columns: Alias -> shape (n,) or (n, k), catalogue unit, NaN missing; never written to.
        vehicle_id: Shape (n,), whose row it is.
        tally: Takes the findings by vehicle, signal, element and reason.
        masked: Takes the same as ``alias:reason``, summed over vehicles.
    """
    checked = {}
    for alias, values in columns.items():
        sieve = _Sieve(signals[alias], values, vehicle_id, tally, masked)
        checked[alias] = sieve.run()
    return checked


class _Sieve:
    """The checks of one column; the column is copied at the first finding."""

    def __init__(
        self,
        signal: Signal,
        values: npt.NDArray[np.floating],
        vehicle_id: npt.NDArray[np.integer],
        tally: Tally,
        masked: Counter[str],
    ) -> None:
        self._signal = signal
        self._values = values
        self._vehicle_id = vehicle_id
        self._tally = tally
        self._masked = masked
        self._is_copy = False

    def run(self) -> npt.NDArray[np.floating]:
        signal = self._signal
        if not self._values.size:
            return self._values
        for sentinel in signal.sentinels:
            self._mask(self._sentinel_hits(sentinel), "sentinel")
        # Two reductions tell whether the rest needs a closer look; NaN compares false.
        low, high = np.fmin.reduce(self._values, axis=None), np.fmax.reduce(self._values, axis=None)
        if signal.is_array and (low < signal.equal_low or high > signal.equal_high):
            self._mask(self._equal_hits(), "all_equal")
        if low < signal.low or high > signal.high:
            self._mask((self._values < signal.low) | (self._values > signal.high), "range")
        if signal.sql_type == "smallint" and signal.scale == 1:
            values = self._values
            self._mask(np.isfinite(values) & (values != np.rint(values)), "not_integer")
        return self._values

    def _sentinel_hits(self, sentinel: float) -> BoolArray:
        hit: BoolArray = self._values == sentinel
        if self._signal.sentinel_rule == "all" and hit.ndim == 2 and hit.any():
            hit &= np.all(hit | np.isnan(self._values), axis=1, keepdims=True)
        return hit

    def _equal_hits(self) -> BoolArray:
        """Return the elements of rows whose elements, two or more, all show one impossible value."""
        values, signal = self._values, self._signal
        low, high = np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)
        is_heard = ~np.isnan(values)
        row = (low == high) & ((low < signal.equal_low) | (low > signal.equal_high))
        row &= np.count_nonzero(is_heard, axis=1) >= 2
        hit: BoolArray = is_heard & row[:, None]
        return hit

    def _mask(self, hit: BoolArray, reason: str) -> None:
        if not hit.any():
            return
        alias = self._signal.alias
        self._masked[f"{alias}:{reason}"] += self._tally.add_hits(self._vehicle_id, hit, alias, reason)
        if not self._is_copy:
            self._values, self._is_copy = self._values.copy(), True
        self._values[hit] = np.nan

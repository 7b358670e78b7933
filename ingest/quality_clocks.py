"""How far the clock of each vehicle is off, from when it sent and when we received.

A message is late for many reasons and early for none but its clock, so that each piece of 30 s counts by
its promptest message. The estimate is the upper quartile of the last pieces: neither one stray message nor
the minutes in which a backlog is read move it. Times are never corrected: a wrong clock is reported.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data.records import BoolArray, IntArray
from ingest.quality_memory import VehicleMemory
from ingest.tally import Finding, Tally

_PIECES = 16
_PIECE_US = 30_000_000
#: With fewer pieces nothing is said of a clock.
_FEWEST_PIECES = 3
#: An estimate is told again when it has changed by this much, or is this old.
_TELL_CHANGE_S = 1.0
_TELL_AGAIN_US = 600_000_000

_STATE = np.dtype(
    [
        ("vehicle_id", np.int64),
        ("heard_us", np.int64),
        ("began_us", np.int64),  # the present piece
        ("best_s", np.float64),  # of the present piece
        ("pieces_s", np.float64, (_PIECES,)),
        ("count", np.int64),
        ("offset_s", np.float64),
        ("told_s", np.float64),
        ("told_us", np.int64),
    ]
)


class ClockTold(NamedTuple):
    """The estimate of one vehicle's clock, to be stored."""

    vehicle_id: int
    offset_s: float  #: sent - received of its promptest messages: positive when the clock is ahead
    is_off: bool
    observed_us: int


class ClockWatch:
    """Follows the clocks of vehicles from batch to batch; any part of a vehicle's messages will do.

    Args:
        limit_s: A clock further off is reported.
        vehicle_limit: Vehicles remembered.
    """

    def __init__(self, *, limit_s: float, vehicle_limit: int) -> None:
        blank = np.zeros(1, _STATE)
        for name in ("best_s", "pieces_s", "offset_s", "told_s"):
            blank[name] = np.nan
        self._limit_s = limit_s
        self._memory = VehicleMemory(blank, limit=vehicle_limit)

    def observe(
        self,
        vehicle_id: npt.NDArray[np.integer],
        sent_us: IntArray,
        received_us: IntArray,
        is_live: BoolArray,
        tally: Tally,
    ) -> list[ClockTold]:
        """Take the messages of a batch and return the estimates that should be stored.

        Args:
            vehicle_id: Shape (n,), sender of each message.
            sent_us: Shape (n,), by the vehicle's clock, microseconds.
            received_us: Shape (n,), by ours.
            is_live: Shape (n,), false for messages out of the vehicle's store.
            tally: Takes ``clock: offset`` for each live message of a vehicle whose clock is off.
        """
        if not is_live.any():
            return []
        sender = vehicle_id[is_live].astype(np.int64)
        order = np.argsort(sender, kind="stable")
        ids, starts = np.unique(sender[order], return_index=True)
        early_s = np.maximum.reduceat((sent_us - received_us)[is_live][order], starts) / 1e6
        now_us = np.maximum.reduceat(received_us[is_live][order], starts)
        at = self._memory.rows_of(ids, int(now_us.max()))
        state = self._memory.table
        is_over = now_us - state["began_us"][at] >= _PIECE_US
        over = at[is_over]
        self._close_pieces(over[np.isfinite(state["best_s"][over])])
        state["began_us"][over] = now_us[is_over]
        state["best_s"][at] = np.where(is_over, early_s, np.fmax(state["best_s"][at], early_s))
        counts = np.diff(np.append(starts, len(order)))
        is_off = np.abs(state["offset_s"][at]) > self._limit_s
        for vehicle, count in zip(ids[is_off].tolist(), counts[is_off].tolist(), strict=True):
            tally.counts[Finding(vehicle, "clock", 0, "offset")] += count
        return self._tell(over, now_us[is_over])

    def _close_pieces(self, rows: IntArray) -> None:
        state = self._memory.table
        state["pieces_s"][rows, state["count"][rows] % _PIECES] = state["best_s"][rows]
        state["count"][rows] += 1
        count = np.minimum(state["count"][rows], _PIECES)
        in_order = np.sort(np.nan_to_num(state["pieces_s"][rows], nan=-np.inf), axis=1)
        upper = in_order[np.arange(len(rows)), _PIECES - 1 - count // 4]
        state["offset_s"][rows] = np.where(count >= _FEWEST_PIECES, upper, np.nan)

    def _tell(self, rows: IntArray, now_us: IntArray) -> list[ClockTold]:
        state = self._memory.table
        offset_s = state["offset_s"][rows]
        has_changed = ~(np.abs(offset_s - state["told_s"][rows]) < _TELL_CHANGE_S)
        is_due = np.isfinite(offset_s) & (has_changed | (now_us - state["told_us"][rows] >= _TELL_AGAIN_US))
        rows, now_us, offset_s = rows[is_due], now_us[is_due], offset_s[is_due]
        state["told_s"][rows], state["told_us"][rows] = offset_s, now_us
        is_off = np.abs(offset_s) > self._limit_s
        facts = (state["vehicle_id"][rows].tolist(), offset_s.tolist(), is_off.tolist(), now_us.tolist())
        return [ClockTold(*told) for told in zip(*facts, strict=True)]

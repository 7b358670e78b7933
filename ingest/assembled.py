"""What a batch of messages comes to, and what all its rows inherit from their messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from data.records import BoolArray, Family, IntArray
from ingest.errors import PayloadError
from ingest.families import ORIGINS, FamilyBatch
from ingest.merge import group_rows
from ingest.messages import Message
from ingest.quality import find_bad_times
from ingest.quality_clocks import ClockTold
from ingest.tally import Tally


@dataclass(slots=True, kw_only=True)
class Assembled:
    """What a batch of messages comes to."""

    families: dict[Family, FamilyBatch] = field(default_factory=dict)
    masked: Counter[str] = field(default_factory=Counter)  #: ``what:reason`` -> values or samples left out
    tally: Tally = field(default_factory=Tally)  #: the same by vehicle, but for what CAN decoders leave out
    clocks: list[ClockTold] = field(default_factory=list)  #: estimates of vehicles' clocks to be stored
    conflict_count: int = 0  #: values of one batch that contradict an earlier one of the same key
    bad_messages: dict[int, PayloadError] = field(
        default_factory=dict
    )  #: message index -> why (a part of) it is left out
    time_span: dict[int, tuple[int, int]] = field(
        default_factory=dict
    )  #: message index -> first and last sample time

    def count_masked(self, vehicle_id: int, masked: Mapping[str, int]) -> None:
        """Count what was left out of a vehicle's message."""
        self.masked.update(masked)
        self.tally.add_masked(vehicle_id, masked)


@dataclass(frozen=True, slots=True)
class Heads:
    """Per message: what each of its rows inherits."""

    vehicle_id: npt.NDArray[np.int32]
    sent_us: IntArray
    received_us: IntArray
    is_hist: npt.NDArray[np.bool_]
    origin: npt.NDArray[np.int8]
    is_gcj02: npt.NDArray[np.bool_]
    has_clock: npt.NDArray[np.bool_]  #: the vehicle told when it sent

    @classmethod
    def of(cls, messages: Sequence[Message]) -> Heads:
        """Return those of a batch."""
        heads = [m.envelope for m in messages]
        received = np.array([m.received_us for m in messages], np.int64)
        return cls(
            np.array([m.vehicle.vehicle_id for m in messages], np.int32),
            np.array([h.sent_us if h else r for h, r in zip(heads, received, strict=True)], np.int64),
            received,
            np.array([bool(h and h.is_hist) for h in heads], bool),
            np.array([ORIGINS.index(h.origin) if h else 0 for h in heads], np.int8),
            np.array([(m.coordinates or m.vehicle.model.coordinates) == "gcj02" for m in messages], bool),
            np.array([h is not None for h in heads], bool),
        )


def believable(
    index: IntArray, time_us: IntArray, heads: Heads, future_s: float, result: Assembled
) -> BoolArray:
    """Tell which samples have a time that can be, shape (n,); the others are counted in ``result``.

    Args:
        index: Message index of each sample, shape (n,).
        time_us: Their times, shape (n,).
        heads: Of the messages.
        future_s: How far a vehicle's clock may be ahead, seconds.
        result: Of the batch.
    """
    future, ancient = find_bad_times(time_us, heads.received_us[index], future_s=future_s)
    for bad, reason, rule in (
        (future, "future_time", f"must not be more than {future_s:g} s after it was received"),
        (ancient, "ancient_time", "must not be before 2010"),
    ):
        if not bad.any():
            continue
        result.masked[f"time:{reason}"] += result.tally.add_hits(heads.vehicle_id[index], bad, "time", reason)
        owners, firsts = np.unique(index[bad], return_index=True)
        for owner, time in zip(owners.tolist(), time_us[bad][firsts].tolist(), strict=True):
            result.bad_messages.setdefault(
                owner, PayloadError(reason, f"sample time {time // 1000} ms: {rule}")
            )
    return ~(future | ancient)


def widen_spans(index: IntArray, time_us: IntArray, result: Assembled) -> None:
    """Note the first and last sample time of each message; ``index`` and ``time_us`` of shape (n,)."""
    grouping = group_rows([index])
    in_order = time_us[grouping.order]
    lows = np.minimum.reduceat(in_order, grouping.starts).tolist()
    highs = np.maximum.reduceat(in_order, grouping.starts).tolist()
    for owner, low, high in zip(index[grouping.first].tolist(), lows, highs, strict=True):
        earlier = result.time_span.get(owner, (low, high))
        result.time_span[owner] = (min(low, earlier[0]), max(high, earlier[1]))

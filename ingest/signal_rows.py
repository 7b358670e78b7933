"""Rows of signals that no alias names: one per vehicle, time and signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.records import Family, FamilyRows, FloatArray, IntArray
from ingest.assembled import Assembled, Heads, believable, widen_spans
from ingest.families import FamilyBatch
from ingest.merge import group_rows, merge_column
from ingest.messages import Message


@dataclass(frozen=True, slots=True)
class Unmapped:
    """Values of signals that no alias names; arrays of shape (p,)."""

    index: IntArray  #: message
    time_us: IntArray
    names: Sequence[str]  #: of all signals that may occur
    code: IntArray  #: which of the names
    value: FloatArray


def add_signals(
    messages: Sequence[Message],
    unmapped: Sequence[Unmapped],
    heads: Heads,
    future_s: float,
    result: Assembled,
) -> None:
    """Add the rows of a batch's unmapped signals, those of the messages and those of their frames.

    Args:
        messages: In arrival order.
        unmapped: Out of frames.
        heads: Of the messages.
        future_s: How far a vehicle's clock may be ahead, seconds.
        result: Takes the rows.
    """
    found = [u for u in (*_of_messages(messages), *unmapped) if len(u.index)]
    if not found:
        return
    names = sorted({name for u in found for name in u.names})
    number = {name: n for n, name in enumerate(names)}
    index = np.concatenate([u.index for u in found]).astype(np.int64)
    time_us = np.concatenate([u.time_us for u in found])
    code = np.concatenate([np.array([number[n] for n in u.names], np.int64)[u.code] for u in found])
    value = np.concatenate([u.value for u in found])
    keep = np.flatnonzero(believable(index, time_us, heads, future_s, result) & np.isfinite(value))
    if not len(keep):
        return
    index, time_us, code, value = index[keep], time_us[keep], code[keep], value[keep]
    widen_spans(index, time_us, result)
    # The message index comes last: of one key, the row that arrived first counts.
    grouping = group_rows([heads.vehicle_id[index], time_us, code], tie=index)
    merged, conflicts = merge_column(value, grouping)
    result.conflict_count += conflicts
    first = grouping.first
    owner = index[first]
    rows = FamilyRows(
        family=Family.SIGNAL,
        vehicle_id=heads.vehicle_id[owner],
        time_us=time_us[first],
        sent_us=heads.sent_us[owner],
        received_us=heads.received_us[owner],
        is_hist=heads.is_hist[owner],
        columns={"value": merged},
    )
    result.families[Family.SIGNAL] = FamilyBatch(
        rows=rows, origin=heads.origin[owner], names=np.array(names, np.str_)[code[first]]
    )


def _of_messages(messages: Sequence[Message]) -> list[Unmapped]:
    return [
        Unmapped(
            np.full(len(message.extra), i, np.int64),
            np.full(len(message.extra), message.extra_time_us, np.int64),
            tuple(message.extra),
            np.arange(len(message.extra)),
            np.array(list(message.extra.values()), np.float64),
        )
        for i, message in enumerate(messages)
        if message.extra
    ]

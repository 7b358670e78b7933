"""Bring the messages of a batch together into one set of unique, sorted rows per family."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from data.catalogue import Catalogue
from data.records import Family, FamilyRows, FloatArray, IntArray
from ingest.errors import PayloadError
from ingest.families import ORIGINS, FamilyBatch
from ingest.merge import group_rows, merge_column
from ingest.messages import CanFrames, Message, Model, Part, TroubleCode
from ingest.quality import check_family, find_bad_times
from ingest.quality_clocks import ClockTold
from ingest.quality_positions import convert_positions
from ingest.quality_watch import QualityWatch
from ingest.tally import Tally
from ingest.tele import stack_tele

#: Decodes the frames of one vehicle model: (model, message index of each frame, frames, vehicle of each
#: message) -> parts and their message indices, extra signals as (message index, time, name, value), masks,
#: trouble codes with their message indices.
CanRows = tuple[
    list[tuple[Part, IntArray]],
    tuple[IntArray, IntArray, npt.NDArray[np.str_], FloatArray],
    dict[str, int],
    list[tuple[int, TroubleCode]],
]
CanDecode = Callable[[Model, IntArray, CanFrames, IntArray], CanRows]


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


@dataclass(slots=True)
class _Pile:
    """Parts of one family, before they become arrays."""

    parts: list[Part] = field(default_factory=list)
    index: list[IntArray] = field(default_factory=list)  #: message index of each row of each part


def assemble(
    messages: Sequence[Message],
    *,
    catalogue: Catalogue,
    future_s: float,
    can_decode: CanDecode,
    watch: QualityWatch | None = None,
) -> Assembled:
    """Return the rows of a batch.

    Args:
        messages: In arrival order.
        catalogue: Ranges, sentinels, families.
        future_s: How far a vehicle's clock may be ahead, seconds.
        can_decode: Decodes the raw frames of one vehicle model.
        watch: Follows the vehicles from batch to batch; None: nothing is followed.
    """
    result = Assembled()
    meta = _Meta.of(messages)
    piles: dict[Family, _Pile] = {}
    for i, message in enumerate(messages):
        if message.masked:
            result.count_masked(message.vehicle.vehicle_id, message.masked)
        for part in message.parts:
            pile = piles.setdefault(part.family, _Pile())
            pile.parts.append(part)
            pile.index.append(np.full(len(part.time_us), i, np.int64))
    _stack_tele(messages, catalogue, piles, result)
    extra, codes = _decode_can(messages, can_decode, piles, meta, result)
    _add_codes(messages, codes, meta, future_s, result)
    for family in sorted(piles):
        pile = piles[family]
        _add_family(family, pile, meta, result, catalogue=catalogue, future_s=future_s)
    _add_signals(messages, extra, meta, future_s, result)
    if watch is not None and messages:
        result.clocks = watch.observe_messages(
            meta.vehicle_id, meta.sent_us, meta.received_us, meta.has_clock & ~meta.is_hist, result.tally
        )
        watch.observe_rows({family: batch.rows for family, batch in result.families.items()}, result.tally)
    return result


@dataclass(frozen=True, slots=True)
class _Meta:
    """Per message: what each of its rows inherits."""

    vehicle_id: npt.NDArray[np.int32]
    sent_us: IntArray
    received_us: IntArray
    is_hist: npt.NDArray[np.bool_]
    origin: npt.NDArray[np.int8]
    is_gcj02: npt.NDArray[np.bool_]
    has_clock: npt.NDArray[np.bool_]  #: the vehicle told when it sent

    @classmethod
    def of(cls, messages: Sequence[Message]) -> _Meta:
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


def _stack_tele(
    messages: Sequence[Message], catalogue: Catalogue, piles: dict[Family, _Pile], result: Assembled
) -> None:
    stacked = stack_tele(messages, catalogue)
    for part, index in stacked.parts:
        pile = piles.setdefault(part.family, _Pile())
        pile.parts.append(part)
        pile.index.append(index)
    for i, masked in stacked.masked.items():
        result.count_masked(messages[i].vehicle.vehicle_id, masked)
    result.bad_messages.update(stacked.bad)


def _decode_can(
    messages: Sequence[Message],
    can_decode: CanDecode,
    piles: dict[Family, _Pile],
    meta: _Meta,
    result: Assembled,
) -> tuple[list[tuple[IntArray, IntArray, npt.NDArray[np.str_], FloatArray]], list[tuple[int, TroubleCode]]]:
    by_model: dict[str, list[int]] = {}
    for i, message in enumerate(messages):
        if message.can is not None:
            by_model.setdefault(message.vehicle.model.model_id, []).append(i)
    extra = []
    codes: list[tuple[int, TroubleCode]] = []
    for indices in by_model.values():
        frames = [c for i in indices if (c := messages[i].can) is not None]
        joined = CanFrames.join(frames)
        owner = np.repeat(np.array(indices, np.int64), [len(f.time_us) for f in frames])
        try:
            parts, unmapped, masked, found = can_decode(
                messages[indices[0]].vehicle.model, owner, joined, meta.vehicle_id.astype(np.int64)
            )
        except PayloadError as error:
            result.bad_messages.update(dict.fromkeys(indices, error.kept()))
            continue
        result.masked.update(masked)
        extra.append(unmapped)
        codes += found
        for part, index in parts:
            pile = piles.setdefault(part.family, _Pile())
            pile.parts.append(part)
            pile.index.append(index)
    return extra, codes


def _add_codes(
    messages: Sequence[Message],
    codes: Sequence[tuple[int, TroubleCode]],
    meta: _Meta,
    future_s: float,
    result: Assembled,
) -> None:
    """Give the codes that frames told of to their messages, once however often a batch is assembled."""
    if not codes:
        return
    index = np.array([i for i, _ in codes], np.int64)
    time_us = np.array([code.time_us for _, code in codes], np.int64)
    for row in np.flatnonzero(_believable(index, time_us, meta, future_s, result)).tolist():
        i, code = codes[row]
        if code not in messages[i].codes:
            messages[i].codes.append(code)


def _add_family(
    family: Family, pile: _Pile, meta: _Meta, result: Assembled, *, catalogue: Catalogue, future_s: float
) -> None:
    lengths = [len(p.time_us) for p in pile.parts]
    index = np.concatenate(pile.index)
    time_us = np.concatenate([p.time_us for p in pile.parts])
    sub_pack = np.repeat(np.array([p.sub_pack for p in pile.parts], np.int16), lengths)
    first_cell = np.repeat(np.array([p.first_cell for p in pile.parts], np.int16), lengths)
    stacked, widths = _stack_columns(pile.parts, lengths)
    columns = check_family(
        catalogue.signals, stacked, meta.vehicle_id[index], tally=result.tally, masked=result.masked
    )
    has_value = np.zeros(len(index), bool)
    for column in columns.values():
        has_value |= ~np.isnan(column) if column.ndim == 1 else ~np.all(np.isnan(column), axis=1)
    keep = np.flatnonzero(_believable(index, time_us, meta, future_s, result) & has_value)
    if not len(keep):
        return
    if len(keep) < len(index):
        index, time_us, sub_pack, first_cell = index[keep], time_us[keep], sub_pack[keep], first_cell[keep]
        columns = {alias: column[keep] for alias, column in columns.items()}
        widths = {alias: width[keep] for alias, width in widths.items()}
    _widen_spans(index, time_us, result)
    vehicle_id = meta.vehicle_id[index]
    # The message index comes last: of one key, the row that arrived first counts.
    grouping = group_rows([vehicle_id, time_us, sub_pack, first_cell], tie=index)
    merged = {}
    for alias, column in columns.items():
        merged[alias], conflicts = merge_column(column, grouping)
        result.conflict_count += conflicts
    first = grouping.first
    owner = index[first]
    if family is Family.DRIVE and meta.is_gcj02.any():
        is_gcj02 = meta.is_gcj02[owner]
        merged = convert_positions(
            merged, vehicle_id[first], is_gcj02, tally=result.tally, masked=result.masked
        )
    rows = FamilyRows(
        family=family,
        vehicle_id=vehicle_id[first],
        time_us=time_us[first],
        sent_us=meta.sent_us[owner],
        received_us=meta.received_us[owner],
        is_hist=np.logical_and.reduceat(meta.is_hist[index][grouping.order], grouping.starts),
        columns=merged,
        sub_pack=sub_pack[first] if family is Family.CELL else None,
        first_cell=first_cell[first] if family is Family.CELL else None,
    )
    widest = {a: np.maximum.reduceat(w[grouping.order], grouping.starts) for a, w in widths.items()}
    result.families[family] = FamilyBatch(rows=rows, origin=meta.origin[owner], widths=widest)


def _stack_columns(
    parts: Sequence[Part], lengths: Sequence[int]
) -> tuple[dict[str, npt.NDArray[np.floating]], dict[str, IntArray]]:
    n = sum(lengths)
    if len(parts) == 1:
        whole = parts[0].columns
        return dict(whole), {a: np.full(n, c.shape[1], np.int64) for a, c in whole.items() if c.ndim == 2}
    width: dict[str, int] = {}
    for part in parts:
        for alias, column in part.columns.items():
            width[alias] = max(width.get(alias, 0), column.shape[1] if column.ndim == 2 else 0)
    columns: dict[str, npt.NDArray[np.floating]] = {
        alias: np.full((n, k) if k else n, np.nan) for alias, k in width.items()
    }
    widths = {alias: np.zeros(n, np.int64) for alias, k in width.items() if k}
    at = 0
    for part, length in zip(parts, lengths, strict=True):
        for alias, column in part.columns.items():
            if column.ndim == 2:
                columns[alias][at : at + length, : column.shape[1]] = column
                widths[alias][at : at + length] = column.shape[1]
            else:
                columns[alias][at : at + length] = column
        at += length
    return columns, widths


def _believable(
    index: IntArray, time_us: IntArray, meta: _Meta, future_s: float, result: Assembled
) -> npt.NDArray[np.bool_]:
    future, ancient = find_bad_times(time_us, meta.received_us[index], future_s=future_s)
    for bad, reason, rule in (
        (future, "future_time", f"must not be more than {future_s:g} s after it was received"),
        (ancient, "ancient_time", "must not be before 2010"),
    ):
        if not bad.any():
            continue
        result.masked[f"time:{reason}"] += result.tally.add_hits(meta.vehicle_id[index], bad, "time", reason)
        owners, firsts = np.unique(index[bad], return_index=True)
        for owner, time in zip(owners.tolist(), time_us[bad][firsts].tolist(), strict=True):
            result.bad_messages.setdefault(
                owner, PayloadError(reason, f"sample time {time // 1000} ms: {rule}")
            )
    return ~(future | ancient)


def _widen_spans(index: IntArray, time_us: IntArray, result: Assembled) -> None:
    grouping = group_rows([index])
    in_order = time_us[grouping.order]
    lows = np.minimum.reduceat(in_order, grouping.starts).tolist()
    highs = np.maximum.reduceat(in_order, grouping.starts).tolist()
    for owner, low, high in zip(index[grouping.first].tolist(), lows, highs, strict=True):
        earlier = result.time_span.get(owner, (low, high))
        result.time_span[owner] = (min(low, earlier[0]), max(high, earlier[1]))


def _add_signals(
    messages: Sequence[Message],
    extra: list[tuple[IntArray, IntArray, npt.NDArray[np.str_], FloatArray]],
    meta: _Meta,
    future_s: float,
    result: Assembled,
) -> None:
    for i, message in enumerate(messages):
        if message.extra:
            n = len(message.extra)
            extra.append(
                (
                    np.full(n, i, np.int64),
                    np.full(n, message.extra_time_us, np.int64),
                    np.array(list(message.extra), dtype=np.str_),
                    np.array(list(message.extra.values()), np.float64),
                )
            )
    extra = [e for e in extra if len(e[0])]
    if not extra:
        return
    index = np.concatenate([e[0] for e in extra]).astype(np.int64)
    time_us = np.concatenate([e[1] for e in extra])
    names = np.concatenate([e[2] for e in extra]).astype(np.str_)
    value = np.concatenate([e[3] for e in extra])
    keep = np.flatnonzero(_believable(index, time_us, meta, future_s, result) & np.isfinite(value))
    if not len(keep):
        return
    index, time_us, names, value = index[keep], time_us[keep], names[keep], value[keep]
    _widen_spans(index, time_us, result)
    _, code = np.unique(names, return_inverse=True)
    grouping = group_rows([meta.vehicle_id[index], time_us, code])
    merged, conflicts = merge_column(value, grouping)
    result.conflict_count += conflicts
    first = grouping.first
    owner = index[first]
    rows = FamilyRows(
        family=Family.SIGNAL,
        vehicle_id=meta.vehicle_id[owner],
        time_us=time_us[first],
        sent_us=meta.sent_us[owner],
        received_us=meta.received_us[owner],
        is_hist=meta.is_hist[owner],
        columns={"value": merged},
    )
    result.families[Family.SIGNAL] = FamilyBatch(rows=rows, origin=meta.origin[owner], names=names[first])

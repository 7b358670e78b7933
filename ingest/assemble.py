"""Bring the messages of a batch together into one set of unique, sorted rows per family."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from data.catalogue import Catalogue
from data.records import Family, FamilyRows, IntArray
from ingest.assembled import Assembled, Heads, believable, widen_spans
from ingest.errors import PayloadError
from ingest.families import FamilyBatch
from ingest.merge import group_rows, merge_column
from ingest.messages import CanFrames, Message, Model, Part, TroubleCode
from ingest.quality import check_family
from ingest.quality_positions import convert_positions
from ingest.quality_watch import QualityWatch
from ingest.signal_rows import Unmapped, add_signals
from ingest.tele import stack_tele

#: Decodes the frames of one vehicle model: (model, message index of each frame, frames, vehicle of each
#: message) -> parts and their message indices, unmapped signals, masks,
#: trouble codes with their message indices.
CanRows = tuple[
    list[tuple[Part, IntArray]],
    list[Unmapped],
    dict[str, int],
    list[tuple[int, TroubleCode]],
]
CanDecode = Callable[[Model, IntArray, CanFrames, IntArray], CanRows]


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
    heads = Heads.of(messages)
    piles: dict[Family, _Pile] = {}
    for i, message in enumerate(messages):
        if message.masked:
            result.count_masked(message.vehicle.vehicle_id, message.masked)
        for part in message.parts:
            pile = piles.setdefault(part.family, _Pile())
            pile.parts.append(part)
            pile.index.append(np.full(len(part.time_us), i, np.int64))
    _stack_tele(messages, catalogue, piles, result)
    extra, codes = _decode_can(messages, can_decode, piles, heads, result)
    _add_codes(messages, codes, heads, future_s, result)
    for family in sorted(piles):
        pile = piles[family]
        _add_family(family, pile, heads, result, catalogue=catalogue, future_s=future_s)
    add_signals(messages, extra, heads, future_s, result)
    if watch is not None and messages:
        result.clocks = watch.observe_messages(
            heads.vehicle_id, heads.sent_us, heads.received_us, heads.has_clock & ~heads.is_hist, result.tally
        )
        watch.observe_rows({family: batch.rows for family, batch in result.families.items()}, result.tally)
    return result


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
    heads: Heads,
    result: Assembled,
) -> tuple[list[Unmapped], list[tuple[int, TroubleCode]]]:
    by_model: dict[str, list[int]] = {}
    for i, message in enumerate(messages):
        if message.can is not None:
            by_model.setdefault(message.vehicle.model.model_id, []).append(i)
    extra: list[Unmapped] = []
    codes: list[tuple[int, TroubleCode]] = []
    for indices in by_model.values():
        frames = [c for i in indices if (c := messages[i].can) is not None]
        joined = CanFrames.join(frames)
        owner = np.repeat(np.array(indices, np.int64), [len(f.time_us) for f in frames])
        try:
            parts, unmapped, masked, found = can_decode(
                messages[indices[0]].vehicle.model, owner, joined, heads.vehicle_id.astype(np.int64)
            )
        except PayloadError as error:
            result.bad_messages.update(dict.fromkeys(indices, error.kept()))
            continue
        result.masked.update(masked)
        extra += unmapped
        codes += found
        for part, index in parts:
            pile = piles.setdefault(part.family, _Pile())
            pile.parts.append(part)
            pile.index.append(index)
    return extra, codes


def _add_codes(
    messages: Sequence[Message],
    codes: Sequence[tuple[int, TroubleCode]],
    heads: Heads,
    future_s: float,
    result: Assembled,
) -> None:
    """Give the codes that frames told of to their messages, once however often a batch is assembled."""
    if not codes:
        return
    index = np.array([i for i, _ in codes], np.int64)
    time_us = np.array([code.time_us for _, code in codes], np.int64)
    known: dict[int, set[TroubleCode]] = {}
    for row in np.flatnonzero(believable(index, time_us, heads, future_s, result)).tolist():
        i, code = codes[row]
        if i not in known:
            known[i] = set(messages[i].codes)
        if code not in known[i]:
            known[i].add(code)
            messages[i].codes.append(code)


def _add_family(
    family: Family, pile: _Pile, heads: Heads, result: Assembled, *, catalogue: Catalogue, future_s: float
) -> None:
    lengths = [len(p.time_us) for p in pile.parts]
    index = np.concatenate(pile.index)
    time_us = np.concatenate([p.time_us for p in pile.parts])
    sub_pack = np.repeat(np.array([p.sub_pack for p in pile.parts], np.int16), lengths)
    first_cell = np.repeat(np.array([p.first_cell for p in pile.parts], np.int16), lengths)
    stacked, widths = _stack_columns(pile.parts, lengths)
    columns = check_family(
        catalogue.signals, stacked, heads.vehicle_id[index], tally=result.tally, masked=result.masked
    )
    has_value = np.zeros(len(index), bool)
    for column in columns.values():
        has_value |= ~np.isnan(column) if column.ndim == 1 else ~np.all(np.isnan(column), axis=1)
    keep = np.flatnonzero(believable(index, time_us, heads, future_s, result) & has_value)
    if not len(keep):
        return
    if len(keep) < len(index):
        index, time_us, sub_pack, first_cell = index[keep], time_us[keep], sub_pack[keep], first_cell[keep]
        columns = {alias: column[keep] for alias, column in columns.items()}
        widths = {alias: width[keep] for alias, width in widths.items()}
    widen_spans(index, time_us, result)
    vehicle_id = heads.vehicle_id[index]
    # The message index comes last: of one key, the row that arrived first counts.
    grouping = group_rows([vehicle_id, time_us, sub_pack, first_cell], tie=index)
    merged = {}
    for alias, column in columns.items():
        merged[alias], conflicts = merge_column(column, grouping)
        result.conflict_count += conflicts
    first = grouping.first
    owner = index[first]
    if family is Family.DRIVE and heads.is_gcj02.any():
        is_gcj02 = heads.is_gcj02[owner]
        merged = convert_positions(
            merged, vehicle_id[first], is_gcj02, tally=result.tally, masked=result.masked
        )
    rows = FamilyRows(
        family=family,
        vehicle_id=vehicle_id[first],
        time_us=time_us[first],
        sent_us=heads.sent_us[owner],
        received_us=heads.received_us[owner],
        is_hist=np.logical_and.reduceat(heads.is_hist[index][grouping.order], grouping.starts),
        columns=merged,
        sub_pack=sub_pack[first] if family is Family.CELL else None,
        first_cell=first_cell[first] if family is Family.CELL else None,
    )
    widest = {a: np.maximum.reduceat(w[grouping.order], grouping.starts) for a, w in widths.items()}
    result.families[family] = FamilyBatch(rows=rows, origin=heads.origin[owner], widths=widest)


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

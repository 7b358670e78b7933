"""The newest readings of each vehicle in a batch, as the merge into ``vehicle_latest`` takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from data.catalogue import Catalogue, Signal
from data.records import BoolArray, FloatArray, IntArray
from ingest.families import ORIGINS, FamilyBatch
from ingest.literals import flag_array, number_array, time_array, word_array
from ingest.merge import newest_rows

_MISSING = np.iinfo(np.int64).min
_encode = msgspec.json.Encoder().encode
#: A 32-bit float is told from its neighbours by at most nine significant digits, most by seven.
_DIGITS = (7, 8, 9)
#: More cells than any pack has: a frame that begins beyond is not shown.
_MOST_CELLS = 1000


def newest_readings(batch: FamilyBatch, catalogue: Catalogue) -> Mapping[str, Any]:
    """Return the values of the statement ``merge_latest``: one row per vehicle, sorted.

    Readings are JSON objects, alias -> newest value that is not missing, rounded as the table's type rounds;
    ``reading_times`` names the values that are older than the vehicle's newest sample, with their times in
    microseconds since 1970 UTC.

    Args:
        batch: Of one family, at least one row.
        catalogue: Type of each alias.
    """
    rows = batch.rows
    starts = np.flatnonzero(np.append(True, rows.vehicle_id[1:] != rows.vehicle_id[:-1])).astype(np.int64)
    ends = np.append(starts[1:], len(rows)) - 1
    is_live = ~rows.is_hist
    live_us = np.maximum.reduceat(np.where(is_live, rows.time_us, _MISSING), starts)
    is_first = _first_frames(batch)
    names: list[str] = []
    lists: list[list[Any]] = []
    heard: list[BoolArray] = []
    older: dict[int, dict[str, int]] = {}
    for signal in catalogue.of_family(rows.family):
        values = rows.columns.get(signal.alias)
        if values is None:
            continue
        at = newest_rows(values if is_first is None else np.where(is_first[:, None], values, np.nan), starts)
        names.append(signal.alias)
        heard.append(at >= 0)
        widths = batch.widths.get(signal.alias)
        if is_first is None:
            lists.append(_listed(signal, values[at], None if widths is None else widths[at]))
        else:
            known = np.full(len(rows), values.shape[1]) if widths is None else widths
            lists.append(_listed(signal, *_whole_packs(batch, values, known, at)))
        for group in np.flatnonzero((at >= 0) & (rows.time_us[at] < rows.time_us[ends])).tolist():
            older.setdefault(group, {})[signal.alias] = int(rows.time_us[at[group]])
    return {
        "family": str(rows.family),
        "vehicle_id": number_array(rows.vehicle_id[ends].tolist()),
        "time": time_array(rows.time_us[ends].tolist()),
        "sent": time_array(rows.sent_us[ends].tolist()),
        "received": time_array(rows.received_us[ends].tolist()),
        "is_hist": flag_array(rows.is_hist[ends].tolist()),
        "origin": word_array([ORIGINS[n] for n in batch.origin[ends].tolist()]),
        "live_time": time_array(live_us.tolist()),
        "readings": _objects(names, lists, heard, len(starts)),
        "reading_times": [_encode(older[n]).decode() if n in older else "{}" for n in range(len(starts))],
    }


def shortest(values: npt.NDArray[np.floating]) -> FloatArray:
    """Return 64-bit floats whose shortest decimal form is that of the 32-bit floats nearest to ``values``.

    So 3.7 that was sent, or is stored, in 32 bits is written as 3.7 and not as 3.7000000476837158.
    """
    single = values.astype(np.float32)
    scale = np.where(np.abs(single) < 1e4, 1e3, 1.0)  # seven digits tell most values
    result: FloatArray = np.rint(single * scale) / scale
    open_ = np.flatnonzero((result.astype(np.float32) != single) & np.isfinite(single))
    if not len(open_):
        return result
    exact = single.flat[open_].astype(np.float64)
    exponent = np.floor(np.log10(np.abs(exact)))
    for digits in _DIGITS:
        power = digits - 1 - exponent
        up, down = 10.0 ** np.maximum(power, 0), 10.0 ** np.maximum(-power, 0)
        rounded = np.rint(exact * up / down) / up * down
        is_same = rounded.astype(np.float32) == single.flat[open_]
        result.flat[open_[is_same]] = rounded[is_same]
        open_, exact, exponent = open_[~is_same], exact[~is_same], exponent[~is_same]
    result.flat[open_] = exact
    return result


def _listed(signal: Signal, values: npt.NDArray[np.floating], widths: IntArray | None) -> list[Any]:
    """Return one JSON value per vehicle; what is missing is NaN, which is written as null."""
    if signal.sql_type == "smallint" and signal.scale == 1:
        found: list[Any] = np.where(np.isnan(values), 0, values).astype(np.int64).tolist()
    else:
        exact = values if signal.sql_type == "double precision" else shortest(values)
        found = exact.tolist()
    if widths is not None and (widths < values.shape[1]).any():
        return [row[:width] for row, width in zip(found, widths.tolist(), strict=True)]
    return found


def _objects(names: list[str], lists: list[list[Any]], heard: list[BoolArray], count: int) -> list[str]:
    if not names:
        return ["{}"] * count
    if all(is_heard.all() for is_heard in heard):
        return [
            _encode(dict(zip(names, values, strict=True))).decode() for values in zip(*lists, strict=True)
        ]
    flags = zip(*[is_heard.tolist() for is_heard in heard], strict=True)
    return [
        _encode({name: v for name, v, is_here in zip(names, values, here, strict=True) if is_here}).decode()
        for values, here in zip(zip(*lists, strict=True), flags, strict=True)
    ]


def _first_frames(batch: FamilyBatch) -> BoolArray | None:
    """Tell which rows begin a pack; None: all do."""
    sub_pack, first_cell = batch.rows.sub_pack, batch.rows.first_cell
    if sub_pack is None or first_cell is None:
        return None
    is_first: BoolArray = (sub_pack == 1) & (first_cell == 1)
    return None if is_first.all() else is_first


def _whole_packs(
    batch: FamilyBatch, values: npt.NDArray[np.floating], widths: IntArray, at: IntArray
) -> tuple[FloatArray, IntArray]:
    """Return packs that came in several frames: those that begin in the rows ``at``, shape (g,).

    GB/T 32960 sends at most 200 cells in a frame; its later frames of one instant begin at another cell.

    Returns:
        Values of shape (g, cells), NaN missing, and the elements of each, shape (g,).
    """
    rows = batch.rows
    assert rows.sub_pack is not None  # noqa: S101 -- asked for where there are several frames
    assert rows.first_cell is not None  # noqa: S101
    ends = rows.first_cell.astype(np.int64) - 1 + widths
    owner = np.full(len(rows), -1)
    owner[at[at >= 0]] = np.flatnonzero(at >= 0)
    newest = np.maximum.accumulate(np.where(owner >= 0, np.arange(len(rows)), -1))
    is_same = (rows.vehicle_id == rows.vehicle_id[newest]) & (rows.time_us == rows.time_us[newest])
    frames = np.flatnonzero((newest >= 0) & is_same & (rows.sub_pack == 1) & (ends <= _MOST_CELLS))
    pack = owner[newest[frames]]
    lengths = np.zeros(len(at), np.int64)
    np.maximum.at(lengths, pack, ends[frames])
    width = max(int(lengths.max()), values.shape[1])
    whole = np.full((len(at), width), np.nan)
    begins = ends[frames] - widths[frames]
    for begin in np.unique(begins).tolist():  # one turn a frame of a pack
        is_here = begins == begin
        end = min(begin + values.shape[1], width)
        found = values[frames[is_here], : end - begin]
        before = whole[pack[is_here], begin:end]
        whole[pack[is_here], begin:end] = np.where(np.isnan(found), before, found)
    return whole, lengths

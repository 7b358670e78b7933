"""Values of pairs to gridded columns: the last value of a grid cell counts, whichever message brought it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.catalogue import Signal
from data.records import BoolArray, Family, FloatArray, IntArray
from ingest.can.entries import Entries
from ingest.can.grid import Grid, VehicleIndex
from ingest.can.kernel import Segments
from ingest.can.targets import Targets

_BLOCK = 32_768


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyColumns:
    """Rows of one family, in order of vehicle and time."""

    family: Family
    vehicle_index: VehicleIndex  #: (m,)
    time_us: IntArray  #: (m,), the grid cell's start
    last_frame: IntArray  #: (m,), the last frame of the grid cell, of whatever message
    columns: dict[str, FloatArray]  #: alias to (m,) or (m, elements); NaN where there is no value


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraSignals:
    """Values of signals that no map names, column by column; within one in order of vehicle and time."""

    names: tuple[str, ...]  #: ``Message.Signal`` of every signal of the DBC
    column: IntArray  #: (g,), index into ``names`` of each column
    count: IntArray  #: (g,), values of each column
    value: FloatArray  #: (p,), finite
    entry: npt.NDArray[np.int32]  #: (p,), frame in a node, index into ``row``
    row: IntArray  #: (e,), grid cell of each entry
    grid: Grid

    @property
    def signal(self) -> IntArray:
        """Return the signal of each value, index into ``names``, shape (p,)."""
        return self.column.repeat(self.count)

    @property
    def vehicle_index(self) -> VehicleIndex:
        """Return the vehicle of each value, shape (p,)."""
        found: VehicleIndex = self._take(self.grid.vehicle_index)
        return found

    @property
    def time_us(self) -> IntArray:
        """Return the start of each value's grid cell, shape (p,)."""
        found: IntArray = self._take(self.grid.time_us)
        return found

    @property
    def last_frame(self) -> IntArray:
        """Return the last frame of each value's grid cell, of whatever message; shape (p,)."""
        found: IntArray = self._take(self.grid.last_frame)
        return found

    def _take(self, by_cell: npt.NDArray[Any]) -> npt.NDArray[Any]:
        by_entry = by_cell.take(self.row)
        found = np.empty(self.entry.size, dtype=by_cell.dtype)
        for begin in range(0, found.size, _BLOCK):
            part = slice(begin, begin + _BLOCK)
            by_entry.take(self.entry[part], out=found[part], mode="clip")
        return found


class ExtraColumns:
    """Columns of signals that no map names, being filled; the last good value of a grid cell stays."""

    def __init__(self, names: tuple[str, ...], grid: Grid, entries: Entries, segments: Segments) -> None:
        self._names = names
        self._grid = grid
        self._column = segments.signal
        self._count = np.zeros(segments.signal.size, dtype=np.int64)
        self._value = np.empty(segments.pair_count)
        self._entry = np.empty(segments.pair_count, dtype=np.int32)
        self._size = 0
        self._row = grid.row.take(entries.frame)
        is_last = np.append(self._row[1:] != self._row[:-1], self._row.size > 0)
        is_last[entries.start + entries.count - 1] = True
        self._last = is_last.nonzero()[0]  # entries after which the node or the grid cell ends
        self._last_before = np.concatenate(([0], np.cumsum(is_last)))

    def last_only(self, part: Segments) -> tuple[Segments, IntArray]:
        """Return segments of the last entry of each grid cell alone, and the entry of each pair."""
        if self._last.size == self._row.size:
            return part, part.entries()
        first = self._last_before[part.first_entry]
        count = self._last_before[part.first_entry + part.count] - first
        end = np.cumsum(count)
        thin = Segments(part.signal, first, count, end - count, int(end[-1]) if end.size else 0)
        return thin, self._last.take(thin.entries())

    def add(
        self, columns: slice, part: Segments, entry: IntArray, values: FloatArray, is_good: BoolArray | None
    ) -> None:
        """Add the pairs of some segments: ``is_good`` tells which of them count, None: all.

        Without ``is_good`` there must be one pair for each grid cell, with it the last good one is taken.
        """
        count = part.count
        if is_good is not None:
            chosen = self._last_good(part, entry, is_good)
            entry, values, count = entry[chosen], values[chosen], part.sums(chosen)
        end = self._size + entry.size
        self._value[self._size : end] = values
        self._entry[self._size : end] = entry
        self._count[columns] = count
        self._size = end

    def _last_good(self, part: Segments, entry: IntArray, is_good: BoolArray) -> BoolArray:
        good = is_good.nonzero()[0]
        row = self._row.take(entry.take(good))
        column = np.arange(part.signal.size).repeat(part.sums(is_good))
        is_last = np.ones(good.size, dtype=np.bool_)
        is_last[:-1] = (row[1:] != row[:-1]) | (column[1:] != column[:-1])
        chosen = np.zeros(entry.size, dtype=np.bool_)
        chosen[good[is_last]] = True
        return chosen

    def finish(self) -> ExtraSignals:
        """Return the columns."""
        return ExtraSignals(
            names=self._names,
            column=self._column,
            count=self._count,
            value=self._value[: self._size],
            entry=self._entry[: self._size],
            row=self._row,
            grid=self._grid,
        )


@dataclass(frozen=True, slots=True)
class Pairs:
    """Values of signals in entries, by segment."""

    segments: Segments
    entry: IntArray  #: (p,)
    values: FloatArray  #: (p,)
    is_good: BoolArray | None  #: (p,), which of them count; None: all


def family_columns(
    targets: Targets, grid: Grid, entries: Entries, pairs: Pairs, masked: dict[str, int]
) -> list[FamilyColumns]:
    """Return the columns of mapped signals, family by family; sentinels of whole arrays are masked.

    Args:
        targets: What the signals are mapped to.
        grid: Of the batch.
        entries: Of the batch.
        pairs: Of mapped signals, values in the catalogue's unit.
        masked: Sentinels are counted here.
    """
    segments = pairs.segments
    frame = entries.frame.take(pairs.entry)
    chosen = _in_time_order(targets, grid, segments, frame)
    if pairs.is_good is not None:
        chosen = np.flatnonzero(pairs.is_good) if chosen is None else chosen[pairs.is_good[chosen]]
    found = _Cells(
        np.repeat(targets.column[segments.signal], segments.count),
        np.repeat(targets.index[segments.signal], segments.count),
        grid.row.take(frame),
        pairs.values,
    )
    if chosen is not None:
        found = found.only(chosen)
    present = np.bincount(found.column, minlength=len(targets.signals)) > 0
    batches: list[FamilyColumns] = []
    for family in (Family.DRIVE, Family.TIRE, Family.CELL):
        is_member = present & np.array(
            [signal.family is family for signal in targets.signals], dtype=np.bool_
        )
        if not is_member.any():
            continue
        cells = found.only(np.flatnonzero(is_member.take(found.column)))
        rows, columns = _place(targets, np.flatnonzero(is_member).tolist(), grid.time_us.size, cells, masked)
        if rows.size:
            batches.append(
                FamilyColumns(
                    family=family,
                    vehicle_index=grid.vehicle_index[rows],
                    time_us=grid.time_us[rows],
                    last_frame=grid.last_frame[rows],
                    columns=columns,
                )
            )
    return batches


@dataclass(frozen=True, slots=True)
class _Cells:
    """Where values go: column and element of it, and grid cell; later ones overwrite earlier ones."""

    column: IntArray
    index: IntArray
    row: IntArray
    value: FloatArray

    def only(self, chosen: IntArray) -> _Cells:
        """Return some of them, in this order."""
        return _Cells(
            self.column.take(chosen),
            self.index.take(chosen),
            self.row.take(chosen),
            self.value.take(chosen),
        )


def _in_time_order(targets: Targets, grid: Grid, segments: Segments, frame: IntArray) -> IntArray | None:
    """Return all pairs by time where two segments feed one element, None where none do."""
    widest = max(1, *targets.widths) if targets.widths else 1
    place = targets.column[segments.signal] * widest + targets.index[segments.signal]
    if np.unique(place).size == place.size:
        return None
    rank = np.empty(grid.order.size, dtype=np.int64)
    rank[grid.order] = np.arange(grid.order.size)
    return np.argsort(rank.take(frame), kind="stable")


def _place(
    targets: Targets, numbers: list[int], row_count: int, cells: _Cells, masked: dict[str, int]
) -> tuple[IntArray, dict[str, FloatArray]]:
    """Return the rows that any of some columns has a value in, and the columns with only these rows."""
    touched = np.zeros(row_count, dtype=np.bool_)
    touched[cells.row] = True
    rows = np.flatnonzero(touched)
    row = (np.cumsum(touched) - 1).take(cells.row)
    widths = np.array([max(1, width) for width in targets.widths], dtype=np.int64)
    begin = np.zeros(widths.size, dtype=np.int64)
    begin[numbers] = np.cumsum(widths[numbers]) - widths[numbers]
    block = np.full(int(widths[numbers].sum()) * rows.size, np.nan)
    block[begin.take(cells.column) * rows.size + row * widths.take(cells.column) + cells.index] = cells.value
    columns: dict[str, FloatArray] = {}
    has_sentinel = False
    for number in numbers:
        signal, width = targets.signals[number], targets.widths[number]
        part = block[begin[number] * rows.size : (begin[number] + widths[number]) * rows.size]
        part = part.reshape(rows.size, width) if width else part
        hit = _sentinels(signal, part)
        if hit is not None:
            has_sentinel = True
            masked[f"{signal.alias}: sentinel"] = int(hit.sum())
            part = np.where(hit, np.nan, part)
        columns[signal.alias] = part
    if has_sentinel:
        is_there = np.zeros(rows.size, dtype=np.bool_)
        for part in columns.values():
            is_there |= ~np.isnan(part) if part.ndim == 1 else ~np.isnan(part).all(axis=1)
        rows, columns = rows[is_there], {alias: part[is_there] for alias, part in columns.items()}
    return rows, columns


def _sentinels(signal: Signal, values: FloatArray) -> BoolArray | None:
    """Return where all elements of a row are sentinels, None where no row is."""
    if signal.sentinel_rule != "all" or not signal.sentinels:
        return None
    hit: BoolArray = np.isin(values, signal.sentinels)
    if values.ndim == 2:
        hit &= hit.all(axis=1, keepdims=True)
    return hit if hit.any() else None

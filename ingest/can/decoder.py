"""CAN frames to catalogue columns: mixed frames of many vehicles in, gridded columns out.

Loops run over messages and signals only; every frame of a message is decoded at once. Values are those that
cantools gives with ``decode_choices=False``: integers by scale and offset, two's complement, IEEE floats,
both byte orders, (nested) multiplexing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.catalogue import Signal, load_catalogue
from data.records import BoolArray, Family, FloatArray, IntArray
from ingest.can.bits import FrameBits
from ingest.can.database import CompiledMessage, CompiledSignal, Target, compile_database
from ingest.can.grid import Grid, VehicleIndex, build_grid, grid_microseconds

FamilyColumns = tuple[Family, VehicleIndex, IntArray, dict[str, FloatArray]]
ExtraSignals = tuple[VehicleIndex, IntArray, npt.NDArray[np.object_], FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class CanDecoded:
    """What a batch of frames says; times are those of the grid cells' starts."""

    families: list[FamilyColumns]  #: family, vehicle index (m,), time (m,), alias to (m,) or (m, k)
    extra: ExtraSignals  #: unmapped signals: vehicle index, time, ``Message.Signal``, value, each (m,)
    unknown_ids: dict[int, int]  #: frames by identifier that the DBC does not have
    masked: dict[str, int]  #: values left out, by signal and reason
    counts: dict[str, int]  #: values decoded, before the grid, by alias or ``Message.Signal``


class CanDecoder:
    """Decoder for one vehicle model: its DBC, its signal map and its grid.

    Args:
        dbc_text: The DBC file's text.
        signal_map: ``Message.Signal`` to ``alias``, ``index``, ``scale``, ``offset``, ``missing``.
        grid_s: Grid that signals are resampled to; the last value of a cell counts.
        cell_count: Elements of per-cell arrays.
        probe_count: Elements of per-probe arrays.
        wheel_count: Elements of per-wheel arrays.
        keep_unmapped: Hand out signals that the map does not name.

    Raises:
        CatalogueError: The DBC cannot be read, the map contradicts it or the catalogue, or the grid is not
            from 1 ms to 1 h.
    """

    def __init__(
        self,
        dbc_text: str,
        signal_map: Mapping[str, Mapping[str, Any]],
        *,
        grid_s: float,
        cell_count: int,
        probe_count: int,
        wheel_count: int,
        keep_unmapped: bool = True,
    ) -> None:
        self._array_lengths = {"cell": cell_count, "probe": probe_count, "wheel": wheel_count}
        self._messages = compile_database(dbc_text, signal_map, array_lengths=self._array_lengths)
        self._grid_us = grid_microseconds(grid_s)
        self._keep_unmapped = keep_unmapped

    @property
    def messages(self) -> Mapping[int, CompiledMessage]:
        """Return the compiled messages by identifier (bit 31 = extended)."""
        return self._messages

    def decode(
        self,
        vehicle_index: VehicleIndex,
        time_us: IntArray,
        can_id: npt.NDArray[np.uint32],
        length: npt.NDArray[np.uint8],
        data: npt.NDArray[np.uint8],
    ) -> CanDecoded:
        """Return the signals of a batch of frames, in any order.

        A signal that lies beyond the end of a short frame is masked; so are values outside the catalogue's
        range and those that mean not available.

        Args:
            vehicle_index: Shape (n,), any number that tells vehicles apart.
            time_us: Shape (n,), microseconds since 1970 UTC.
            can_id: Shape (n,), bit 31 set on extended identifiers.
            length: Shape (n,), bytes.
            data: Shape (n, 8) or (n, 64).
        """
        batch = _Batch(
            build_grid(vehicle_index, time_us, self._grid_us),
            array_lengths=self._array_lengths,
            keep_unmapped=self._keep_unmapped,
        )
        if not time_us.size:
            return batch.finish()
        by_id = batch.grid.order[np.argsort(can_id[batch.grid.order], kind="stable")]
        ids, starts = np.unique(can_id[by_id], return_index=True)
        for identifier, rows in zip(ids.tolist(), np.split(by_id, starts[1:]), strict=True):
            message = self._messages.get(identifier)
            if message is None:
                batch.unknown_ids[identifier] = rows.size
            else:
                batch.add(message, data[rows], length[rows], batch.grid.row[rows])
        return batch.finish()


class _Batch:
    """Columns while they are being filled."""

    def __init__(self, grid: Grid, *, array_lengths: Mapping[str, int], keep_unmapped: bool) -> None:
        self.grid = grid
        self.unknown_ids: dict[int, int] = {}
        self._array_lengths = array_lengths
        self._keep_unmapped = keep_unmapped
        self._columns: dict[str, FloatArray] = {}
        self._extra: list[tuple[str, IntArray, FloatArray]] = []
        self._masked: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()

    def add(
        self,
        message: CompiledMessage,
        data: npt.NDArray[np.uint8],
        length: npt.NDArray[np.uint8],
        row: IntArray,
    ) -> None:
        """Decode the frames of one message, which come in order of grid cell and time."""
        bits = FrameBits(data)
        shortest = int(length.min())
        starts = np.flatnonzero(np.concatenate(([True], row[1:] != row[:-1])))
        raws: dict[int, tuple[npt.NDArray[Any], BoolArray | None]] = {}
        depended = {signal.multiplexer for signal in message.signals}
        for position, signal in enumerate(message.signals):
            is_there: BoolArray | None = None
            if signal.multiplexer >= 0:
                selector, selector_is_there = raws[signal.multiplexer]
                is_there = np.isin(selector, signal.multiplexer_values)
                if selector_is_there is not None:
                    is_there = is_there & selector_is_there
            if shortest < signal.needed:
                fits = length >= signal.needed
                lost = int((~fits if is_there is None else is_there & ~fits).sum())
                if lost:
                    self._masked[f"{signal.name}: frame too short"] += lost
                is_there = fits if is_there is None else is_there & fits
            is_wanted = signal.target is not None or self._keep_unmapped
            if not is_wanted and position not in depended:
                continue
            raw = signal.raw(bits)
            if position in depended:
                raws[position] = (raw, is_there)
            if is_wanted:
                self._keep(signal, raw, is_there, row, starts)

    def _keep(
        self,
        signal: CompiledSignal,
        raw: npt.NDArray[Any],
        is_there: BoolArray | None,
        row: IntArray,
        starts: IntArray,
    ) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # IEEE floats off the bus may be anything
            values = raw * signal.scale + signal.offset
        name = signal.name
        target = signal.target
        if target is not None:
            name = target.signal.alias
            bad = _is_missing(values, target, abs(signal.scale) / 2)
            values = values * target.scale + target.offset
            bad |= ~((values >= target.signal.low) & (values <= target.signal.high))
            if target.signal.sentinel_rule == "any":
                bad |= np.isin(values, target.signal.sentinels)
        else:
            bad = ~np.isfinite(values)
        if bad.any():
            hit = bad if is_there is None else bad & is_there
            if hit.any():
                self._masked[f"{name}: out of range"] += int(hit.sum())
            is_there = ~bad if is_there is None else is_there & ~bad
        self._counts[name] += values.size if is_there is None else int(is_there.sum())
        if is_there is None:
            last = np.concatenate((starts[1:], [values.size])) - 1
        else:
            seen = np.where(is_there, np.arange(values.size), -1)
            last = np.maximum.reduceat(seen, starts)
            last = last[last >= 0]
            if not last.size:
                return
        if target is None:
            self._extra.append((signal.name, row[last], values[last]))
        else:
            column = self._column(target.signal)
            slot = column if column.ndim == 1 else column[:, target.index]
            slot[row[last]] = values[last]

    def _column(self, signal: Signal) -> FloatArray:
        if signal.alias not in self._columns:
            rows = self.grid.time_us.size
            shape = (rows, self._array_lengths[signal.shape]) if signal.is_array else (rows,)
            self._columns[signal.alias] = np.full(shape, np.nan)
        return self._columns[signal.alias]

    def finish(self) -> CanDecoded:
        """Return the columns by family and what was left out."""
        catalogue = load_catalogue()
        families: list[FamilyColumns] = []
        for family in (Family.DRIVE, Family.TIRE, Family.CELL):
            columns = {
                signal.alias: self._without_sentinel_rows(signal, self._columns[signal.alias])
                for signal in catalogue.of_family(family)
                if signal.alias in self._columns
            }
            if not columns:
                continue
            has_value = np.zeros(self.grid.time_us.size, dtype=np.bool_)
            for values in columns.values():
                has_value |= np.isfinite(values) if values.ndim == 1 else np.isfinite(values).any(axis=1)
            if has_value.any():
                kept = {alias: values[has_value] for alias, values in columns.items()}
                families.append(
                    (family, self.grid.vehicle_index[has_value], self.grid.time_us[has_value], kept)
                )
        return CanDecoded(
            families=families,
            extra=self._extra_columns(),
            unknown_ids=self.unknown_ids,
            masked=dict(self._masked),
            counts={name: count for name, count in self._counts.items() if count},
        )

    def _without_sentinel_rows(self, signal: Signal, values: FloatArray) -> FloatArray:
        if signal.sentinel_rule != "all" or not signal.sentinels:
            return values
        hit: BoolArray = np.isin(values, signal.sentinels)
        if values.ndim == 2:
            hit &= hit.all(axis=1, keepdims=True)
        if not hit.any():
            return values
        self._masked[f"{signal.alias}: sentinel"] += int(hit.sum())
        return np.where(hit, np.nan, values)

    def _extra_columns(self) -> ExtraSignals:
        if not self._extra:
            return np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.object_), np.empty(0)
        rows = np.concatenate([rows for _, rows, _ in self._extra])
        names = np.array([name for name, _, _ in self._extra], dtype=np.object_)
        return (
            self.grid.vehicle_index[rows],
            self.grid.time_us[rows],
            np.repeat(names, [rows.size for _, rows, _ in self._extra]),
            np.concatenate([values for _, _, values in self._extra]),
        )


def _is_missing(values: FloatArray, target: Target, tolerance: float) -> BoolArray:
    bad = np.zeros(values.shape, dtype=np.bool_)
    for value in target.missing:
        bad |= np.abs(values - value) < tolerance
    return bad

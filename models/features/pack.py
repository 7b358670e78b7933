"""Rows of one vehicle's cells, put together to whole packs, with the currents around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from data.records import BoolArray, Family, FamilyRows, FloatArray, IntArray
from models.features.align import as_of, column

#: What sets of the pack read.
PACK_COLUMNS: Final = {
    Family.CELL: ("cell.voltage", "cell.temperature"),
    Family.DRIVE: ("pack.current", "speed", "soc", "charging"),
}

#: Cells outside of it were not measured: neither chemistry survives there.
PLAUSIBLE_V: Final = (1.5, 4.6)
#: Current, in parts of the capacity in Ah, below which a cell counts as at rest; never under 3 A (sensor
#: offset).
_QUIET_C = 0.035
_QUIET_A = 3.0
#: A current older than this says nothing of the cells; a state of charge lasts longer.
ALIGN_US: Final = 10_000_000
BREAK_US: Final = 30 * 60 * 1_000_000


@dataclass(frozen=True, slots=True)
class PackRows:
    """Cells and probes of one vehicle, one row an instant; NaN is missing."""

    time_us: IntArray  #: shape (n,), ascending
    voltage_v: FloatArray  #: shape (n, n_cells), as reported
    probe_degc: FloatArray  #: shape (n, n_probes), at least one column
    current_a: FloatArray  #: shape (n,), positive into the battery
    speed_kmh: FloatArray  #: shape (n,)
    soc_percent: FloatArray  #: shape (n,)
    charging: FloatArray  #: shape (n,), as in the catalogue

    def __len__(self) -> int:
        return len(self.time_us)

    def part(self, kept: BoolArray | slice) -> PackRows:
        """Return some of the rows."""
        return PackRows(
            self.time_us[kept],
            self.voltage_v[kept],
            self.probe_degc[kept],
            self.current_a[kept],
            self.speed_kmh[kept],
            self.soc_percent[kept],
            self.charging[kept],
        )


def quiet_current_a(capacity_ah: float) -> float:
    """Return the current below which cells count as at rest, A."""
    return max(_QUIET_A, _QUIET_C * capacity_ah)


def plausible(voltage_v: FloatArray) -> FloatArray:
    """Return the voltages that a cell can have; the others are missing."""
    return np.where((voltage_v > PLAUSIBLE_V[0]) & (voltage_v < PLAUSIBLE_V[1]), voltage_v, np.nan)


def pack_rows(cell: FamilyRows, drive: FamilyRows | None, *, cell_count: int) -> PackRows:
    """Return the rows of one vehicle with frames of one instant side by side.

    Args:
        cell: Rows of one vehicle, ascending in time; frames of a larger pack are put together by first cell.
        drive: Rows of the same vehicle, ascending in time; without them currents are missing.
        cell_count: Cells of the pack.
    """
    values = np.asarray(cell.columns["cell.voltage"], dtype=np.float64)
    probes = np.full((len(cell), 1), np.nan)
    if "cell.temperature" in cell.columns and cell.columns["cell.temperature"].ndim == 2:
        probes = np.asarray(cell.columns["cell.temperature"], dtype=np.float64)
    time_us, row = np.unique(cell.time_us, return_inverse=True)
    ones = np.ones(len(cell), dtype=np.int64)
    first = ones if cell.first_cell is None else cell.first_cell.astype(np.int64)
    pack = ones if cell.sub_pack is None else cell.sub_pack.astype(np.int64)
    voltage = np.full((len(time_us), cell_count), np.nan)
    probe = np.full((len(time_us), max(1, probes.shape[1])), np.nan)
    for begin in np.unique(first[pack == 1]).tolist():
        here = (first == begin) & (pack == 1)
        width = min(values.shape[1], cell_count - (begin - 1))
        if width > 0:
            voltage[row[here], begin - 1 : begin - 1 + width] = values[here, :width]
        if begin == 1:
            probe[row[here], : probes.shape[1]] = probes[here]
    current, speed, soc, charging = _context(time_us, drive)
    return PackRows(time_us, voltage, probe, current, speed, soc, charging)


def rows_of(rows: FamilyRows, part: slice) -> FamilyRows:
    """Return a stretch of the rows."""
    return FamilyRows(
        family=rows.family,
        vehicle_id=rows.vehicle_id[part],
        time_us=rows.time_us[part],
        sent_us=rows.sent_us[part],
        received_us=rows.received_us[part],
        is_hist=rows.is_hist[part],
        columns={alias: values[part] for alias, values in rows.columns.items()},
        sub_pack=None if rows.sub_pack is None else rows.sub_pack[part],
        first_cell=None if rows.first_cell is None else rows.first_cell[part],
    )


def _context(
    time_us: IntArray, drive: FamilyRows | None
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    if drive is None or not len(drive):
        missing = np.full(len(time_us), np.nan)
        return missing, missing, missing, missing
    count = len(drive)
    current, speed = (
        as_of(time_us, drive.time_us, column(drive.columns, alias, count), within_us=ALIGN_US)
        for alias in ("pack.current", "speed")
    )
    soc, charging = (
        as_of(time_us, drive.time_us, column(drive.columns, alias, count), within_us=BREAK_US)
        for alias in ("soc", "charging")
    )
    return current, speed, soc, charging

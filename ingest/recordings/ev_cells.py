"""Cell recordings of telematics units (``ev-cells-csv``): one row a sample, one column a cell.

Columns ``tboxTime`` (GMT+8), ``V_1…V_n`` (V), ``T_1…T_m``, pack values after GB/T 32960; current negative
when charging. Layout of the data set behind Energy 323 (2025) 135754.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from data.records import Family, FloatArray, IntArray, VehicleEvent
from ingest.recordings.errors import RecordingError
from ingest.recordings.inference import Pack, infer_capacity_ah, infer_chemistry
from ingest.recordings.masks import mask_columns, mask_to_catalogue, mask_where
from ingest.recordings.recording import Recording
from ingest.recordings.source import Source, build_families
from ingest.recordings.table import number_columns, numbered_columns, numbers, read_table, require_columns

FORMAT = "ev-cells-csv"
_CHINA_OFFSET_S = 8 * 3600
#: Drive aliases that need no conversion.
_PLAIN = {
    "speed": "vehSpeed",
    "odometer": "vehOdo",
    "soc": "vehBMSPackSOC",
    "pack.voltage": "BMSBatteryVoltage",
    "charging": "BMSChargeStatus",
}
_NOT_AVAILABLE_V = 66.535
#: Below 100 Ω/V (UN R100) no vehicle drives for a whole recording: such a column is in MΩ.
_LEGAL_OHM_PER_V = 100.0


def is_ev_cells(header: Sequence[str]) -> bool:
    """Tell whether these column names are of this format."""
    return "tboxTime" in header and "V_1" in header


def read_ev_cells(content: bytes, source: Source) -> Recording:
    """Return the recording.

    Raises:
        RecordingError: A required column is missing or no row has a time; names file and column.
    """
    skipped: Counter[str] = Counter()
    table = read_table(content, source.path, skipped)
    require_columns(table, ("tboxTime", "V_1", "BMSBatteryCurrent"), source.path)
    rows = len(table) + skipped["row: wrong number of columns"]
    table, time_us = _order_by_time(table, source.path, skipped)
    notes: list[str] = []

    drive = {alias: numbers(table, column, skipped) for alias, column in _PLAIN.items()}
    drive["odometer"] = mask_where(drive["odometer"], drive["odometer"] == 0, "odometer: sentinel", skipped)
    drive["pack.current"] = -numbers(table, "BMSBatteryCurrent", skipped)
    drive["insulation"] = _read_insulation(table, drive["pack.voltage"], skipped, notes)
    drive = mask_columns(drive, skipped)

    cell_v = number_columns(table, numbered_columns(table, "V_"), skipped)
    is_unavailable = (cell_v == 0) | (np.abs(cell_v - _NOT_AVAILABLE_V) < 5e-4)
    cell_v = mask_where(cell_v, is_unavailable, "cell.voltage: sentinel", skipped)
    cell_v = mask_to_catalogue("cell.voltage", cell_v, skipped)
    probe_degc = _read_probes(table, skipped, notes)

    decoded: Counter[str] = Counter()
    cells = {"cell.voltage": cell_v}
    if probe_degc.shape[1]:
        cells["cell.temperature"] = probe_degc
    batches = build_families({Family.DRIVE: drive, Family.CELL: cells}, time_us, decoded=decoded)
    return source.recording(
        FORMAT,
        rows=rows,
        time_us=time_us,
        batches=batches,
        skipped=skipped,
        decoded=decoded,
        pack=Pack(
            cell_count=cell_v.shape[1],
            probe_count=probe_degc.shape[1],
            chemistry=infer_chemistry(cell_v, drive["pack.current"]),
            capacity_ah=infer_capacity_ah(time_us, drive["pack.current"], drive["soc"]),
        ),
        events=_read_alarms(numbers(table, "BMSWarningInformation", skipped), time_us, skipped),
        offset_s=_CHINA_OFFSET_S,
        time_zone="Asia/Shanghai",
        notes=notes,
    )


def _order_by_time(table: pd.DataFrame, path: Path, skipped: Counter[str]) -> tuple[pd.DataFrame, IntArray]:
    times = pd.to_datetime(table["tboxTime"], errors="coerce", format="%Y-%m-%d %H:%M:%S")
    is_known = times.notna().to_numpy()
    if not is_known.any():
        raise RecordingError(f"{path}: no row has a tboxTime of the form 2019-04-15 17:42:30")
    if not is_known.all():
        skipped["row: unreadable time"] += int((~is_known).sum())
    table, times = table[is_known], times[is_known]
    local_us = times.to_numpy().astype("datetime64[us]").astype(np.int64)
    time_us, keep = np.unique(local_us - _CHINA_OFFSET_S * 1_000_000, return_index=True)
    if keep.size < len(table):
        skipped["row: duplicate time"] += len(table) - int(keep.size)
    return table.iloc[keep], time_us


def _read_insulation(
    table: pd.DataFrame, pack_v: FloatArray, skipped: Counter[str], notes: list[str]
) -> FloatArray:
    kohm = numbers(table, "insulationResistance", skipped)
    if not (np.isfinite(kohm).any() and np.isfinite(pack_v).any()):
        return kohm
    if 0 < np.nanmax(kohm) < _LEGAL_OHM_PER_V * np.nanmedian(pack_v) / 1000:
        notes.append("insulationResistance is in MΩ: as kΩ it would never reach 100 Ω/V")
        return kohm * 1000
    return kohm


def _read_probes(table: pd.DataFrame, skipped: Counter[str], notes: list[str]) -> FloatArray:
    raw = number_columns(table, numbered_columns(table, "T_"), skipped)
    if not raw.shape[1] or not np.isfinite(raw).any():
        return raw
    highest = numbers(table, "BMSProbeTempMax", skipped)
    center = float(np.nanmedian(raw))
    expected = float(np.nanmedian(highest)) if np.isfinite(highest).any() else 20.0
    if center - expected > 20:
        notes.append("T_1… are raw bytes: °C is the byte less 40")
        raw = mask_where(raw, (raw == 0) | (raw >= 254), "cell.temperature: sentinel", skipped) - 40
    return mask_to_catalogue("cell.temperature", raw, skipped)


def _read_alarms(level: FloatArray, time_us: IntArray, skipped: Counter[str]) -> list[VehicleEvent]:
    """Return one event for each rise of the alarm level."""
    level = mask_where(level, (level < 0) | (level > 3), "alarm level: out of range", skipped)
    known = np.flatnonzero(np.isfinite(level))
    levels = level[known].astype(np.int64)
    before = np.concatenate(([0], levels[:-1]))
    return [
        VehicleEvent(
            vehicle_id=0,
            time_us=int(time_us[known[i]]),
            kind="alarm",
            source="event",
            level=int(levels[i]),
            data={"signal": "BMSWarningInformation", "previous_level": int(before[i])},
        )
        for i in np.flatnonzero(levels > before)
    ]

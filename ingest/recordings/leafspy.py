"""LeafSpy logs of Nissan Leafs (``leafspy-csv``), metric and imperial.

``Elv`` is in metres or feet and ``Speed`` in km/h or mph, depending on the app's settings; the log does not
say which. ``TP-*`` come in the order FL, FR, RR, RL. ``Pack Amps`` is negative when charging. A cell that is
being balanced is logged with a minus sign and is masked. Motor and inverter temperatures and the 12 V current
are left out: their unit or sign differs between versions of the app.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from data.records import Family, FloatArray, IntArray
from ingest.recordings.errors import RecordingError
from ingest.recordings.inference import Pack, infer_chemistry
from ingest.recordings.masks import mask_columns, mask_to_catalogue, mask_where, time_since_change
from ingest.recordings.recording import Recording
from ingest.recordings.source import Source, build_families
from ingest.recordings.table import number_columns, numbered_columns, numbers, read_table, require_columns

FORMAT = "leafspy-csv"
#: Array order is front-left, front-right, rear-left, rear-right; the file has RR before RL.
_WHEEL_COLUMNS = ("TP-FL", "TP-FR", "TP-RL", "TP-RR")
_KPA_PER_PSI = 6.894757
_KM_PER_MILE = 1.609344
_M_PER_FOOT = 0.3048
#: A raw 255 in quarters of a psi.
_NOT_RECEIVED_PSI = 63.75
#: LeafSpy gear to catalogue gear: park, reverse, neutral, drive, B or eco.
_GEARS = {1: 126, 2: -1, 3: 0, 4: 127, 7: 127}
_HIGHEST_ROAD_M = 5600.0


def is_leafspy(header: Sequence[str]) -> bool:
    """Tell whether these column names are of this format."""
    return "CP1" in header and "Pack Amps" in header


def read_leafspy(content: bytes, source: Source) -> Recording:
    """Return the recording.

    Raises:
        RecordingError: A required column is missing or no row has a time; names file and column.
    """
    skipped: Counter[str] = Counter()
    table = read_table(content, source.path, skipped)
    require_columns(table, ("CP1", "Pack Amps"), source.path)
    rows = len(table) + skipped["row: wrong number of columns"]
    table, time_us, offset_s = _order_by_time(table, source.path, skipped)
    notes: list[str] = []

    drive = mask_columns(_read_drive(table, time_us, skipped, notes), skipped)
    pressure_kpa = _read_pressures(table, skipped, notes)
    tires = {"tire.pressure": pressure_kpa, "tire.age": time_since_change(pressure_kpa, time_us)}
    cell_v = number_columns(table, numbered_columns(table, "CP"), skipped) / 1000
    cell_v = mask_where(cell_v, cell_v < 0, "cell.voltage: balancing", skipped)
    cell_v = mask_where(cell_v, cell_v == 0, "cell.voltage: sentinel", skipped)
    cell_v = mask_to_catalogue("cell.voltage", cell_v, skipped)
    probes = [name for k in range(1, 5) if (name := f"Pack T{k} C") in table.columns]
    probe_degc = _clean(number_columns(table, probes, skipped), "cell.temperature", skipped)
    probe_degc = mask_to_catalogue("cell.temperature", probe_degc, skipped)

    decoded: Counter[str] = Counter()
    cells = {"cell.voltage": cell_v} | ({"cell.temperature": probe_degc} if probes else {})
    families = {Family.DRIVE: drive, Family.TIRE: tires, Family.CELL: cells}
    batches = build_families(families, time_us, decoded=decoded)
    # AHr is what the pack holds now; the rated capacity is that over the health it is told with
    health = np.where(drive["soh"] > 0, drive["soh"] / 100.0, np.nan)
    capacity_ah = numbers(table, "AHr", Counter()) / 10_000 / health
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
            capacity_ah=round(float(np.nanmedian(capacity_ah)), 1) if np.isfinite(capacity_ah).any() else 0.0,
        ),
        offset_s=offset_s,
        time_zone=_zone_name(offset_s),
        notes=notes,
    )


def _zone_name(offset_s: int) -> str:
    hours = round(offset_s / 3600)
    return "UTC" if hours == 0 else f"Etc/GMT{-hours:+d}"  # POSIX sign: west of Greenwich is positive


def _order_by_time(
    table: pd.DataFrame, path: Path, skipped: Counter[str]
) -> tuple[pd.DataFrame, IntArray, int]:
    local = (
        pd.to_datetime(table["Date/Time"], errors="coerce", format="%m/%d/%Y %H:%M:%S")
        if "Date/Time" in table.columns
        else pd.Series(pd.NaT, index=table.index)
    )
    local_s = local.to_numpy().astype("datetime64[us]").astype(np.int64) / 1e6
    local_s[local.isna().to_numpy()] = np.nan
    column = next((name for name in ("epoch_s", "epoch time") if name in table.columns), None)
    epoch_s = numbers(table, column, skipped) if column else local_s
    with np.errstate(invalid="ignore"):
        is_known = (epoch_s >= 1_262_304_000) & (epoch_s < 4_102_444_800)  # 2010 to 2100
    if not is_known.any():
        raise RecordingError(f"{path}: no row has a time in 'epoch_s', 'epoch time' or 'Date/Time'")
    if not is_known.all():
        skipped["row: unreadable time"] += int((~is_known).sum())
    offsets_s = (local_s - epoch_s)[is_known]
    has_offset = np.isfinite(offsets_s)
    offset_s = round(float(np.median(offsets_s[has_offset])) / 3600) * 3600 if has_offset.any() else 0
    time_us, keep = np.unique(np.round(epoch_s[is_known] * 1e6).astype(np.int64), return_index=True)
    table = table[is_known]
    if keep.size < len(table):
        skipped["row: duplicate time"] += len(table) - int(keep.size)
    return table.iloc[keep], time_us, offset_s if abs(offset_s) <= 12 * 3600 else 0


def _clean(values: FloatArray, name: str, skipped: Counter[str]) -> FloatArray:
    """Mask −40xx, LeafSpy's mark of an invalid value in any column."""
    with np.errstate(invalid="ignore"):
        return mask_where(values, (values <= -4000) & (values > -4100), f"{name}: sentinel", skipped)


def _read_drive(
    table: pd.DataFrame, time_us: IntArray, skipped: Counter[str], notes: list[str]
) -> dict[str, FloatArray]:
    def column(name: str) -> FloatArray:
        return _clean(numbers(table, name, skipped), name, skipped)

    speed, elevation, odometer_km = column("Speed"), column("Elv"), column("Odo(km)")
    speed = mask_where(speed, speed < 0, "speed: sentinel", skipped)
    odometer_km = mask_where(odometer_km, odometer_km == 0, "odometer: sentinel", skipped)
    elevation = mask_where(elevation, elevation == 0, "altitude: sentinel", skipped)
    is_imperial = _is_imperial(table, time_us, speed, elevation, odometer_km)
    notes.append("Elv in feet, Speed in mph" if is_imperial else "Elv in metres, Speed in km/h")
    gear, charge_mode = column("Gear"), column("Charge Mode")
    drive = {
        "speed": speed * (_KM_PER_MILE if is_imperial else 1),
        "odometer": odometer_km,
        "soc": column("SOC") / 10_000,
        "soh": column("SOH"),
        "pack.voltage": column("Pack Volts"),
        "pack.current": -column("Pack Amps"),
        "lv.voltage": column("12v Bat Volts"),
        "ambient": (column("Ambient") - 32) / 1.8,
        "altitude": elevation * (_M_PER_FOOT if is_imperial else 1),
        "motor.speed": column("RPM"),
        "charging": np.where(np.isnan(charge_mode), np.nan, np.where(charge_mode > 0, 1.0, 3.0)),
        "gear": np.select([gear == theirs for theirs in _GEARS], list(_GEARS.values()), np.nan),
    }
    drive["lv.voltage"] = mask_where(
        drive["lv.voltage"], drive["lv.voltage"] == 0, "lv.voltage: sentinel", skipped
    )
    return drive


def _is_imperial(
    table: pd.DataFrame, time_us: IntArray, speed: FloatArray, elevation: FloatArray, odometer_km: FloatArray
) -> bool:
    """Tell whether speed is in mph and elevation in feet.

    The odometer is always in km: where rows are dense, the distance that the speed adds up to decides. Else
    an elevation above every road, else the Fahrenheit columns that the imperial app writes.
    """
    known = np.isfinite(speed) & np.isfinite(odometer_km)
    if known.sum() > 100:
        time_s, fast, km = time_us[known] / 1e6, speed[known], odometer_km[known]
        dt, dkm = np.diff(time_s), np.diff(km)
        usable = (dt > 0) & (dt <= 30) & (dkm >= 0) & (dkm < 5)
        summed, driven = (0.5 * (fast[1:] + fast[:-1]) * dt / 3600)[usable].sum(), dkm[usable].sum()
        if driven >= 50 and summed > 0:
            return bool(driven / summed > 1.35)
    if np.isfinite(elevation).any() and np.nanmax(elevation) > _HIGHEST_ROAD_M:
        return True
    return "Pack T1 F" in table.columns


def _read_pressures(table: pd.DataFrame, skipped: Counter[str], notes: list[str]) -> FloatArray:
    """Return gauge pressure in kPa, shape (n, 4), wheels in catalogue order."""
    values = _clean(number_columns(table, _WHEEL_COLUMNS, skipped), "tire.pressure", skipped)
    values = mask_where(values, values == 0, "tire.pressure: sentinel", skipped)
    usual = float(np.nanmedian(values)) if np.isfinite(values).any() else np.nan
    if usual > 100:
        notes.append("TP-* in kPa")
    elif usual < 6:
        notes.append("TP-* in bar")
        values = values * 100
    else:
        values = mask_where(values, values >= _NOT_RECEIVED_PSI, "tire.pressure: sentinel", skipped)
        values = values * _KPA_PER_PSI
    return mask_to_catalogue("tire.pressure", values, skipped)

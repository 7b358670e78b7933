"""Weeks of heavy trucks as tables: J1939 parameters by number (``j1939-csv``) and trackers (``tracker-csv``).

``j1939-csv``: ``time`` and columns that begin with the suspect parameter number (``84_vehicle_speed``), in
the units of SAE J1939DA. What lies above the data range of a parameter's slot is its "error" or "not
available" code scaled like a value (215 °C, 1774.97 °C, 127.5 kPa, 102 %) and is masked. ``tracker-csv``:
``time``, ``speed`` (km/h), ``carbattery`` (V), ``ignstatus``, ``latitude``, ``longitude``. Neither names a
time zone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.records import Family, FloatArray
from ingest.recordings.inference import Pack
from ingest.recordings.masks import mask_columns, mask_where
from ingest.recordings.recording import Recording
from ingest.recordings.source import Source, build_families
from ingest.recordings.table import numbers, ordered_by_time, read_table

FORMAT_J1939 = "j1939-csv"
FORMAT_TRACKER = "tracker-csv"
_NUMBERED = re.compile(r"(\d{1,6})_")


@dataclass(frozen=True, slots=True)
class _Parameter:
    """Where a suspect parameter goes and the upper end of its data range in the unit of SAE J1939DA."""

    alias: str
    highest: float


#: By suspect parameter number; of two for one alias the first that has a value stands.
_PARAMETERS = {
    84: _Parameter("speed", 250.996),
    917: _Parameter("odometer", 21_055_406.0),
    245: _Parameter("odometer", 526_385_151.875),
    110: _Parameter("coolant", 210.0),
    171: _Parameter("ambient", 1735.0),
    108: _Parameter("barometer", 125.0),
    91: _Parameter("accelerator", 100.0),
    521: _Parameter("brake", 100.0),
    168: _Parameter("lv.voltage", 3212.75),
}


def is_j1939_table(header: Sequence[str]) -> bool:
    """Tell whether these column names are ``time`` and parameters by number."""
    return "time" in header and sum(_NUMBERED.match(name) is not None for name in header) * 2 > len(header)


def is_tracker(header: Sequence[str]) -> bool:
    """Tell whether these column names are a tracker's."""
    return {"time", "speed", "carbattery", "latitude", "longitude"} <= set(header)


def read_j1939_table(content: bytes, source: Source) -> Recording:
    """Return the recording of a table of J1939 parameters.

    Parameters that the catalogue has no signal for are counted by column name, not kept.

    Raises:
        RecordingError: No row has a time; names the file.
    """
    skipped: Counter[str] = Counter()
    table = read_table(content, source.path, skipped)
    decoded: Counter[str] = Counter()
    drive: dict[str, FloatArray] = {}
    numbered = [(int(match[1]), name) for name in table.columns if (match := _NUMBERED.match(name))]
    columns = dict(reversed(numbered))  # the first column of a number stands
    others = [name for number, name in numbered if columns[number] != name]
    for number, parameter in _PARAMETERS.items():
        if number not in columns:
            continue
        values = numbers(table, columns.pop(number), skipped)
        with np.errstate(invalid="ignore"):
            is_code = values > parameter.highest
        values = mask_where(values, is_code, f"{parameter.alias}: not available", skipped)
        if np.isfinite(values).any():
            drive.setdefault(parameter.alias, values)
    for name in (*columns.values(), *others):
        decoded[name] += int(np.isfinite(numbers(table, name, skipped)).sum())
    return _build(FORMAT_J1939, table, source, drive, decoded=decoded, skipped=skipped)


def read_tracker(content: bytes, source: Source) -> Recording:
    """Return the recording of a tracker.

    Raises:
        RecordingError: No row has a time; names the file.
    """
    skipped: Counter[str] = Counter()
    table = read_table(content, source.path, skipped)
    ignition = numbers(table, "ignstatus", skipped)
    latitude, longitude = (numbers(table, name, skipped) for name in ("latitude", "longitude"))
    no_fix = (latitude == 0) & (longitude == 0)
    drive = {
        "speed": numbers(table, "speed", skipped),
        "lv.voltage": numbers(table, "carbattery", skipped),
        "vehicle.state": np.select([ignition == 1, ignition == 0], [1.0, 2.0], np.nan),
        "latitude": mask_where(latitude, no_fix, "latitude: sentinel", skipped),
        "longitude": mask_where(longitude, no_fix, "longitude: sentinel", skipped),
    }
    return _build(FORMAT_TRACKER, table, source, drive, decoded=Counter(), skipped=skipped)


def _build(
    format_name: str,
    table: pd.DataFrame,
    source: Source,
    drive: dict[str, FloatArray],
    *,
    decoded: Counter[str],
    skipped: Counter[str],
) -> Recording:
    times = pd.to_datetime(table["time"], errors="coerce", utc=True)
    stamps = times.dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)
    seconds = np.where(times.notna().to_numpy(), stamps / 1e6, np.nan)
    rows = len(table) + skipped["row: wrong number of columns"]
    order, time_us = ordered_by_time(
        pd.DataFrame({"row": np.arange(len(table))}),
        seconds,
        f"{source.path}: no row has a time of the form 2025-10-26 00:00:13",
        skipped,
    )
    kept = order["row"].to_numpy()
    drive = mask_columns({alias: values[kept] for alias, values in drive.items()}, skipped)
    return source.recording(
        format_name,
        rows=rows,
        time_us=time_us,
        batches=build_families({Family.DRIVE: drive}, time_us, decoded=decoded),
        skipped=skipped,
        decoded=decoded,
        pack=Pack(),
        notes=("the file has no time zone: its times are taken as UTC",),
    )

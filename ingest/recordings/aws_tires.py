"""Tyre telemetry of the AWS guidance for automotive data platforms (``aws-tires``), many vehicles a file.

Parquet or CSV, one row a tyre and instant: ``vehicle_id``, ``tire_id`` (FL, FR, RL, RR), ``timestamp`` (UTC
where it names no zone), ``pressure`` (psi gauge), ``temperature`` and ``ambient_temp`` (°C), ``speed`` (taken
as km/h: the data set names no unit). Labels and the columns derived from other rows are not read. A folder of
Parquet files is one recording in parts.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from data.records import Family, FloatArray, IntArray, VehicleSpec
from ingest.recordings.errors import RecordingError
from ingest.recordings.inference import resolve_spec
from ingest.recordings.masks import mask_to_catalogue
from ingest.recordings.recording import Recording, build_rows, count_local_days, datetime_of
from ingest.recordings.table import numbers, read_table, take_units

FORMAT = "aws-tires"
_MAGIC = b"PAR1"
_KPA_PER_PSI = 6.894757
_REQUIRED = ("vehicle_id", "tire_id", "timestamp", "pressure")
_OPTIONAL = ("temperature", "ambient_temp", "speed", "latitude", "longitude")
#: Array order of the catalogue.
_TIRES = ("FL", "FR", "RL", "RR")


def is_aws_tires(content: bytes, header: Sequence[str]) -> bool:
    """Tell whether the content is of this format: Parquet, or a CSV table with its columns."""
    return content.startswith(_MAGIC) or set(_REQUIRED) <= set(header)


def read_aws_tires(
    parts: Sequence[tuple[Path, bytes]],
    path: Path,
    *,
    unit: str | None,
    spec: VehicleSpec | None,
    placard_kpa: float | Sequence[float] | None,
) -> Iterator[Recording]:
    """Yield the recording of each vehicle, in the order of their names.

    Args:
        parts: Name and content of each file.
        path: The file or folder, for messages.
        unit: One ``vehicle_id``; None: all.
        spec: The vehicle model; None: inferred.
        placard_kpa: Cold placard pressure, one value or one a wheel.

    Raises:
        RecordingError: A file is not readable or lacks a column, or there is no such vehicle; names it.
    """
    whole: Counter[str] = Counter()
    table = pd.concat([_read_part(content, name, whole) for name, content in parts], ignore_index=True)
    vehicles = table["vehicle_id"].astype(str)
    for name, rows in take_units(vehicles, unit, path, "vehicle_id"):
        yield _read_vehicle(table.iloc[rows], name, path, whole, spec=spec, placard_kpa=placard_kpa)


def _read_part(content: bytes, path: Path, skipped: Counter[str]) -> pd.DataFrame:
    columns = [*_REQUIRED, *_OPTIONAL]
    if not content.startswith(_MAGIC):
        table = read_table(content, path, skipped)
    else:
        try:
            import pyarrow.parquet as pq
        except ImportError:
            raise RecordingError(
                f"{path}: Parquet needs the extra 'parquet': pip install anxin[parquet]"
            ) from None
        try:
            file = pq.ParquetFile(io.BytesIO(content))
            there = [name for name in columns if name in file.schema_arrow.names]
            table = file.read(columns=there).to_pandas()
        except (OSError, ValueError) as error:  # pyarrow's errors are both
            raise RecordingError(f"{path}: not a readable Parquet file ({error})") from error
    for column in _REQUIRED:
        if column not in table.columns:
            raise RecordingError(f"{path}: column {column!r} is missing")
    return table[[name for name in columns if name in table.columns]]


def _read_vehicle(
    table: pd.DataFrame,
    unit: str,
    path: Path,
    whole: Counter[str],
    *,
    spec: VehicleSpec | None,
    placard_kpa: float | Sequence[float] | None,
) -> Recording:
    skipped = Counter(whole)
    whole.clear()  # what concerns the file is told once
    rows = len(table)
    times = pd.to_datetime(table["timestamp"], errors="coerce", utc=True)
    wheel = pd.Index(_TIRES).get_indexer(pd.Index(table["tire_id"]))
    is_timed = times.notna().to_numpy()
    if not is_timed.any():
        raise RecordingError(f"{path}: no row of vehicle_id {unit!r} has a readable timestamp")
    skipped["row: unreadable time"] += int((~is_timed).sum())
    skipped["row: unknown tire_id"] += int((is_timed & (wheel < 0)).sum())
    keep = is_timed & (wheel >= 0)
    if not keep.any():
        raise RecordingError(f"{path}: no row of vehicle_id {unit!r} has a tire_id of {', '.join(_TIRES)}")
    table, wheel = table[keep], wheel[keep]
    stamps = times[keep].dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)
    time_us, first, instant = np.unique(stamps, return_index=True, return_inverse=True)
    place, row = np.unique(instant * len(_TIRES) + wheel, return_index=True)  # the first of several stays
    skipped["row: duplicate time"] += len(table) - place.size
    tires = {
        alias: _by_wheel(numbers(table, column, skipped)[row] * factor, place, time_us.size)
        for alias, column, factor in (
            ("tire.pressure", "pressure", _KPA_PER_PSI),
            ("tire.temperature", "temperature", 1.0),
        )
    }
    one_an_instant = table.iloc[first]
    drive = {
        "speed": numbers(one_an_instant, "speed", skipped),
        "ambient": numbers(one_an_instant, "ambient_temp", skipped),
        "latitude": numbers(one_an_instant, "latitude", skipped),
        "longitude": numbers(one_an_instant, "longitude", skipped),
    }
    decoded: Counter[str] = Counter()
    batches = [
        build_rows(
            family,
            time_us,
            {alias: mask_to_catalogue(alias, values, skipped) for alias, values in columns.items()},
            decoded=decoded,
        )
        for family, columns in ((Family.DRIVE, drive), (Family.TIRE, tires))
    ]
    return Recording(
        format=FORMAT,
        unit=unit,
        rows=rows,
        first=datetime_of(time_us[0]),
        last=datetime_of(time_us[-1]),
        vehicle_days=count_local_days(time_us, offset_s=0),
        skipped={reason: count for reason, count in skipped.items() if count},
        batches=[batch for batch in batches if batch is not None],
        events=(),
        decoded=dict(decoded),
        has_position="latitude" in decoded and "longitude" in decoded,
        spec=resolve_spec(
            spec,
            name=f"{path.name} {unit}",
            format_name=FORMAT,
            cell_count=0,
            probe_count=0,
            chemistry="NCM",
            capacity_ah=0.0,
            placard_kpa=placard_kpa,
            time_zone="UTC",
        ),
        notes=("speed is taken as km/h, local days as UTC days: the data set names neither",),
    )


def _by_wheel(values: FloatArray, place: IntArray, count: int) -> FloatArray:
    """Return values at row-major places of a (count, 4) array, NaN elsewhere."""
    out = np.full(count * len(_TIRES), np.nan)
    out[place] = values
    return out.reshape(count, len(_TIRES))

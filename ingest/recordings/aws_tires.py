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

from data.records import Family, FloatArray, IntArray
from ingest.recordings.errors import RecordingError
from ingest.recordings.inference import Pack
from ingest.recordings.masks import mask_columns
from ingest.recordings.recording import Recording
from ingest.recordings.source import Source, build_families
from ingest.recordings.table import numbers, read_table, require_columns, take_units

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
    parts: Sequence[tuple[Path, bytes]], source: Source, *, unit: str | None
) -> Iterator[Recording]:
    """Yield the recording of each vehicle, in the order of their names.

    Args:
        parts: Name and content of each file.
        source: The file or folder.
        unit: One ``vehicle_id``; None: all.

    Raises:
        RecordingError: A file is not readable or lacks a column, or there is no such vehicle; names it.
    """
    whole: Counter[str] = Counter()
    table = pd.concat([_read_part(content, name, whole) for name, content in parts], ignore_index=True)
    vehicles = table["vehicle_id"].astype(str)
    for name, rows in take_units(vehicles, unit, source.path, "vehicle_id"):
        yield _read_vehicle(table.iloc[rows], name, source, whole)


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
    require_columns(table, _REQUIRED, path)
    return table[[name for name in columns if name in table.columns]]


def _read_vehicle(table: pd.DataFrame, unit: str, source: Source, whole: Counter[str]) -> Recording:
    skipped = Counter(whole)
    whole.clear()  # what concerns the file is told once
    rows = len(table)
    times = pd.to_datetime(table["timestamp"], errors="coerce", utc=True)
    wheel = pd.Index(_TIRES).get_indexer(pd.Index(table["tire_id"]))
    is_timed = times.notna().to_numpy()
    if not is_timed.any():
        raise RecordingError(f"{source.path}: no row of vehicle_id {unit!r} has a readable timestamp")
    skipped["row: unreadable time"] += int((~is_timed).sum())
    skipped["row: unknown tire_id"] += int((is_timed & (wheel < 0)).sum())
    keep = is_timed & (wheel >= 0)
    if not keep.any():
        raise RecordingError(
            f"{source.path}: no row of vehicle_id {unit!r} has a tire_id of {', '.join(_TIRES)}"
        )
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
    families = {Family.DRIVE: mask_columns(drive, skipped), Family.TIRE: mask_columns(tires, skipped)}
    batches = build_families(families, time_us, decoded=decoded)
    return source.recording(
        FORMAT,
        unit=unit,
        rows=rows,
        time_us=time_us,
        batches=batches,
        skipped=skipped,
        decoded=decoded,
        pack=Pack(),
        notes=("speed is taken as km/h, local days as UTC days: the data set names neither",),
    )


def _by_wheel(values: FloatArray, place: IntArray, count: int) -> FloatArray:
    """Return values at row-major places of a (count, 4) array, NaN elsewhere."""
    out = np.full(count * len(_TIRES), np.nan)
    out[place] = values
    return out.reshape(count, len(_TIRES))

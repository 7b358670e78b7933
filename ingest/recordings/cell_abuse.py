"""Abuse tests of single cells (``cell-abuse-csv``), many tests a file.

Columns ``test`` (its name), ``t_s`` (seconds since its start), ``voltage_v``, ``temp_c``, further ones
(force, displacement) left alone. Layout of extracts of the ORNL and SNL tests at batteryarchive.org. A test
is a vehicle of one cell and one probe; having no date, each starts at 2020-01-01 UTC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from data.records import Family, VehicleSpec
from ingest.recordings.errors import RecordingError
from ingest.recordings.inference import infer_chemistry, resolve_spec
from ingest.recordings.masks import mask_to_catalogue
from ingest.recordings.recording import NO_DATE_US, Recording, build_rows, count_local_days, datetime_of
from ingest.recordings.table import numbers, ordered_by_time, read_table, take_units

FORMAT = "cell-abuse-csv"
_REQUIRED = ("test", "t_s", "voltage_v", "temp_c")


def is_cell_abuse(header: Sequence[str]) -> bool:
    """Tell whether these column names are of this format."""
    return set(_REQUIRED) <= set(header)


def read_cell_abuse(
    content: bytes,
    path: Path,
    *,
    unit: str | None,
    spec: VehicleSpec | None,
    placard_kpa: float | Sequence[float] | None,
) -> Iterator[Recording]:
    """Yield the recording of each test, in the order of their names.

    Raises:
        RecordingError: A required column is missing, no row of a test has a time, or there is no such test.
    """
    whole: Counter[str] = Counter()
    table = read_table(content, path, whole)
    for column in _REQUIRED:
        if column not in table.columns:
            raise RecordingError(f"{path}: column {column!r} is missing")
    for name, rows in take_units(table["test"].astype(str), unit, path, "test"):
        yield _read_test(table.iloc[rows], name, path, whole, spec=spec, placard_kpa=placard_kpa)


def _read_test(
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
    seconds = numbers(table, "t_s", skipped)
    table, time_us = ordered_by_time(table, seconds, f"{path}: no row of test {unit!r} has a t_s", skipped)
    time_us = time_us + NO_DATE_US
    columns = {
        alias: mask_to_catalogue(alias, numbers(table, column, skipped)[:, np.newaxis], skipped)
        for alias, column in (("cell.voltage", "voltage_v"), ("cell.temperature", "temp_c"))
    }
    decoded: Counter[str] = Counter()
    batch = build_rows(Family.CELL, time_us, columns, decoded=decoded)
    return Recording(
        format=FORMAT,
        unit=unit,
        rows=rows,
        first=datetime_of(time_us[0]),
        last=datetime_of(time_us[-1]),
        vehicle_days=count_local_days(time_us, offset_s=0),
        skipped={reason: count for reason, count in skipped.items() if count},
        batches=[batch] if batch is not None else [],
        events=(),
        decoded=dict(decoded),
        has_position=False,
        spec=resolve_spec(
            spec,
            name=f"{path.name} {unit}",
            format_name=FORMAT,
            cell_count=1,
            probe_count=1,
            chemistry=infer_chemistry(columns["cell.voltage"], np.full(time_us.size, np.nan)),
            capacity_ah=0.0,
            placard_kpa=placard_kpa,
            time_zone="UTC",
        ),
        notes=("the file has no date: the test is put at 2020-01-01",),
    )

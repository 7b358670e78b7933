"""Abuse tests of single cells (``cell-abuse-csv``), many tests a file.

Columns ``test`` (its name), ``t_s`` (seconds since its start), ``voltage_v``, ``temp_c``, further ones
(force, displacement) left alone. Layout of extracts of the ORNL and SNL tests at batteryarchive.org. A test
is a vehicle of one cell and one probe; having no date, each starts at 2020-01-01 UTC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from data.records import Family
from ingest.recordings.inference import Pack, infer_chemistry
from ingest.recordings.masks import mask_columns
from ingest.recordings.recording import NO_DATE_US, Recording
from ingest.recordings.source import Source, build_families
from ingest.recordings.table import numbers, ordered_by_time, read_table, require_columns, take_units

FORMAT = "cell-abuse-csv"
_REQUIRED = ("test", "t_s", "voltage_v", "temp_c")


def is_cell_abuse(header: Sequence[str]) -> bool:
    """Tell whether these column names are of this format."""
    return set(_REQUIRED) <= set(header)


def read_cell_abuse(content: bytes, source: Source, *, unit: str | None) -> Iterator[Recording]:
    """Yield the recording of each test, in the order of their names.

    Raises:
        RecordingError: A required column is missing, no row of a test has a time, or there is no such test.
    """
    whole: Counter[str] = Counter()
    table = read_table(content, source.path, whole)
    require_columns(table, _REQUIRED, source.path)
    for name, rows in take_units(table["test"].astype(str), unit, source.path, "test"):
        yield _read_test(table.iloc[rows], name, source, whole)


def _read_test(table: pd.DataFrame, unit: str, source: Source, whole: Counter[str]) -> Recording:
    skipped = Counter(whole)
    whole.clear()  # what concerns the file is told once
    rows = len(table)
    seconds = numbers(table, "t_s", skipped)
    fault = f"{source.path}: no row of test {unit!r} has a t_s"
    table, time_us = ordered_by_time(table, seconds, fault, skipped)
    time_us = time_us + NO_DATE_US
    columns = {
        alias: numbers(table, column, skipped)[:, np.newaxis]
        for alias, column in (("cell.voltage", "voltage_v"), ("cell.temperature", "temp_c"))
    }
    columns = mask_columns(columns, skipped)
    decoded: Counter[str] = Counter()
    batches = build_families({Family.CELL: columns}, time_us, decoded=decoded)
    chemistry = infer_chemistry(columns["cell.voltage"], np.full(time_us.size, np.nan))
    return source.recording(
        FORMAT,
        unit=unit,
        rows=rows,
        time_us=time_us,
        batches=batches,
        skipped=skipped,
        decoded=decoded,
        pack=Pack(cell_count=1, probe_count=1, chemistry=chemistry),
        notes=("the file has no date: the test is put at 2020-01-01",),
    )

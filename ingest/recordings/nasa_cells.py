"""Discharges of the NASA PCoE ageing cells (``nasa-csv``), one cell a file, without the charges between.

Columns ``voltage_v``, ``current_a`` (negative when discharging, as VSS), ``temp_c``, ``t_s`` (seconds since
the start of the discharge), ``cycle``. Cycles have no date: one is put at 00:00 UTC of each day from
2020-01-01, so that a day is a discharge and ages run in cycles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from data.records import Family
from ingest.recordings.errors import RecordingError
from ingest.recordings.inference import Pack
from ingest.recordings.masks import mask_columns
from ingest.recordings.recording import NO_DATE_US, Recording
from ingest.recordings.source import Source, build_families
from ingest.recordings.table import numbers, ordered_by_time, read_table, require_columns

FORMAT = "nasa-csv"
_REQUIRED = ("voltage_v", "current_a", "temp_c", "t_s", "cycle")
_DAY_S = 86_400


def is_nasa_cells(header: Sequence[str]) -> bool:
    """Tell whether these column names are of this format."""
    return set(_REQUIRED) <= set(header)


def read_nasa_cells(content: bytes, source: Source) -> Recording:
    """Return the recording.

    Raises:
        RecordingError: A required column is missing, no row has a cycle and a time, or a cycle takes longer
            than a day.
    """
    skipped: Counter[str] = Counter()
    table = read_table(content, source.path, skipped)
    require_columns(table, _REQUIRED, source.path)
    rows = len(table) + skipped["row: wrong number of columns"]
    cycle, within_s = numbers(table, "cycle", skipped), numbers(table, "t_s", skipped)
    with np.errstate(invalid="ignore"):
        is_long = (within_s >= _DAY_S) | (within_s < 0)
    if is_long.any():
        raise RecordingError(
            f"{source.path}: t_s {within_s[is_long][0]:g}: must be from 0 to a day, within its cycle"
        )
    lowest = np.nanmin(cycle) if np.isfinite(cycle).any() else 0.0
    seconds = (cycle - lowest) * _DAY_S + within_s
    fault = f"{source.path}: no row has a cycle and a t_s"
    table, time_us = ordered_by_time(table, seconds, fault, skipped)
    time_us = time_us + NO_DATE_US
    voltage = numbers(table, "voltage_v", skipped)
    drive = {"pack.voltage": voltage, "pack.current": numbers(table, "current_a", skipped)}
    cells = {
        "cell.voltage": voltage[:, np.newaxis],
        "cell.temperature": numbers(table, "temp_c", skipped)[:, np.newaxis],
    }
    decoded: Counter[str] = Counter()
    families = {Family.DRIVE: mask_columns(drive, skipped), Family.CELL: mask_columns(cells, skipped)}
    batches = build_families(families, time_us, decoded=decoded)
    return source.recording(
        FORMAT,
        rows=rows,
        time_us=time_us,
        batches=batches,
        skipped=skipped,
        decoded=decoded,
        # 18650 cells of a layered oxide, charged to 4.2 V
        pack=Pack(cell_count=1, probe_count=1, chemistry="NCM"),
        notes=("the file has no dates: one cycle is put on each day from 2020-01-01",),
    )

"""Real CSV recordings read completely and plausibly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.records import Family, FloatArray
from ingest.recordings import Recording, open_recording

pytestmark = pytest.mark.recorded


def column(recording: Recording, family: Family, alias: str) -> FloatArray:
    batch = next(b for b in recording.batches if b.family is family)
    return np.asarray(batch.columns[alias], dtype=np.float64)


def test_car1_has_96_cells_two_days_and_no_alarm(recordings: Path) -> None:
    recording = open_recording(recordings / "ev_cells" / "car1.zip")
    cells = column(recording, Family.CELL, "cell.voltage")

    assert (
        recording.rows,
        recording.spec.cell_count,
        recording.spec.probe_count,
        recording.spec.chemistry,
    ) == (66_666, 96, 24, "NCM")
    assert recording.skipped == {"row: duplicate time": 6, "cell.voltage: sentinel": 1537}
    assert 3.4 < float(np.nanmin(cells)) < float(np.nanmax(cells)) < 4.25
    assert not recording.events


def test_car2_cell_82_lies_lowest_in_august(recordings: Path) -> None:
    recording = open_recording(recordings / "ev_cells" / "car2.zip")
    cells = column(recording, Family.CELL, "cell.voltage")
    contrast = np.nanmedian(cells[-1000:] - np.nanmedian(cells[-1000:], axis=1, keepdims=True), axis=0)

    assert (recording.rows, recording.spec.cell_count, recording.spec.probe_count) == (14_385, 88, 19)
    assert int(np.argmin(contrast)) + 1 == 82
    assert float(np.nanmax(column(recording, Family.CELL, "cell.temperature"))) < 50
    days = {
        np.datetime64(e.time_us + 8 * 3_600_000_000, "us").astype("datetime64[D]")
        for e in recording.events
        if e.level == 3
    }
    assert {np.datetime64(f"2019-{d}") for d in ("05-10", "06-17", "07-15", "08-03")} <= days


def test_leaf_year_is_metric_and_tires_stay_near_their_placard(recordings: Path) -> None:
    recording = open_recording(recordings / "leaf_tires" / "leaf_2018-03_2019-01.csv.gz")

    assert recording.rows == 17_839
    assert float(np.nanmax(column(recording, Family.DRIVE, "altitude"))) == 1795
    assert float(np.nanmax(column(recording, Family.DRIVE, "speed"))) < 130
    pressure = column(recording, Family.TIRE, "tire.pressure")
    assert 200 < float(np.nanmin(pressure)) < float(np.nanmax(pressure)) < 290
    assert recording.skipped["tire.pressure: sentinel"] == 38


def test_leaf_trips_are_imperial(recordings: Path) -> None:
    paths = sorted((recordings / "leaf_trips").glob("*.csv"))
    highest = []
    for path in paths:
        recording = open_recording(path)
        highest.append(float(np.nanmax(column(recording, Family.DRIVE, "altitude"))))
        assert 90 < float(np.nanmax(column(recording, Family.DRIVE, "speed"))) < 140

    assert len(paths) == 6
    assert round(max(highest)) == 3042

"""Findings on real recordings: the one faulty cell, and nothing on healthy vehicles."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerts.policy import Episode, fold
from data.records import FailureMode
from ingest.recordings.reader import open_recording
from models.inspect import inspect_recording

pytestmark = pytest.mark.recorded

HOUR_US = 3_600_000_000


def findings(path: Path, shift_h: int = 0) -> list[Episode]:
    recording = open_recording(path)
    batches = [replace(b, time_us=b.time_us + shift_h * HOUR_US) for b in recording.batches]
    return fold(inspect_recording(batches, recording.events, recording.spec))


@pytest.mark.parametrize("shift_h", [0, 7, 13, 19])
def test_drifting_cell_is_the_only_finding_wherever_its_days_are_cut(recordings: Path, shift_h: int) -> None:
    found = findings(recordings / "ev_cells" / "car2.zip", shift_h)

    assert {e.component for e in found} == {"cell 82"}
    (leak,) = (e for e in found if e.failure_mode is FailureMode.CELL_INTERNAL_SHORT)
    first = leak.first_raised
    assert datetime(2019, 7, 12, tzinfo=UTC) < first < datetime(2019, 7, 18, tzinfo=UTC)
    assert leak.cleared is None
    notes = [e for e in found if e is not leak]
    assert all(e.failure_mode is FailureMode.CELL_IMBALANCE and e.first_raised < first for e in notes)


def test_last_look_at_the_drifting_cell_is_sure_and_old(recordings: Path) -> None:
    recording = open_recording(recordings / "ev_cells" / "car2.zip")
    told = inspect_recording(recording.batches, recording.events, recording.spec)
    mode = FailureMode.CELL_INTERNAL_SHORT
    last = [p for p in told if p.component == "cell 82" and p.failure_mode is mode][-1]

    assert last.probability > 0.7
    assert (last.data_time - last.since).days > 14
    assert max(p.probability for p in told if p.component != "cell 82" and p.failure_mode is mode) < 0.2


def test_healthy_pack_with_a_string_gradient_has_no_finding(recordings: Path) -> None:
    assert findings(recordings / "ev_cells" / "car1.zip") == []


def test_five_months_of_a_healthy_car_have_no_finding(recordings: Path) -> None:
    (path,) = (recordings / "leaf_tires").glob("*.csv.gz")

    assert findings(path) == []


def test_mountain_trips_with_hot_packs_have_no_finding(recordings: Path) -> None:
    paths = sorted((recordings / "leaf_trips").glob("*.csv"))

    assert len(paths) == 6
    assert [episode for path in paths for episode in findings(path)] == []

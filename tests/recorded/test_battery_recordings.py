"""Batteries on real recordings: abuse tests, ageing cells, the health that a car tells."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from data.records import FailureMode, Family
from ingest.recordings.reader import open_recording, open_recordings
from models.evaluation.thermal_timing import ThermalTiming, thermal_timing
from models.features.battery_days import BatteryDays
from models.features.rows import joined
from models.inspect import inspect_recording
from models.panels import feature_panel
from models.predictors.base import DayPanel
from models.predictors.battery_capacity_fade import BatteryCapacityFadePredictor

pytestmark = pytest.mark.recorded

SEVERE = {"5", "6", "7", "Very High"}
HARMLESS = {"1", "2", "Very Low", "Low"}


@cache
def timings(folder: Path) -> dict[str, tuple[str, ThermalTiming]]:
    """Severity as observed and timing of every test."""
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        severity = {row["test"]: row["observed_score"] for row in csv.DictReader(file)}
    out = {}
    for recording in open_recordings(folder / "timeseries_5hz.csv.gz"):
        cell = joined(recording.batches, Family.CELL)
        assert cell is not None
        out[recording.unit] = (severity.get(recording.unit, ""), thermal_timing(cell, recording.spec))
    return out


def test_every_severe_abuse_test_is_told_of_before_its_temperature_peak(recordings: Path) -> None:
    severe = {n: t for n, (s, t) in timings(recordings / "cell_abuse").items() if s in SEVERE}

    assert len(severe) >= 9
    assert {n: t.lead_s for n, t in severe.items() if not t.lead_s > 0} == {}


def test_no_harmless_abuse_test_is_told_of(recordings: Path) -> None:
    harmless = {n: t for n, (s, t) in timings(recordings / "cell_abuse").items() if s in HARMLESS}

    assert len(harmless) >= 24
    assert {n: t.raised_s for n, t in harmless.items() if np.isfinite(t.raised_s)} == {}


def panel_of(path: Path) -> DayPanel:
    recording = open_recording(path)
    one = BatteryDays()
    rows = {f: found for f in one.columns if (found := joined(recording.batches, f)) is not None}
    days = one.compute(rows, recording.spec)
    return feature_panel(
        recording.spec,
        [0],
        [days],
        features=one.features,
        main="capacity_ah",
        first_day=int(days.day[0]),
        last_day=int(days.day[-1]),
    )


def counted_ah(path: Path) -> list[float]:
    """Capacity of each discharge from its raw columns: the charge until 2.7 V."""
    recording = open_recording(path)
    drive = joined(recording.batches, Family.DRIVE)
    assert drive is not None
    out = []
    day = drive.time_us // 86_400_000_000
    for one in np.unique(day):
        here = day == one
        seconds, current = drive.time_us[here] / 1e6, drive.columns["pack.current"][here]
        below = np.flatnonzero(drive.columns["pack.voltage"][here] <= 2.7)
        charge = -np.cumsum((current[1:] + current[:-1]) / 2 * np.diff(seconds)) / 3600
        out.append(float(charge[below[0] - 1]) if len(below) and below[0] else float("nan"))
    return out


@pytest.mark.parametrize("name", ["B0005", "B0006", "B0007", "B0034"])
def test_capacity_of_a_discharge_is_the_counted_charge_within_one_percent(
    recordings: Path, name: str
) -> None:
    path = recordings / "nasa_cells" / f"{name}_discharge.csv.gz"
    found = panel_of(path).extra["capacity_ah"][0, :, 0]
    counted = np.array(counted_ah(path))

    known = np.isfinite(found)
    assert known.mean() > 0.9
    assert np.abs(found[known] / counted[known] - 1).max() < 0.01


@pytest.mark.parametrize("name", ["B0005", "B0006", "B0007"])
def test_fade_of_an_ageing_cell_has_the_line_through_its_discharges_within_its_interval(
    recordings: Path, name: str
) -> None:
    panel = panel_of(recordings / "nasa_cells" / f"{name}_discharge.csv.gz")
    risk = BatteryCapacityFadePredictor().predict(panel, np.array([len(panel.day) - 1]))
    capacity = panel.extra["capacity_ah"][0, :, 0]
    known = np.isfinite(capacity)
    slope = np.polyfit(np.flatnonzero(known) / 365.25, capacity[known], 1)[0]
    fade = float(risk.detail["fade_percent_per_year"][0, 0, 0])
    error = float(risk.detail["fade_error"][0, 0, 0])

    expected = -100 * slope / np.nanmax(capacity[np.flatnonzero(known)[:5]])
    assert abs(fade - expected) < 1.96 * error + 0.05 * expected
    assert error < 0.1 * fade
    assert risk.probability[0, 0, 0] > 0.7  # under 80 % of its first capacity


@pytest.mark.parametrize("pattern", ["leaf_tires/*.csv.gz", "leaf_trips/*.csv"])
def test_health_is_within_a_point_and_a_half_of_what_the_car_tells(recordings: Path, pattern: str) -> None:
    paths = sorted(recordings.glob(pattern))
    assert paths
    for path in paths:
        panel = panel_of(path)
        last = len(panel.day) - 1
        risk = BatteryCapacityFadePredictor().predict(panel, np.array([last]))
        told = panel.extra["soh_percent"][0, :, 0]
        newest = told[np.flatnonzero(np.isfinite(told))[-1]]
        assert abs(float(risk.detail["soh_percent"][0, 0, 0]) - newest) < 1.5
        assert float(risk.detail["soh_low_percent"][0, 0, 0]) < newest
        assert newest < float(risk.detail["soh_high_percent"][0, 0, 0])


def test_an_ageing_cell_on_a_bench_gets_a_note_of_its_fade_and_nothing_else(recordings: Path) -> None:
    recording = open_recording(recordings / "nasa_cells" / "B0005_discharge.csv.gz")
    told = inspect_recording(recording.batches, recording.events, recording.spec)

    likely = {p.failure_mode for p in told if p.probability > 0.7}
    assert likely == {FailureMode.BATTERY_CAPACITY_FADE}

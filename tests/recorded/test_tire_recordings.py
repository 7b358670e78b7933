"""Real tire pressures: what was pumped in is recognised, and nothing else is told of."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from data.records import FailureMode, Family, Origin
from ingest.recordings.reader import open_recording
from models.features.days import from_date
from models.features.rows import joined
from models.features.steps import refill_days
from models.features.tire_days import FEATURES, TireDaySet
from models.inspect import inspect_recording
from models.panels import feature_panel
from models.predictors.tire_slow_leak import TireSlowLeakPredictor
from models.predictors.wheels import carried
from models.watch import watch_recording

pytestmark = pytest.mark.recorded

#: Told by the owner of the data, but for one of 2019-01-13 that the pressures do not show.
INFLATED = (date(2018, 8, 30), date(2018, 9, 29), date(2018, 11, 2), date(2019, 1, 24))
_TIRE_MODES = {
    FailureMode.TIRE_SLOW_LEAK,
    FailureMode.TIRE_TOPPED_UP_LEAK,
    FailureMode.TIRE_PUNCTURE,
    FailureMode.TIRE_BLOWOUT_RISK,
}


def test_inflations_of_five_months_are_recognised_and_no_other_day_is_taken_for_one(recordings: Path) -> None:
    (path,) = (recordings / "leaf_tires").glob("*.csv.gz")
    recording = open_recording(path)
    rows = {f: r for f in (Family.TIRE, Family.DRIVE) if (r := joined(recording.batches, f)) is not None}
    days = TireDaySet().compute(rows, recording.spec)
    panel = feature_panel(
        recording.spec,
        [0],
        [days],
        features=FEATURES,
        main="contrast_kpa",
        first_day=int(days.day[0]),
        last_day=int(days.day[-1]),
    )
    marked = refill_days(carried(panel.extra["gas_kpa"]), least_kpa=TireSlowLeakPredictor().refill_kpa)[0]
    found = panel.day[marked]
    known = np.array([from_date(day) for day in INFLATED])

    assert (np.abs(found[:, None] - known).min(1) <= 2).all()
    assert (np.abs(found[:, None] - known).min(0) <= 2).all()


def test_stale_hot_readings_and_mountains_raise_no_tire_finding(recordings: Path) -> None:
    paths = [*(recordings / "leaf_tires").glob("*.csv.gz"), *(recordings / "leaf_trips").glob("*.csv")]
    told = []
    for path in paths:
        recording = open_recording(path)
        told += inspect_recording(recording.batches, recording.events, recording.spec)

    tires = [p for p in told if p.failure_mode in _TIRE_MODES or "sensor tire" in p.component]
    assert len(paths) == 7
    assert not [p for p in tires if p.probability >= 0.7]


def test_live_rules_tell_of_nothing_on_healthy_cars(recordings: Path) -> None:
    paths = [*(recordings / "leaf_tires").glob("*.csv.gz"), *(recordings / "leaf_trips").glob("*.csv")]
    read = [open_recording(path) for path in paths]

    assert [t for r in read for t in watch_recording(r.batches, r.spec, origin=Origin.REAL)] == []

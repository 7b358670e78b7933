"""The synthetic, labelled tire telemetry of the AWS guidance, against that guidance's own rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.records import Family, FloatArray, IntArray
from ingest.recordings.aws_tires import read_aws_tires
from ingest.recordings.source import Source
from models.evaluation.labelled_leaks import LabelledWheel, LeakScore, Opinion, as_table, compare_on_labels
from models.evaluation.part import Levels
from models.features.days import from_date, local_day
from models.features.rows import joined
from models.features.tire_days import FEATURES, TireDaySet
from models.panels import feature_panel
from models.predictors.base import DayPanel, Predictor
from models.predictors.tire_sensor_fault import TireSensorFaultPredictor
from models.predictors.tire_slow_leak import TireSlowLeakPredictor
from models.predictors.tire_topped_up_leak import TireToppedUpLeakPredictor

pytestmark = pytest.mark.recorded

_KPA_PER_PSI = 6.894757
_WHEELS = {"FL": 0, "FR": 1, "RL": 2, "RR": 3}
#: Kinds that take air away, or seem to.
_KINDS = ("slow_leak", "puncture", "valve_failure")
#: As in alerts/policy.toml.
_OURS: tuple[tuple[Predictor, float], ...] = (
    (TireSlowLeakPredictor(), 12.0),
    (TireToppedUpLeakPredictor(), 24.0),
    (TireSensorFaultPredictor(), 72.0),
)


def published_rule(rows_psi: FloatArray, time_us: IntArray, day: IntArray, days: IntArray) -> FloatArray:
    """Their daily job: least squares over 7 days, at least 10 readings, < -0.3 psi/day and last < 30 psi."""
    out = np.full((len(days), rows_psi.shape[1]), np.nan)
    for position, today in enumerate(days):
        rows = (day > today - 7) & (day <= today)
        for wheel in range(rows_psi.shape[1]):
            psi = rows_psi[rows, wheel]
            at = time_us[rows][np.isfinite(psi)] / 86_400e6
            psi = psi[np.isfinite(psi)]
            if len(psi) >= 10 and np.ptp(at) > 0:
                slope = ((at - at.mean()) * psi).sum() / ((at - at.mean()) ** 2).sum()
                out[position, wheel] = float(slope < -0.3 and psi[-1] < 30.0)
    return out


@pytest.fixture(scope="module")
def fleet(recordings: Path) -> tuple[DayPanel, tuple[LabelledWheel, ...], FloatArray]:
    folder = recordings / "tires_aws"
    parts = [(path, path.read_bytes()) for path in sorted(folder.glob("*.parquet"))]
    names, specs, found, readings = [], [], [], []
    for recording in read_aws_tires(parts, Source(path=folder), unit=None):
        rows = {f: r for f in (Family.TIRE, Family.DRIVE) if (r := joined(recording.batches, f)) is not None}
        names.append(recording.unit)
        specs.append(recording.spec)
        found.append(TireDaySet().compute(rows, recording.spec))
        readings.append(rows[Family.TIRE])
    first, last = min(int(f.day[0]) for f in found), max(int(f.day[-1]) for f in found)
    panel = feature_panel(
        specs[0],
        range(len(found)),
        found,
        features=FEATURES,
        main="contrast_kpa",
        first_day=first,
        last_day=last,
    )
    table = pd.read_csv(next(folder.glob("anomaly_summary*.csv")))
    labels = tuple(
        LabelledWheel(
            vehicle=names.index(row.vehicle_id),
            wheel=_WHEELS[row.tire_id],
            day=from_date(pd.Timestamp(row.start).date()) - first,
            kind=row.label,
        )
        for row in table.itertuples()
        if row.label in _KINDS
    )
    theirs = np.stack(
        [
            published_rule(
                np.asarray(rows.columns["tire.pressure"], dtype=np.float64) / _KPA_PER_PSI,
                rows.time_us,
                local_day(rows.time_us, spec.time_zone),
                panel.day,
            )
            for rows, spec in zip(readings, specs, strict=True)
        ]
    )
    return panel, labels, theirs


@pytest.fixture(scope="module")
def scores(fleet: tuple[DayPanel, tuple[LabelledWheel, ...], FloatArray]) -> tuple[LeakScore, LeakScore]:
    panel, labels, theirs = fleet
    days = np.arange(len(panel.day))
    opinions = []
    for predictor, dwell_h in _OURS:
        risk = predictor.predict(panel, days)
        levels = Levels(raise_dwell_h=dwell_h)
        opinions.append(Opinion(probability=risk.probability, severity=risk.severity, levels=levels))
    spans = (panel.first_us, panel.last_us)
    ours = compare_on_labels("anxin", opinions, labels, *spans)
    rule = compare_on_labels("aws rules", [Opinion(probability=theirs)], labels, *spans)
    return ours, rule


def test_finds_what_the_published_rules_find_with_a_tenth_of_their_false_alerts(
    fleet: tuple[DayPanel, tuple[LabelledWheel, ...], FloatArray], scores: tuple[LeakScore, LeakScore]
) -> None:
    ours, rule = scores
    table = as_table(fleet[1], scores)

    assert sum(ours.found) >= sum(rule.found), table
    assert ours.false_alerts <= rule.false_alerts / 10, table


def test_leaks_are_found_earlier_than_by_the_published_rules(
    fleet: tuple[DayPanel, tuple[LabelledWheel, ...], FloatArray], scores: tuple[LeakScore, LeakScore]
) -> None:
    leaks = [i for i, label in enumerate(fleet[1]) if label.kind == "slow_leak"]
    ours, rule = (np.array([score.delay_h[i] for i in leaks]) for score in scores)

    assert np.isfinite(ours).all()
    assert np.median(ours) <= np.nanmedian(np.where(np.isfinite(rule), rule, np.inf))

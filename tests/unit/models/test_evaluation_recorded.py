from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from data.records import Family, FamilyRows, FloatArray
from models.errors import EvaluationError
from models.evaluation.evaluate import ANXIN, judge_mixed
from models.evaluation.recorded import ReadingsDetector, aws_on_readings, compare, parse_labels
from models.features.days import DAY_US
from tests.unit.models.test_evaluation_judge import DAY_0, LEVELS, MODE, N_DAYS, make_part, make_truth

PSI = 6.894757
UNTIL = datetime(2025, 4, 1, tzinfo=UTC)
LABELS = """vehicle_id,tire_id,label,start,end
VEH-0001,FR,slow_leak,2025-02-27 06:00:00+00:00,2025-06-29
VEH-0001,RL,overinflation,2025-03-01 06:00:00,2025-06-29
VEH-0002,RL,puncture,2025-05-14 06:00:00+00:00,2025-06-29
VEH-0009,RL,puncture,2025-01-14 06:00:00+00:00,2025-06-29
"""


def readings(psi: FloatArray, per_day: int = 4) -> FamilyRows:
    n = len(psi)
    time_us = (20_000 * DAY_US + (np.arange(n) + 1) * DAY_US // per_day - 1).astype(np.int64)
    return FamilyRows(
        family=Family.TIRE,
        vehicle_id=np.zeros(n, dtype=np.int32),
        time_us=time_us,
        sent_us=time_us,
        received_us=time_us,
        is_hist=np.zeros(n, dtype=np.bool_),
        columns={"tire.pressure": psi[:, None] * PSI},
    )


def test_labels_of_known_vehicles_before_the_end_become_truths() -> None:
    leak, other = parse_labels(LABELS, {"VEH-0001": 4, "VEH-0002": 5}, UNTIL)

    assert (leak.vehicle, leak.component, leak.kind, leak.is_fault) == (4, "tire front-right", MODE, True)
    assert leak.onset == datetime(2025, 2, 27, 6, tzinfo=UTC)
    assert (other.kind, other.is_fault) == ("overinflation", False)
    with pytest.raises(EvaluationError, match="line 2: KeyError 'XX'"):
        parse_labels(LABELS.replace("FR", "XX"), {"VEH-0001": 4}, UNTIL)


def test_aws_rule_on_readings_is_least_squares_over_seven_days() -> None:
    days = np.arange(20)
    t = np.arange(80) / 4
    rng = np.random.default_rng(1)
    psi = 32.0 - np.where(t > 8, 0.4 * (t - 8), 0.0) + rng.normal(0, 0.05, 80)
    fires = aws_on_readings(readings(psi), 20_000 + days)[:, 0]
    expected = []
    for day in days:
        inside = (t + 0.25 > day - 6) & (t + 0.25 <= day + 1)
        slope = np.polyfit(t[inside], psi[inside], 1)[0]
        expected.append(slope < -0.3 and psi[inside][-1] < 30.0 if inside.sum() >= 10 else np.nan)

    np.testing.assert_array_equal(fires, np.array(expected, dtype=np.float64))
    assert fires[19] == 1.0


def test_systems_are_compared_by_leaks_found_delay_and_every_false_alert() -> None:
    said = np.zeros((2, N_DAYS, 4))
    said[0, 14:, 2] = 1.0
    said[0, 3:5, 1] = 1.0
    said[1, 20:22, 0] = 1.0
    part = make_part([make_truth(magnitude=float("nan"))], 2, is_enriched=False)
    detector = ReadingsDetector("rule", {0: said[0], 1: said[1]})
    tallies = judge_mixed(part, {ANXIN: [detector]}, {MODE: LEVELS})
    found = compare({name: tally for (name, _), tally in tallies.items()})[ANXIN]

    assert (found["events"], found["found"], found["delay_h_p50"]) == (1, 1, 96.0)
    assert (found["false_alerts"], found["vehicle_days"]) == (2, 2 * N_DAYS)
    assert found["missed"] == []
    assert DAY_0 == 20_000

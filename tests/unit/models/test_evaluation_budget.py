"""A baseline's recall at the false alerts of the running system: one number to be ahead by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.records import FailureMode, FloatArray
from models.evaluation.budget import false_vehicles_per_1000, recall_at_rate
from models.evaluation.metrics import Scores
from models.evaluation.tally import FalseAlert, FaultOutcome, Outcome, Tally
from models.evaluation.targets import held_against
from models.evaluation.terms import Terms

TERMS = Terms(act_h=24.0, faults_per_vehicle_year=(0.01, 0.1), least_magnitude=2.0)


def fault(peak: float, outcome: Outcome = Outcome.FOUND, magnitude: float = 3.0) -> FaultOutcome:
    return FaultOutcome(
        seed=1,
        vehicle=1,
        component="battery",
        magnitude=magnitude,
        outcome=outcome,
        is_alerted=True,
        peak=peak,
    )


def false_alert(vehicle: int) -> FalseAlert:
    return FalseAlert(seed=1, vehicle=vehicle, component="battery", day=1, decoy="")


def tally(faults: list[float], healthy: FloatArray, **overrides: object) -> Tally:
    base = Tally(
        name="forest",
        failure_mode=FailureMode.LV_BATTERY,
        horizon_h=24.0,
        scores=Scores.of(np.zeros(0), np.zeros(0)),
        faults=tuple(fault(peak) for peak in faults),
        peaks=healthy,
        healthy_days=1000,
    )
    return replace(base, **overrides)  # type: ignore[arg-type]


@pytest.mark.parametrize(("rate", "recall"), [(0.0, 0.25), (1.0, 0.5), (2.0, 0.75), (9.0, 1.0)])
def test_the_level_of_a_score_lets_as_many_healthy_vehicles_through_as_allowed(
    rate: float, recall: float
) -> None:
    found = tally([5.0, 3.0, 1.0, -2.0], np.array([-5.0, 0.0, 2.0, 4.0]))

    assert recall_at_rate(found, TERMS, rate) == recall


def test_of_a_rule_that_says_yes_or_no_a_share_of_its_alerts_is_followed() -> None:
    yes, no = 13.8, -13.8
    found = tally([yes, yes, yes, no], np.array([yes] * 5 + [no] * 95))

    assert recall_at_rate(found, TERMS, 1.0) == pytest.approx(0.75 / 5)
    assert recall_at_rate(found, TERMS, 5.0) == pytest.approx(0.75)
    assert recall_at_rate(found, TERMS, 0.0) == 0.0


def test_limits_on_streams_have_no_score_but_alerts() -> None:
    alerts = tuple(false_alert(v) for v in (1, 1, 2, 3, 4))
    found = tally([0.0, 0.0], np.zeros(0), false_alerts=alerts)

    assert false_vehicles_per_1000(found) == 4.0
    assert recall_at_rate(found, TERMS, 1.0) == 0.25
    assert recall_at_rate(found, TERMS, 8.0) == 1.0
    assert recall_at_rate(replace(found, false_alerts=()), TERMS, 0.0) == 1.0


def test_faults_that_do_not_count_are_not_found_either() -> None:
    faults = (fault(9.0, Outcome.UNJUDGED), fault(9.0, magnitude=1.0), fault(0.0))
    found = replace(tally([], np.array([1.0])), faults=faults)

    assert recall_at_rate(found, TERMS, 0.0) == 0.0
    assert recall_at_rate(replace(found, faults=()), TERMS, 0.0) is None
    assert recall_at_rate(replace(found, healthy_days=0), TERMS, 0.0) is None


def test_a_baseline_that_finds_more_at_our_false_alerts_is_named() -> None:
    ours = {
        "recall": 0.5,
        "target": {"recall": None, "false_per_1000_vehicle_days": None, "lead_p50_h": None, "precision": None,
                   "lead_p50_h_at": []},
        "precision_in_field": None,
        "false_per_1000_vehicle_days": 0.1,
        "lead_h": {"p50": None},
        "by_magnitude": [],
        "cost_per_vehicle_year": None,
    }  # fmt: skip
    rows = {
        name: {"m": {"recall_at_our_false_rate": recall, "cost_per_vehicle_year": None}}
        for name, recall in (("more", 0.6), ("same", 0.5), ("none", None))
    }

    (held,) = held_against({"modes": {"m": ours}, "baselines": rows}).values()

    assert held["baselines_finding_more"] == ["more"]

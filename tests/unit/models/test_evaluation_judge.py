"""Alerts against truths that were laid out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from data.records import FailureMode, FloatArray, Severity, Truth, VehicleSpec, Vin
from models.evaluation.detectors import Detected
from models.evaluation.evaluate import ANXIN, add_up, figures, judge_part
from models.evaluation.judge import judge
from models.evaluation.part import EvaluationPart, Levels
from models.evaluation.tally import Outcome, Tally
from models.evaluation.terms import TERMS, Terms
from models.predictors.base import DayPanel

DAY_0 = 20_000
N_DAYS = 40
MODE = FailureMode.TIRE_SLOW_LEAK
SPEC = VehicleSpec(
    model_id="t",
    chemistry="NCM",
    cell_count=96,
    probe_count=8,
    capacity_ah=150.0,
    wheels=("front-left", "front-right", "rear-left", "rear-right"),
    placard_kpa=(250.0,) * 4,
)
LEVELS = Levels()
DWELL = Levels(raise_dwell_h=36.0)
TIRE = Terms(act_h=1.0, faults_per_vehicle_year=(0.1, 0.1), least_magnitude=2.0, edges=(0.0, 2.0, 6.0))


def noon(day: int) -> datetime:
    return datetime(1970, 1, 1, 12, tzinfo=UTC) + timedelta(days=DAY_0 + day)


def make_panel(n: int) -> DayPanel:
    shape = (n, N_DAYS)
    last = np.broadcast_to(
        (np.arange(N_DAYS, dtype=np.int64) + DAY_0) * 86_400_000_000 + 43_200_000_000, shape
    )
    zeros = np.zeros((*shape, 4))
    return DayPanel(
        spec=SPEC,
        vehicle_id=np.arange(n, dtype=np.int64),
        day=np.arange(N_DAYS, dtype=np.int64) + DAY_0,
        value=zeros,
        weight=zeros + 1.0,
        first_us=last - 3_600_000_000,
        last_us=last,
        extra={"said": zeros},
    )


def make_truth(vehicle: int = 0, wheel: str = "rear-left", **overrides: object) -> Truth:
    base: dict[str, object] = {
        "vehicle": vehicle,
        "vin": Vin("ANXNTEST000000001"),
        "component": f"tire {wheel}",
        "kind": MODE.value,
        "is_fault": True,
        "onset": noon(10),
        "threshold_at": noon(30),
        "failure_at": None,
        "severity": Severity.S3,
        "magnitude": 3.0,
        "unit": "kPa/day",
    }
    return Truth(**{**base, **overrides})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Says:
    """A detector that says what it is told to."""

    probability: FloatArray
    ttt_h: FloatArray | None = None
    name: str = "says"
    failure_mode: FailureMode = MODE
    feature_set: str = "tire_days"
    horizon_h: float = 240.0
    names: tuple[str, ...] = tuple(f"tire {w}" for w in SPEC.wheels)
    detail: dict[str, FloatArray] = field(default_factory=dict)

    def detect(self, panel: DayPanel) -> Detected:
        rows = panel.vehicle_id
        return Detected(
            probability=self.probability[rows],
            data_us=panel.last_us,
            names=self.names,
            ttt_h=None if self.ttt_h is None else self.ttt_h[:, rows],
            detail=self.detail,
        )


def make_part(truths: Sequence[Truth], n: int = 1, *, is_enriched: bool = True) -> EvaluationPart:
    return EvaluationPart(
        spec=SPEC, panels={"tire_days": make_panel(n)}, truths=truths, seed=7, is_enriched=is_enriched
    )


def alerts(n: int = 1, *spans: tuple[int, int, int, int]) -> FloatArray:
    """Return probabilities of 0.05 and, on the spans (vehicle, component, from, until), 0.9."""
    out = np.full((n, N_DAYS, 4), 0.05)
    for vehicle, component, begin, end in spans:
        out[vehicle, begin:end, component] = 0.9
    return out


def outcome_of(truth: Truth, *spans: tuple[int, int, int, int]) -> Tally:
    return judge(Says(alerts(1, *spans)), make_part([truth]), LEVELS, TIRE)


def test_an_alert_after_the_onset_and_before_the_limit_is_found_with_lead_and_delay() -> None:
    (fault,) = outcome_of(make_truth(), (0, 2, 14, 40)).faults

    assert fault.outcome is Outcome.FOUND
    assert fault.lead_h == 16 * 24.0
    assert fault.delay_h == 4 * 24.0


def test_a_fault_that_two_detectors_name_is_one_and_the_earlier_of_them_counts() -> None:
    missed, late, found = (outcome_of(make_truth(), *s) for s in ((), ((0, 2, 20, 40),), ((0, 2, 14, 40),)))

    (fault,) = missed.beside(late).beside(found).faults

    assert fault.outcome is Outcome.FOUND
    assert fault.lead_h == 16 * 24.0


def test_a_late_alert_is_a_miss() -> None:
    (at_limit,) = outcome_of(make_truth(), (0, 2, 30, 40)).faults
    (in_time,) = outcome_of(make_truth(threshold_at=noon(30) + timedelta(hours=1)), (0, 2, 30, 40)).faults

    assert at_limit.outcome is Outcome.LATE
    assert in_time.outcome is Outcome.FOUND


def test_an_alert_before_the_onset_is_false_and_the_fault_missed() -> None:
    tally = outcome_of(make_truth(), (0, 2, 8, 40))

    assert tally.faults[0].outcome is Outcome.MISSED
    assert [a.component for a in tally.astray] == ["tire rear-left"]


def test_an_alert_on_another_wheel_is_false_and_finds_nothing() -> None:
    tally = outcome_of(make_truth(), (0, 1, 14, 40))

    assert tally.faults[0].outcome is Outcome.MISSED
    assert [a.component for a in tally.astray] == ["tire front-right"]


def test_a_fault_whose_limit_lies_behind_the_run_is_not_judged_found_or_not() -> None:
    beyond = make_truth(threshold_at=noon(60))
    never = make_truth(threshold_at=None)
    for truth in (beyond, never):
        for spans in ([], [(0, 2, 14, 40)]):
            tally = outcome_of(truth, *spans)
            assert tally.faults[0].outcome is Outcome.UNJUDGED
            assert not tally.astray


def test_failure_counts_where_there_is_no_threshold() -> None:
    (fault,) = outcome_of(make_truth(threshold_at=None, failure_at=noon(20)), (0, 2, 14, 40)).faults

    assert fault.lead_h == 6 * 24.0


def test_another_fault_of_the_same_component_is_confusion_and_not_a_false_alert() -> None:
    truth = make_truth(kind=FailureMode.SENSOR_FAULT.value)
    same = outcome_of(truth, (0, 2, 14, 40))
    elsewhere = outcome_of(truth, (0, 0, 14, 40))

    assert not same.faults
    assert not same.astray
    assert same.confusion == {("sensor_fault", True): 1}
    assert elsewhere.confusion == {("sensor_fault", False): 1}
    assert len(elsewhere.astray) == 1


def test_alerts_of_the_healthy_fleet_are_false_once_an_episode_and_named_after_the_decoy() -> None:
    decoy = make_truth(vehicle=1, kind="cold_front", is_fault=False, threshold_at=None, severity=None)
    # vehicle 0: twice within 72 h is once, later once more; vehicle 1 under a decoy
    said = alerts(3, (0, 0, 3, 5), (0, 0, 7, 9), (0, 0, 20, 22), (1, 2, 12, 14))
    tally = judge(Says(said), make_part([decoy], 3, is_enriched=False), LEVELS, TIRE)

    assert [(a.vehicle, a.decoy) for a in tally.false_alerts] == [(0, ""), (0, ""), (1, "cold_front")]
    assert (tally.healthy_days, tally.decoys) == (3 * N_DAYS, 1)


@pytest.mark.parametrize(
    ("kind", "where", "said", "mode", "is_right"),
    [
        ("loose_sense_wire", "cell 3", "sensor cell 3", FailureMode.SENSOR_FAULT, True),
        ("loose_sense_wire", "cell 3", "sensor cell 4", FailureMode.SENSOR_FAULT, True),
        ("loose_sense_wire", "cell 3", "sensor cell 5", FailureMode.SENSOR_FAULT, False),
        ("loose_sense_wire", "cell 3", "sensor probe 3", FailureMode.SENSOR_FAULT, False),
        ("loose_sense_wire", "cell 3", "cell 3", FailureMode.CELL_WEAK, False),
        ("sensor_bias_step", "tire rear-left", "sensor tire rear-left", FailureMode.SENSOR_FAULT, True),
        ("sensor_bias_step", "tire rear-left", "sensor tire rear-right", FailureMode.SENSOR_FAULT, False),
        ("stale_replay", "tires", "sensor tire rear-right", FailureMode.SENSOR_FAULT, True),
        ("stale_replay", "tires", "sensor soc", FailureMode.SENSOR_FAULT, False),
        ("soc_drift", "battery", "sensor soc", FailureMode.SENSOR_FAULT, True),
        ("soc_drift", "battery", "sensor ambient", FailureMode.SENSOR_FAULT, False),
        ("imbalance", "cell 8", "cell 8", FailureMode.CELL_IMBALANCE, True),
        ("imbalance", "cell 8", "cell 9", FailureMode.CELL_IMBALANCE, False),
    ],
)
def test_a_finding_is_right_about_a_decoy_on_the_component_that_it_is_on(
    kind: str, where: str, said: str, mode: FailureMode, *, is_right: bool
) -> None:
    decoy = make_truth(kind=kind, is_fault=False, threshold_at=None, component=where)
    part = make_part([decoy], is_enriched=False)
    probability = alerts(1, (0, 0, 14, 40))[..., :1]
    tally = judge(Says(probability, failure_mode=mode, names=(said,)), part, LEVELS, TIRE)

    assert (len(tally.false_alerts) == 0) is is_right


def test_dwell_delays_the_alert() -> None:
    truth = make_truth()
    tally = judge(Says(alerts(1, (0, 2, 14, 40))), make_part([truth]), DWELL, TIRE)

    assert tally.faults[0].delay_h == 6 * 24.0


def test_days_without_an_answer_do_not_count_as_watched() -> None:
    said = alerts(2)
    said[0, :10] = np.nan
    tally = judge(Says(said), make_part([], 2, is_enriched=False), LEVELS, TIRE)

    assert (tally.healthy_days, tally.healthy_calendar_days) == (70, 80)


def test_time_to_the_limit_is_held_against_the_interval() -> None:
    truth = make_truth()
    left = (30 - np.arange(N_DAYS)) * 24.0
    ttt = np.stack([left * 0.5, left, left * 1.5])[:, None, :, None] * np.ones((3, 1, N_DAYS, 4))
    ttt[:, 0, 20:, 2] += 1000.0  # from day 20 on the interval is off
    tally = judge(Says(alerts(1, (0, 2, 14, 40)), ttt_h=ttt), make_part([truth]), LEVELS, TIRE)

    assert tally.faults[0].is_inside == 1.0
    assert tally.interval == (6, 16)  # days 14-19 of 14-29


def test_calibration_counts_vehicle_days_and_leaves_out_what_could_not_be_known() -> None:
    # horizon 10 days: limit on day 30, so days 20-29 are followed by it; onset on day 25
    tally = judge(Says(alerts()), make_part([make_truth(onset=noon(25))]), LEVELS, TIRE)

    assert tally.scores.positive.sum() == 5  # days 25-29
    assert tally.scores.negative.sum() == 20  # days 0-19; 20-24 and those from 30 on are left out


def test_state_of_health_is_held_against_the_truth() -> None:
    said = np.full((1, N_DAYS, 1), 91.0)
    part = make_part([])
    part = EvaluationPart(
        spec=SPEC,
        panels=part.panels,
        truths=[],
        seed=1,
        is_enriched=False,
        states={"soh_percent": np.full((1, N_DAYS), 90.0)},
    )
    detail = {"soh_percent": said, "soh_low_percent": said - 3, "soh_high_percent": said - 0.5}
    tally = judge(Says(alerts(), detail=detail), part, LEVELS, TIRE)

    assert (tally.soh.count, tally.soh.squared, tally.soh.inside) == (N_DAYS, N_DAYS * 1.0, N_DAYS)


@pytest.mark.parametrize("cut", [1, 3])
def test_figures_do_not_depend_on_the_cut_into_parts(cut: int) -> None:
    rng = np.random.default_rng(8)
    n = 12
    said = 1 / (1 + np.exp(-np.cumsum(rng.normal(0, 0.6, (n, N_DAYS, 4)), axis=1) + 3))
    truths = [make_truth(vehicle=v, magnitude=float(v)) for v in range(0, n, 2)]
    whole = judge_part(make_part(truths, n), {ANXIN: [Says(said)]}, {MODE: LEVELS})
    parts = []
    for begin in range(0, n, n // cut):
        rows = np.arange(begin, begin + n // cut)
        panel = make_panel(n)
        panel = DayPanel(
            spec=SPEC,
            vehicle_id=rows,
            day=panel.day,
            value=panel.value[rows],
            weight=panel.weight[rows],
            first_us=panel.first_us[rows],
            last_us=panel.last_us[rows],
            extra={k: v[rows] for k, v in panel.extra.items()},
        )
        part = EvaluationPart(
            spec=SPEC,
            panels={"tire_days": panel},
            truths=[t for t in truths if t.vehicle in rows],
            seed=7,
            is_enriched=True,
        )
        parts.append(judge_part(part, {ANXIN: [Says(said)]}, {MODE: LEVELS}))
    both = [
        figures(t, {MODE: LEVELS}, level="day", rng=np.random.default_rng(1))
        for t in (add_up([whole]), add_up(parts))
    ]

    assert both[0] == both[1]
    assert both[0]["modes"][MODE]["events"] == 5  # magnitudes 2-10


def test_a_fault_that_no_detector_names_is_missed_and_two_detectors_count_together() -> None:
    truths = [make_truth(), make_truth(component="tire spare"), make_truth(component="sensor soc")]
    found = Says(alerts(1, (0, 2, 14, 40)))
    blind = Says(np.full((1, N_DAYS, 1), 0.1), names=("sensor soc",))
    tallies = judge_part(make_part(truths), {ANXIN: [found, blind]}, {MODE: LEVELS})
    tally = tallies[ANXIN, MODE]

    assert sorted(f.outcome for f in tally.faults) == [Outcome.FOUND, Outcome.MISSED, Outcome.MISSED]
    assert tally.enriched_days == N_DAYS


def test_figures_of_a_hand_worked_fleet() -> None:
    sick = [make_truth(vehicle=v, magnitude=m) for v, m in enumerate([1.0, 2.5, 3.0, 4.0])]
    said = alerts(4, (1, 2, 14, 40), (2, 2, 20, 40))
    well = alerts(50, (7, 0, 5, 9))
    tallies = add_up(
        [
            judge_part(make_part(sick, 4), {ANXIN: [Says(said)]}, {MODE: LEVELS}),
            judge_part(make_part([], 50, is_enriched=False), {ANXIN: [Says(well)]}, {MODE: LEVELS}),
        ]
    )
    found = figures(tallies, {MODE: LEVELS}, level="day", rng=np.random.default_rng(1))
    mode = found["modes"]["tire_slow_leak"]

    assert found["simulated"] is True
    assert (mode["events"], mode["recall"], mode["below_scope"]["events"]) == (3, 0.6667, 1)
    assert mode["vehicle_days"] == 2000
    assert mode["false_per_1000_vehicle_days"] == 0.5
    assert mode["false_upper95"] == pytest.approx(4.7439 / 2, rel=1e-3)
    assert mode["lead_h"] == {"p10": 254.4, "p50": 312.0, "p90": 369.6}  # 10 and 16 days
    assert mode["delay_h_p50"] == 7 * 24.0
    assert mode["coverage"] == 1.0
    low = 1000 * TERMS[MODE].faults_per_vehicle_year[0] / 365.25
    assert mode["precision_in_field"]["low"] == pytest.approx(2 / 3 * low / (2 / 3 * low + 0.5), rel=1e-3)
    assert mode["by_seed"]["seeds"][0]["recall"] == 0.6667

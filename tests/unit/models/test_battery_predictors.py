"""Root causes in a battery told apart: leak, weak cell, imbalance, resistance, wire; fade, insulation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from data.records import FloatArray
from models.predictors.base import DayPanel, Predictor
from models.predictors.battery_capacity_fade import BatteryCapacityFadePredictor
from models.predictors.cell_imbalance import CellImbalancePredictor
from models.predictors.cell_internal_short import CellInternalShortPredictor
from models.predictors.cell_resistance import CellResistancePredictor
from models.predictors.cell_sensor_fault import CellSensorFaultPredictor
from models.predictors.cell_weak import CellWeakPredictor
from models.predictors.insulation_loss import InsulationLossPredictor
from models.predictors.pack_sensor_fault import pack_sensor_predictors
from models.predictors.probe_sensor_fault import ProbeSensorFaultPredictor
from tests.unit.models import factories as make

DAYS, N, AT = 70, 24, 7
RAISED = 0.7
SHORT, WEAK, BALANCE = CellInternalShortPredictor(), CellWeakPredictor(), CellImbalancePredictor()


def cells(fault: str, *, chemistry: str = "NCM", n: int = 20, seed: int = 1001) -> DayPanel:
    """Panel of packs of which one cell has a fault from day 25 on."""
    rng = np.random.default_rng(seed)
    soc = rng.uniform(50, 90, (n, DAYS))
    deficit = make.healthy_deficit(rng, n, DAYS, N)
    since = np.maximum(np.arange(DAYS) - 25, 0)
    if fault == "leak":
        deficit[..., AT] += 0.03 * np.expm1(since / 8.0)
    elif fault == "step":
        deficit[..., AT] += np.where(since > 0, 5.0, 0.0)
    elif fault == "weak":
        deficit[..., AT] += 0.10 * (90.0 - soc)
    elif fault == "wire":
        swing = np.where((since > 0) & (rng.random((n, DAYS)) < 0.6), rng.uniform(3, 6, (n, DAYS)), 0.0)
        deficit[..., AT] += swing
        deficit[..., AT + 1] -= swing
    panel = make.make_cell_panel(deficit)
    extra: dict[str, FloatArray] = dict(panel.extra) | {"rest_soc_percent": soc[..., None]}
    if chemistry == "LFP":
        seldom = rng.random((n, DAYS, 1)) < 0.35
        extra["lag_percent"] = np.where(seldom, deficit, np.nan)
        extra["deficit_percent"] = np.full_like(deficit, np.nan)
        extra["weight"] = np.zeros((n, DAYS, 1))
    return replace(
        panel,
        spec=replace(panel.spec, chemistry=chemistry),
        value=extra["deficit_percent"],
        weight=np.broadcast_to(extra["weight"], deficit.shape),
        extra=extra,
    )


def raised(predictor: Predictor, panel: DayPanel, days: list[int] | None = None) -> FloatArray:
    """Share of vehicles in which each component is raised on one of the days."""
    as_of = np.array(days or [DAYS - 1])
    risk = predictor.predict(panel, as_of)
    return np.asarray((np.nan_to_num(risk.probability) >= RAISED).any(1).mean(0))


@pytest.mark.parametrize(
    ("fault", "finds"),
    [("leak", SHORT), ("weak", WEAK), ("step", BALANCE)],
    ids=["leak", "weak", "step"],
)
def test_each_root_cause_is_found_as_itself_and_as_nothing_else(fault: str, finds: Predictor) -> None:
    panel = cells(fault)
    days = list(range(20, DAYS, 3))
    for predictor in (SHORT, WEAK, BALANCE):
        share = raised(predictor, panel, days)
        if predictor is finds:
            assert share[AT] >= 0.85
        else:
            assert share[AT] == 0.0
        assert np.delete(share, AT).max() == 0.0


def emptying(noise: float, loss: float) -> DayPanel:
    """Pack that rests at any charge, whose days scatter by ``noise`` % and of which one cell is smaller."""
    rng = np.random.default_rng(1007)
    soc = rng.uniform(50, 90, (20, DAYS))
    deficit = 0.4 * rng.normal(0, 1, (20, 1, N)) + rng.normal(0, noise, (20, DAYS, N))
    deficit[..., AT] += loss * (90.0 - soc)
    panel = make.make_cell_panel(deficit)
    return replace(panel, extra=dict(panel.extra) | {"rest_soc_percent": soc[..., None]})


def test_small_loss_of_a_cell_is_told_where_days_scatter_little_and_not_where_they_scatter_much() -> None:
    assert raised(WEAK, emptying(0.05, 0.05))[AT] >= 0.95
    assert raised(WEAK, emptying(1.0, 0.05))[AT] <= 0.1
    assert raised(WEAK, emptying(0.05, 0.02), list(range(20, DAYS, 3))).max() == 0.0


def test_loose_sense_wire_is_no_fault_of_a_cell() -> None:
    panel = cells("wire")
    days = list(range(20, DAYS, 3))

    assert max(raised(p, panel, days).max() for p in (SHORT, WEAK, BALANCE)) == 0.0


def test_step_seen_through_days_of_little_trust_is_no_leak() -> None:
    panel = cells("step")
    deficit, trust = panel.extra["deficit_percent"].copy(), np.ones((20, DAYS, 1))
    # days at a flat part of the curve halfway up, where the voltage tells little
    deficit[:, 26:29, AT] -= 2.5
    trust[:, 26:29] = 0.1
    extra = dict(panel.extra) | {"deficit_percent": deficit, "weight": trust}
    weight = np.broadcast_to(trust, deficit.shape)
    given = replace(panel, value=deficit, weight=weight, extra=extra)

    assert raised(SHORT, given, list(range(27, DAYS)))[AT] == 0.0


def test_leak_in_an_lfp_pack_is_found_at_the_top_of_its_charges() -> None:
    share = raised(SHORT, cells("leak", chemistry="LFP"))

    assert share[AT] >= 0.85
    assert np.delete(share, AT).max() == 0.0


def test_pack_of_one_cell_has_no_peers_and_no_finding() -> None:
    panel = cells("leak")
    one = make.make_cell_panel(panel.value[..., AT : AT + 1])

    for predictor in (SHORT, WEAK, BALANCE, CellResistancePredictor()):
        assert np.isnan(predictor.predict(one, np.arange(DAYS)).probability).all()


def with_feature(values: dict[str, FloatArray], main: str, **spec: Any) -> DayPanel:
    panel = make.make_panel(values[main], values, make.make_spec(**spec))
    return replace(panel, weight=np.where(np.isfinite(panel.value), 1.0, 0.0))


def test_resistance_that_grows_is_told_before_it_is_half_as_large_again() -> None:
    rng = np.random.default_rng(1002)
    ratio = 1 + 0.04 * rng.normal(0, 1, (20, 1, N)) + rng.normal(0, 0.02, (20, 90, N))
    ratio[..., AT] += 0.006 * np.maximum(np.arange(90) - 30, 0)
    panel = with_feature({"resistance_ratio": ratio}, "resistance_ratio", cell_count=N)

    risk = CellResistancePredictor().predict(panel, np.arange(90))
    told = (np.nan_to_num(risk.probability) >= RAISED).argmax(1)[:, AT]

    assert np.median(told) < 75  # 25-30 %
    assert (np.nan_to_num(np.delete(risk.probability, AT, axis=2)) < RAISED).all()


def ratios(noise: float, per_day: float, days: int = 60, begins: int = 30) -> DayPanel:
    """Resistances of cells of which one grows from a day on."""
    rng = np.random.default_rng(1006)
    ratio = 1 + 0.04 * rng.normal(0, 1, (20, 1, N)) + rng.normal(0, noise, (20, days, N))
    ratio[..., AT] += per_day * np.maximum(np.arange(days) - begins, 0)
    return with_feature({"resistance_ratio": ratio}, "resistance_ratio", cell_count=N)


def test_resistance_that_grows_fast_is_told_within_the_week_where_days_scatter_little() -> None:
    panel = ratios(0.003, 0.02)

    assert raised(CellResistancePredictor(), panel, [36])[AT] == 1.0
    assert raised(CellResistancePredictor(), panel, list(range(30)))[AT] == 0.0


def test_pack_whose_resistances_scatter_from_day_to_day_is_told_of_none() -> None:
    assert raised(CellResistancePredictor(), ratios(0.2, 0.0), list(range(60))).max() == 0.0


def test_time_to_the_limit_of_a_growing_resistance_holds_it() -> None:
    panel = ratios(0.003, 0.01)

    risk = CellResistancePredictor().predict(panel, np.array([42]))
    p10, p50, p90 = risk.ttt_h[:, :, 0, AT] / 24

    # it reaches a quarter more 25 days after the 30th
    assert (p10 < 13.0).mean() >= 0.9
    assert (p90 > 13.0).mean() >= 0.9
    assert ((p50 > 8.0) & (p50 < 18.0)).all()


def swings(size: float) -> DayPanel:
    rng = np.random.default_rng(1003)
    wire = np.abs(rng.normal(0, 0.6, (10, 30, N)))
    wire[:, 12:, AT] += np.where(rng.random((10, 18)) < 0.7, size, 0.0)
    values = {"wire_swing_mv": wire, "bad_share": np.zeros_like(wire)}
    return with_feature(values, "wire_swing_mv", cell_count=N)


def test_loose_sense_wire_is_a_finding_of_the_sensor() -> None:
    predictor = CellSensorFaultPredictor()

    assert raised(predictor, swings(20.0), [29])[AT] >= 0.9
    assert raised(predictor, swings(2.0), list(range(30))).max() == 0.0
    assert predictor.component_name(make.make_spec(), AT) == "sensor cell 8"


def test_probe_that_stands_still_is_a_finding_of_the_sensor() -> None:
    offset = np.random.default_rng(1004).normal(0, 0.7, (10, 30, 6))
    still = np.zeros((10, 30, 6))
    still[:, 15:, 2] = 1.0
    offset[:, 15:, 4] += 9.0
    values = {"probe_offset_k": offset, "probe_still_share": still}
    panel = with_feature(values, "probe_offset_k", probe_count=6)

    share = raised(ProbeSensorFaultPredictor(), panel, [29])

    assert share.tolist() == [0.0, 0.0, 1.0, 0.0, 1.0, 0.0]


def test_pack_sensors_are_told_when_they_contradict_the_others() -> None:
    rng = np.random.default_rng(1005)
    shape = (10, 40, 1)
    late = (np.arange(40) >= 25)[None, :, None]
    values = {
        "current_offset_a": 0.2 + rng.normal(0, 0.05, shape) + 3.5 * late,
        "voltage_offset_v": 3.0 + rng.normal(0, 0.1, shape) + 8.0 * late,
        "soc_jump_percent": 1.0 + rng.uniform(0, 0.5, shape) + 15.0 * late,
    }
    for predictor in pack_sensor_predictors():
        panel = with_feature(values, predictor.main, cell_count=96)
        assert raised(predictor, panel, [24]).tolist() == [0.0]
        assert raised(predictor, panel, [39]).tolist() == [1.0]


def ageing(health: FloatArray, seed: int = 1006) -> DayPanel:
    """Charges every other day with an error of 1.5 %; health in %, shape (n_days,)."""
    rng = np.random.default_rng(seed)
    n = 60
    gain = 1 + 0.003 * rng.normal(0, 1, (n, 1))
    capacity = 1.5 * health[None] * gain * (1 + 0.015 * rng.normal(0, 1, (n, len(health))))
    capacity[rng.random(capacity.shape) < 0.5] = np.nan
    missing = np.full((*capacity.shape, 1), np.nan)
    values = {
        "capacity_ah": capacity[..., None],
        "capacity_error_ah": 0.015 * capacity[..., None],
        "soh_percent": missing,
    }
    return with_feature(values, "capacity_ah", capacity_ah=150.0)


@pytest.mark.parametrize("rate", [2.0, 20.0])
def test_state_of_health_is_within_its_interval_as_often_as_it_says(rate: float) -> None:
    health = 92.0 - rate * np.arange(180) / 365.25
    risk = BatteryCapacityFadePredictor().predict(ageing(health), np.array([179]))
    found, low, high = (risk.detail[f"soh{k}_percent"][:, 0, 0] for k in ("", "_low", "_high"))

    assert np.sqrt(np.mean((found - health[-1]) ** 2)) < 1.0
    assert 0.88 <= ((low <= health[-1]) & (health[-1] <= high)).mean() <= 1.0
    assert np.median(risk.detail["fade_percent_per_year"]) == pytest.approx(rate, abs=1.5)


def test_spent_pack_is_told_and_a_sound_one_is_not() -> None:
    predictor = BatteryCapacityFadePredictor()
    fading = 84.0 - 12.0 * np.arange(180) / 365.25

    assert raised(predictor, ageing(fading), [179]).tolist() == [1.0]
    assert raised(predictor, ageing(np.full(180, 88.0)), [60, 120, 179]).tolist() == [0.0]


def insulation(log: FloatArray, rain: FloatArray | None) -> DayPanel:
    missing = np.full(log.shape, np.nan)
    values = {
        "insulation_log_kohm": log,
        "insulation_median_log_kohm": log,
        "insulation_ohm_per_v": 1000 * np.exp(log) / 360.0,
        "rain_share": missing if rain is None else rain,
    }
    return with_feature({k: v[..., None] for k, v in values.items()}, "insulation_log_kohm")


def weather(seed: int) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    wet = rng.random((200, 80)) < 0.3
    wet[:, 1:] |= wet[:, :-1] & (rng.random((200, 79)) < 0.5)
    log = np.log(rng.uniform(2500, 8000, (200, 1))) + rng.normal(0, 0.05, (200, 80))
    return log - np.where(wet, 1.6, 0.0), np.where(wet, 0.4, 0.0)


@pytest.mark.parametrize("has_sensor", [True, False])
def test_rain_alone_is_no_insulation_loss(has_sensor: bool) -> None:
    log, rain = weather(1007)
    panel = insulation(log, rain if has_sensor else None)

    risk = InsulationLossPredictor().predict(panel, np.arange(80))

    assert (np.nan_to_num(risk.probability) < RAISED).all()


@pytest.mark.parametrize("has_sensor", [True, False])
def test_insulation_that_falls_by_halves_is_told_a_week_before_the_limit(has_sensor: bool) -> None:
    log, rain = weather(1008)
    log = log - 0.13 * np.maximum(np.arange(80) - 40, 0)
    panel = insulation(log, rain if has_sensor else None)

    risk = InsulationLossPredictor().predict(panel, np.arange(80))
    told = (np.nan_to_num(risk.probability[..., 0]) >= RAISED).argmax(1)
    dry = log + np.where(rain > 0, 1.6, 0.0)
    crossed = (dry < np.log(0.5 * 360.0)).argmax(1)
    crossed = np.where(crossed > 0, crossed, 80)

    assert (told > 40).mean() > 0.95
    assert np.median(crossed - told) >= 7


@pytest.mark.parametrize("has_sensor", [True, False])
def test_time_that_insulation_has_left_lies_in_its_interval(has_sensor: bool) -> None:
    log, rain = weather(1009)
    begin, rate = 40.0, np.random.default_rng(1010).uniform(0.08, 0.3, (200, 1))
    dry = log + np.where(rain > 0, 1.6, 0.0)
    log = log - rate * np.maximum(np.arange(80) - begin, 0)
    left_h = 24.0 * (begin + (dry[:, :40].mean(1) - np.log(180.0)) / rate[:, 0] - 51.0)

    risk = InsulationLossPredictor().predict(insulation(log, rain if has_sensor else None), np.array([51]))
    low, _, high = risk.ttt_h[:, :, 0, 0]
    known = np.isfinite(low) & (left_h > 24.0) & (np.nan_to_num(risk.probability[:, 0, 0]) >= RAISED)

    share = ((low <= left_h) & (left_h <= high))[known].mean()
    assert known.sum() >= 60
    assert share >= (0.7 if has_sensor else 0.5)


def test_insulation_under_the_limit_is_urgent() -> None:
    log = np.full((3, 40), np.log(5000.0))
    log[:, 36:] = np.log(30.0)

    risk = InsulationLossPredictor().predict(insulation(log, None), np.array([39]))

    assert (risk.probability[..., 0] > RAISED).all()
    assert risk.severity[:, 0, 0].tolist() == [1, 1, 1]

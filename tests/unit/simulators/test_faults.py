import dataclasses
import math

import numpy as np
import pytest

from data.records import FailureMode, Severity
from simulators.chance import VehicleChance
from simulators.climate import DAY_S, Climate
from simulators.errors import FleetError
from simulators.faults import Plan, Witness, build_plan, parse_orders, truth_rows
from simulators.faults.battery import LIMIT_OHM
from simulators.faults.decoys import DECOYS
from simulators.faults.injection import Injection
from simulators.faults.plan import FAULTS
from simulators.fleet import build_vin
from simulators.physics.cells import Short
from simulators.physics.insulation import Insulation
from simulators.physics.low_voltage import LvConstants, LvState, advance_low_voltage, close_night
from simulators.physics.powertrain import PowertrainConstants, cooling_health, motor_loss
from simulators.vehicle_models import load_all_models

START_S, DAYS = 1_767_643_200.0, 180


def plan_of(
    faults: object, n: int = 60, *, days: int = DAYS, decoys: object = 0, timing: str = "within"
) -> Plan:
    models = list(load_all_models().values())
    return build_plan(
        3,
        models=[models[row % len(models)] for row in range(n)],
        city_index=np.arange(n) % 4,
        climate=Climate(3, start_s=START_S, days=days),
        start_s=START_S,
        days=days,
        faults=faults,  # type: ignore[arg-type] # any of the accepted kinds
        decoys=decoys,  # type: ignore[arg-type]
        timing=timing,  # type: ignore[arg-type]
    )


def first(plan: Plan, kind: str) -> Injection:
    return next(plan.of(kind))


def every(plan: Plan, value: float) -> np.ndarray:
    return np.full(plan.count, value)


def test_all_faults_means_every_failure_mode_but_the_unexplained_alarm() -> None:
    plan = plan_of("all", 120, decoys=None)
    kinds = {i.kind for i in plan.injections if i.is_fault}

    assert {str(mode) for mode in FailureMode} - {"onboard_alarm"} | {"contactor"} == kinds


def test_decoys_are_never_fewer_than_faults_and_of_every_kind() -> None:
    plan = plan_of("all", 120, decoys="all")
    faults = [i for i in plan.injections if i.is_fault]
    decoys = [i for i in plan.injections if not i.is_fault]

    assert len(decoys) >= len(faults)
    assert len(DECOYS) >= len(FAULTS)
    assert set(DECOYS) == {i.kind for i in decoys}
    assert len({i.vehicle for i in plan.injections}) == len(plan.injections)


def test_every_course_of_every_fault_has_onset_before_threshold_before_failure() -> None:
    for mode, courses in FAULTS.items():
        for course in courses:
            for one in plan_of({f"{mode}:{course}": 20}).of(mode):
                assert one.variant == course
                assert one.at_s <= one.threshold_s <= one.failure_s
                assert one.severity in set(Severity)


def test_most_thresholds_of_an_evaluation_lie_within_its_span() -> None:
    for mode in ("tire_slow_leak:capillary", "insulation_loss", "cooling_loss", "lv_battery:ageing"):
        plan = plan_of({mode: 60})
        inside = [i.threshold_s < START_S + DAYS * DAY_S for i in plan.injections]

        assert np.mean(inside) > 0.6, mode


def test_thresholds_of_a_demo_lie_ahead_of_its_end() -> None:
    plan = plan_of(None, days=14, decoys=None, timing="ahead")

    assert all(i.threshold_s > START_S + 14 * DAY_S for i in plan.injections if i.is_fault)


def test_same_vehicle_has_the_same_fault_in_a_part_of_the_plan() -> None:
    plan = plan_of("all", decoys=None)
    part = plan.part(20, 40)
    moved = [dataclasses.replace(i, vehicle=i.vehicle + 20) for i in part.injections]

    assert moved == [i for i in plan.injections if 20 <= i.vehicle < 40]


@pytest.mark.parametrize(
    "orders", [{"cooling_loss": -1}, {"cooling_loss": 61}, {"cooling_loss": 2.5}, "some"]
)
def test_orders_that_cannot_be_are_refused(orders: object) -> None:
    with pytest.raises(FleetError):
        plan_of(orders)


def test_orders_are_read_from_the_command_line() -> None:
    assert parse_orders([]) is None
    assert parse_orders(["all"]) == "all"
    assert parse_orders(["lv_battery=0.05", "cooling_loss:pump_wear=3"]) == {
        "lv_battery": 0.05,
        "cooling_loss:pump_wear": 3,
    }
    with pytest.raises(FleetError, match="rust"):
        parse_orders(["rust"])


def test_leaked_charge_is_the_integral_of_ohms_law_through_every_phase() -> None:
    plan = plan_of({"cell_internal_short:collapsing": 6})
    short = Short.of(plan)
    for one in plan.injections:
        end_s = one.failure_s + 3600.0
        time_s = np.linspace(one.at_s, end_s, 400_001)
        fall = np.minimum(one.p["decades_per_s"] * (time_s - one.at_s), math.log10(one.p["ohm"] / LIMIT_OHM))
        deep = one.p["collapse_decades_per_s"] * np.maximum(time_s - one.p["collapse_s"], 0.0)
        ohm = np.maximum(one.p["ohm"] * 10.0 ** -(fall + deep), 0.3)
        expected = np.trapezoid(one.p["volts"] / ohm, time_s) / 3600.0

        told = short.leaked_ah(np.array([one.vehicle]), np.array([end_s]))[0]
        assert told == pytest.approx(expected, rel=2e-3)


def test_healed_short_leaks_no_more_and_a_sound_cell_never() -> None:
    plan = plan_of({"cell_internal_short:healing": 4})
    short = Short.of(plan)
    for one in plan.injections:
        who, heals_s = np.array([one.vehicle]), one.p["heals_s"]
        before, at, after = (
            short.leaked_ah(who, np.array([heals_s + d]))[0] for d in (-DAY_S, 0.0, 30 * DAY_S)
        )

        assert before < at == after
        assert one.threshold_s == np.inf
    sound = np.flatnonzero(short.cell < 0)
    assert not short.leaked_ah(sound, np.full(sound.size, START_S + 180 * DAY_S)).any()


@pytest.mark.parametrize("course", ["pump_wear", "coolant_leak", "blocked_plate"])
def test_flow_is_down_by_three_tenths_at_the_threshold_of_cooling(course: str) -> None:
    plan = plan_of({f"cooling_loss:{course}": 5})
    constants = PowertrainConstants.draw(plan, VehicleChance(1, plan.count))
    for one in plan.injections:
        at_threshold = cooling_health(constants, every(plan, one.threshold_s))
        before = cooling_health(constants, every(plan, one.at_s - 1.0))

        assert at_threshold.flow[one.vehicle] == pytest.approx(0.7, abs=0.01)
        assert before.flow[one.vehicle] == 1.0


def test_dry_pump_draws_less_and_a_blocked_one_more() -> None:
    for course, factor in (("coolant_leak", 0.6), ("blocked_plate", 1.24)):
        plan = plan_of({f"cooling_loss:{course}": 1})
        one = plan.injections[0]
        health = cooling_health(
            PowertrainConstants.draw(plan, VehicleChance(1, plan.count)), every(plan, one.threshold_s)
        )

        assert health.pump_current[one.vehicle] == pytest.approx(factor, abs=0.02)


def test_solder_and_jacket_are_a_fifth_worse_at_their_thresholds() -> None:
    plan = plan_of({"inverter_thermal": 1, "motor_thermal:jacket": 1})
    constants = PowertrainConstants.draw(plan, VehicleChance(1, plan.count))
    solder, jacket = first(plan, "inverter_thermal"), first(plan, "motor_thermal")

    aged = cooling_health(constants, every(plan, solder.threshold_s))
    assert aged.solder[solder.vehicle] == pytest.approx(1.2)
    aged = cooling_health(constants, every(plan, jacket.threshold_s))
    assert aged.jacket[jacket.vehicle] == pytest.approx(0.8)


def test_failing_bearing_rubs_half_a_newton_metre_at_its_threshold() -> None:
    plan = plan_of({"motor_thermal:bearing": 1})
    one = plan.injections[0]
    constants = PowertrainConstants.draw(plan, VehicleChance(1, plan.count))
    rub = constants.rub_nm(every(plan, one.threshold_s))
    omega = every(plan, 600.0)
    more_w = motor_loss(constants, 0 * omega, omega, rub) - motor_loss(constants, 0 * omega, omega, 0 * rub)

    assert rub[one.vehicle] == pytest.approx(0.5, rel=0.01)
    assert more_w[one.vehicle] == pytest.approx(300.0, rel=0.01)


def test_insulation_crosses_the_limit_of_the_standard_when_the_truth_says() -> None:
    plan = plan_of({"insulation_loss": 10})
    state = Insulation.draw(plan, VehicleChance(1, plan.count))
    models = list(load_all_models().values())
    for one in plan.injections:
        dry = state.advance(
            time_s=every(plan, one.threshold_s),
            dt_s=every(plan, 0.0),
            rain=every(plan, 0.0),
            is_driving=every(plan, 0),
        )
        limit_kohm = 0.5 * models[one.vehicle % len(models)].nominal_v

        assert dry[one.vehicle] == pytest.approx(limit_kohm, rel=0.01)


def test_rain_takes_four_fifths_of_a_failing_insulation_and_it_dries_again() -> None:
    plan = plan_of({"insulation_loss": 1})
    one = plan.injections[0]
    state = Insulation.draw(plan, VehicleChance(1, plan.count))
    late = every(plan, one.threshold_s)

    def after(hours: float, rain: float) -> float:
        return float(
            state.advance(
                time_s=late,
                dt_s=every(plan, 3600 * hours),
                rain=every(plan, rain),
                is_driving=every(plan, 1.0),
            )[one.vehicle]
        )

    dry, wet, again = after(0.0, 0.0), after(3.0, 60.0), after(24.0, 0.0)
    assert wet / dry == pytest.approx(0.2, abs=0.02)
    assert again / dry == pytest.approx(1.0, abs=0.02)


def lv_after(plan: Plan, days: float, *, begin_s: float, degc: float = 25.0) -> tuple[LvState, LvConstants]:
    """Return 12 V systems after a rest of so many days, nights counted, then woken."""
    chance = VehicleChance(1, plan.count)
    constants = LvConstants.draw(plan, chance)
    air = every(plan, degc)
    state = LvState.begin(constants, air, chance)
    no = np.zeros(plan.count, np.bool_)
    for day in range(round(days)):
        for wakes in (no, ~no) if day == round(days) - 1 else (no,):
            advance_low_voltage(
                state,
                constants,
                time_s=every(plan, begin_s + (day + 1) * DAY_S),
                dt_s=every(plan, 0.0 if wakes.any() else DAY_S),
                is_awake=no,
                wakes=wakes,
                ambient_degc=air,
                coolant_degc=air,
                rain=every(plan, 0.0),
                is_dark=no,
            )
        close_night(state, every(plan, begin_s + (day + 1) * DAY_S))
    return state, constants


def test_aged_battery_falls_to_its_limit_at_the_wake_when_the_truth_says() -> None:
    plan = plan_of({"lv_battery:ageing": 5})
    for one in plan.injections:
        state, _ = lv_after(plan, 1, begin_s=one.threshold_s - DAY_S)
        sound = np.setdiff1d(np.arange(plan.count), [i.vehicle for i in plan.injections])

        assert state.voltage_v[one.vehicle] == pytest.approx(9.6, abs=0.35)
        assert state.voltage_v[sound].min() > 11.5


def test_parasitic_drain_empties_the_battery_by_its_current() -> None:
    plan = plan_of({"lv_battery:drain": 4})
    one = plan.injections[0]
    state, constants = lv_after(plan, 5, begin_s=one.at_s + DAY_S)
    fresh, _ = lv_after(plan, 1, begin_s=one.at_s - 10 * DAY_S)
    lost_ah = (fresh.soc - state.soc)[one.vehicle] * constants.capacity_ah[one.vehicle]

    assert lost_ah == pytest.approx(5 * 24 * (one.p["amperes"] + 0.035) - 24 * 0.035, rel=0.02)


def test_three_low_nights_in_a_row_are_told() -> None:
    plan = plan_of({"lv_battery:drain": 1})
    one = plan.injections[0]
    state, _ = lv_after(plan, 30, begin_s=one.at_s + DAY_S)
    healthy = np.delete(np.arange(plan.count), one.vehicle)

    assert np.isfinite(state.low_at_s[one.vehicle])
    assert not np.isfinite(state.low_at_s[healthy]).any()


def test_what_has_happened_goes_before_what_was_planned_and_unseen_hazards_are_left_out() -> None:
    plan = plan_of({"tire_puncture": 2, "tire_slow_leak:valve_cold": 1})
    vins = [build_vin(row) for row in range(plan.count)]
    place = {i.kind: n for n, i in enumerate(plan.injections)}
    seen = {place["tire_slow_leak"]: Witness(threshold_s=START_S + 9 * DAY_S)}
    seen[place["tire_puncture"]] = Witness(onset_s=START_S + 5.0, threshold_s=START_S + 95.0)
    rows = truth_rows(plan, vins, end_s=START_S + DAYS * DAY_S, first=100, seen=seen)

    assert len(rows) == 2
    puncture, leak = (next(r for r in rows if r.kind == k) for k in ("tire_puncture", "tire_slow_leak"))
    assert puncture.onset.timestamp() == START_S + 5.0
    assert puncture.threshold_at is not None
    assert leak.threshold_at is not None
    assert leak.threshold_at.timestamp() == START_S + 9 * DAY_S
    assert leak.vehicle >= 100

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from data.records import FloatArray
from models.features.brake_names import BRAKE_FEATURES
from models.features.change import Course, find_change
from models.features.cooling_names import COOLING_FEATURES
from models.features.lv_names import LV_FEATURES
from models.features.sensed import SENSORS
from models.features.sensor_names import SENSOR_FEATURES
from models.features.sets import Feature, width
from models.features.thermal_names import THERMAL_FEATURES
from models.predictors.base import DayPanel, Predictor
from models.predictors.brake_drag import BrakeDragPredictor, warm_run
from models.predictors.cooling_loss import CoolingLossPredictor
from models.predictors.dcdc_fault import DcdcFaultPredictor
from models.predictors.inverter_thermal import InverterThermalPredictor
from models.predictors.lv_battery import LvBatteryPredictor
from models.predictors.motor_thermal import MotorThermalPredictor
from models.predictors.sensor_fault import DriveSensorFaultPredictor
from tests.unit.models import factories as make

N, DAYS, ONSET = 24, 100, 50
LAST = np.array([DAYS - 1])
GONE = np.maximum(np.arange(DAYS) - ONSET, 0) / 7.0  # weeks
LATE = np.arange(DAYS) >= DAYS - 12


def panel_of(features: Sequence[Feature], main: str, values: dict[str, FloatArray]) -> DayPanel:
    spec = make.make_spec()
    extra = {f.name: np.full((N, DAYS, width(f, spec)), np.nan) for f in features}
    for name, found in values.items():
        extra[name] = np.asarray(found, dtype=np.float64).reshape(extra[name].shape)
    return make.make_panel(extra[main], extra, spec)


def noise(rng: np.random.Generator, size: float) -> FloatArray:
    return rng.normal(0.0, size, (N, DAYS))


def drive(
    seed: int,
    *,
    friction: FloatArray | float = 0.0,
    solder: FloatArray | float = 1.0,
    flow: FloatArray | float = 1.0,
    jacket: FloatArray | float = 1.0,
) -> dict[str, FloatArray]:
    rng = np.random.default_rng(seed)
    krpm = 4.0 + noise(rng, 0.8)
    torque = np.abs(50.0 + noise(rng, 12.0))
    warming = noise(rng, 6.0)
    motor = (0.0022 * torque**2 + 0.3 * krpm**2 + (2.0 + friction) * krpm) / (jacket * flow**0.6)
    motor = motor - 0.2 * warming
    inverter = (3.0 + 0.08 * torque + 0.4 * krpm) * solder / flow**0.3
    return {
        "motor_rise_k": motor + noise(rng, 0.5),
        "inverter_rise_k": inverter + noise(rng, 0.12),
        "coolant_rise_k": 0.02 * torque * krpm / flow**0.7 + noise(rng, 0.3),
        "motor_warming_k_per_h": warming,
        "inverter_warming_k_per_h": noise(rng, 4.0),
        "torque_square_n2m2": torque**2 * 1.2,
        "torque_nm": torque,
        "speed_square_krpm2": krpm**2,
        "speed_krpm": krpm,
        "motor_soak_k": np.round(noise(rng, 0.5)),
        "inverter_soak_k": np.round(noise(rng, 0.5)),
        "drive_h": np.ones((N, DAYS)),
    }


def thermal(values: dict[str, FloatArray], main: str) -> DayPanel:
    return panel_of(THERMAL_FEATURES, main, values)


def share_raised(predictor: Predictor, panel: DayPanel, component: int = 0) -> float:
    return float((predictor.predict(panel, LAST).probability[:, 0, component] > 0.7).mean())


def ever_raised(predictor: Predictor, panel: DayPanel) -> float:
    days = np.arange(20, DAYS, 3)
    return float((np.nan_to_num(predictor.predict(panel, days).probability) > 0.7).any((1, 2)).mean())


MOTOR, INVERTER = MotorThermalPredictor(), InverterThermalPredictor()


def test_growing_friction_is_the_motors_and_not_the_inverters() -> None:
    values = drive(1020, friction=0.25 * GONE)

    assert share_raised(MOTOR, thermal(values, "motor_rise_k")) >= 0.9
    assert ever_raised(INVERTER, thermal(values, "inverter_rise_k")) == 0.0


def test_growing_resistance_is_the_inverters_and_its_size_is_told() -> None:
    panel = thermal(drive(1021, solder=1.0 + 0.025 * GONE), "inverter_rise_k")
    risk = INVERTER.predict(panel, LAST)

    assert share_raised(INVERTER, panel) >= 0.9
    assert float(np.median(risk.detail["own"])) == pytest.approx(0.025 * GONE[-1], rel=0.25)
    assert ever_raised(MOTOR, thermal(drive(1021, solder=1.0 + 0.025 * GONE), "motor_rise_k")) == 0.0


def test_less_flow_warms_both_and_is_neither() -> None:
    values = drive(1022, flow=1.0 / (1.0 + 0.06 * GONE))

    assert ever_raised(MOTOR, thermal(values, "motor_rise_k")) <= 0.05
    assert ever_raised(INVERTER, thermal(values, "inverter_rise_k")) <= 0.05


def test_jacket_that_clogs_while_spring_makes_the_pump_faster_is_found() -> None:
    """A pump that follows the coolant's temperature takes away what the jacket keeps."""
    coolant = np.clip(8.0 + 0.35 * np.arange(DAYS), 0.0, 40.0) * np.ones((N, 1))
    coolant = coolant + noise(np.random.default_rng(1026), 3.0)
    pump = np.clip((coolant - 18.0) / 30.0, 0.0, 1.0)
    values = drive(1025, jacket=(0.8 + 0.2 * pump) / (1.0 + 0.035 * GONE))

    assert share_raised(MOTOR, thermal(values, "motor_rise_k")) <= 0.5
    assert share_raised(MOTOR, thermal(values | {"coolant_degc": coolant}, "motor_rise_k")) >= 0.8


@pytest.mark.parametrize("part", ["motor", "inverter"])
def test_thermometer_that_is_off_at_rest_too_is_no_fault_of_the_part(part: str) -> None:
    values = drive(1023)
    for name in (f"{part}_rise_k", f"{part}_soak_k"):
        values[name] = values[name] + 9.0 * LATE

    assert ever_raised(MOTOR, thermal(values, "motor_rise_k")) == 0.0
    assert ever_raised(INVERTER, thermal(values, "inverter_rise_k")) == 0.0


def test_healthy_drives_stay_quiet() -> None:
    values = drive(1024)

    assert ever_raised(MOTOR, thermal(values, "motor_rise_k")) == 0.0
    assert ever_raised(INVERTER, thermal(values, "inverter_rise_k")) == 0.0


def loop(
    seed: int,
    *,
    pump: FloatArray | float = 1.0,
    idle: FloatArray | float = 0.0,
    faster: FloatArray | float = 1.0,
    share: float = 1.0,
    power: float = 2.3,
) -> DayPanel:
    """Return loops whose pump draws a constant and a power of its speed, ``share`` of it at 2000 rpm."""
    rng = np.random.default_rng(seed)
    rpm = np.exp(np.log(2000.0) + 0.004 * 8.0 * np.sin(np.arange(DAYS) / 12.0) + noise(rng, 0.04)) * faster
    outside = 15.0 + 8.0 * np.sin(np.arange(DAYS) / 12.0) + noise(rng, 2.0)
    values = {
        "pump_speed_rpm": rpm,
        "pump_current_a": 1.4
        * (1.0 - share + share * (rpm / 2000.0) ** power)
        * pump
        * np.exp(noise(rng, 0.01)),
        "pump_idle_share": np.clip(0.0 + idle, 0.0, 1.0) * np.ones((N, DAYS)),
        "outside_degc": outside,
        "load_h": np.ones((N, DAYS)),
    }
    return panel_of(COOLING_FEATURES, "load_h", values)


COOLING = CoolingLossPredictor()


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_pump_that_takes_more_or_less_and_ever_more_so_is_found(sign: float) -> None:
    panel = loop(1030, pump=1.0 + sign * 0.03 * GONE)

    assert share_raised(COOLING, panel) >= 0.9
    assert COOLING.component_name(panel.spec, 0) == "cooling"


def test_new_scale_of_the_pumps_current_is_no_blockage() -> None:
    assert ever_raised(COOLING, loop(1031, pump=1.0 + 0.25 * LATE)) == 0.0


@pytest.mark.parametrize("power", [2.0, 3.0])
@pytest.mark.parametrize("share", [0.4, 0.6, 0.9])
def test_pump_that_a_heat_wave_drives_beyond_its_past_takes_no_more_than_it_should(
    power: float, share: float
) -> None:
    """The constant part of the current bends its law upwards: a slope of low speeds says too little."""
    warmer = np.clip((np.arange(DAYS) - DAYS + 21) / 14.0, 0.0, 1.0)
    panel = loop(1033, faster=1.0 + 0.9 * warmer, share=share, power=power)

    assert ever_raised(COOLING, panel) == 0.0


def test_pump_that_stands_still_is_urgent() -> None:
    panel = loop(1032, idle=1.0 * LATE)
    risk = COOLING.predict(panel, LAST)

    assert share_raised(COOLING, panel) == 1.0
    assert (risk.severity == 2).all()


def test_healthy_loops_stay_quiet() -> None:
    assert ever_raised(COOLING, loop(1033)) == 0.0


def silent_loop(
    seed: int, *, flow: FloatArray | float = 1.0, jacket: FloatArray | float = 1.0, pump_a: float = np.nan
) -> DayPanel:
    """Return loops of motor, pack and radiator whose pump tells nothing unless ``pump_a`` is given."""
    rng = np.random.default_rng(seed)
    values = drive(seed, flow=flow, jacket=jacket)
    square, power = 1500.0 + np.abs(noise(rng, 600.0)), 8.0 + noise(rng, 1.0)
    values |= {
        "pack_rise_k": 0.002 * square / flow**0.6 + noise(rng, 0.3),
        "coolant_rise_k": 0.5 * power / flow**0.6 + noise(rng, 0.35),
        "current_square_a2": square,
        "power_kw": power,
        "speed_km_per_h": 40.0 + noise(rng, 8.0),
        "outside_degc": 15.0 + noise(rng, 4.0),
        "pump_current_a": np.full((N, DAYS), pump_a),
        "pump_speed_rpm": np.full((N, DAYS), 2000.0 if np.isfinite(pump_a) else np.nan),
        "load_h": np.ones((N, DAYS)),
    }
    return panel_of(COOLING_FEATURES, "load_h", {k: v for k, v in values.items() if k[:8] != "inverter"})


def test_flow_that_all_parts_of_a_loop_miss_is_found_without_pump_signals() -> None:
    panel = silent_loop(1034, flow=1.0 / (1.0 + 0.06 * GONE))
    risk = COOLING.predict(panel, LAST)
    told = COOLING.explain(panel, risk, 0, 0, 0).reasons[0]

    assert share_raised(COOLING, panel) >= 0.9
    assert "no pump signals" in told.text_en
    assert told.healthy_high is not None
    assert told.value is not None
    assert told.value > told.healthy_high


def test_jacket_that_clogs_alone_is_the_motors_even_without_pump_signals() -> None:
    assert share_raised(COOLING, silent_loop(1035, jacket=1.0 / (1.0 + 0.04 * GONE))) <= 0.1


def test_motor_says_nothing_of_a_loop_whose_pump_tells_of_itself() -> None:
    panel = silent_loop(1036, jacket=1.0 / (1.0 + 0.04 * GONE), pump_a=1.4)

    assert ever_raised(COOLING, panel) == 0.0


def test_healthy_loops_without_pump_signals_stay_quiet() -> None:
    assert ever_raised(COOLING, silent_loop(1037)) == 0.0


def low_voltage(
    seed: int,
    *,
    ohm: FloatArray | float = 1.0,
    rest: FloatArray | float = 0.0,
    on: FloatArray | float = 0.0,
    drain: FloatArray | float = 0.0,
) -> dict[str, FloatArray]:
    rng = np.random.default_rng(seed)
    degc = 5.0 - 15.0 * np.sin(np.arange(DAYS) / 30.0) + noise(rng, 3.0)
    resistance = 6.0 * np.exp(0.012 * (25.0 - degc)) * ohm * np.exp(noise(rng, 0.03))
    resting = 12.7 + rest + noise(rng, 0.02)
    return {
        "rest_voltage_v": resting,
        "rest_temperature_degc": degc,
        "rest_current_a": -0.03 - drain + noise(rng, 0.005),
        "wake_resistance_mohm": resistance,
        "wake_min_v": resting - 0.06 * resistance,
        "on_voltage_v": 14.3 - 0.01 * degc + on + noise(rng, 0.02),
        "on_low_v": 14.2 - 0.01 * degc + on + noise(rng, 0.03),
        "on_drain_share": np.zeros((N, DAYS)),
        "on_temperature_degc": degc,
        "on_h": np.ones((N, DAYS)),
    }


BATTERY, CONVERTER = LvBatteryPredictor(), DcdcFaultPredictor()


@pytest.mark.parametrize(
    "fault",
    [{"ohm": 1.0 + 0.06 * GONE}, {"rest": -0.06 * GONE}, {"drain": 0.15 * LATE}],
    ids=lambda f: next(iter(f)),
)
def test_worn_empty_and_drained_batteries_are_found(fault: dict[str, FloatArray]) -> None:
    values = low_voltage(1040, **fault)

    assert share_raised(BATTERY, panel_of(LV_FEATURES, "rest_voltage_v", values)) >= 0.9
    assert ever_raised(CONVERTER, panel_of(LV_FEATURES, "on_voltage_v", values)) == 0.0


def test_cold_and_healthy_batteries_stay_quiet() -> None:
    values = low_voltage(1041)

    assert ever_raised(BATTERY, panel_of(LV_FEATURES, "rest_voltage_v", values)) == 0.0
    assert ever_raised(CONVERTER, panel_of(LV_FEATURES, "on_voltage_v", values)) == 0.0


def test_converter_that_sags_is_found_and_its_battery_is_not_blamed() -> None:
    values = low_voltage(1042, on=-0.1 * GONE, rest=-0.02 * GONE)

    assert share_raised(CONVERTER, panel_of(LV_FEATURES, "on_voltage_v", values)) >= 0.9
    assert ever_raised(BATTERY, panel_of(LV_FEATURES, "rest_voltage_v", values)) <= 0.05


def test_voltmeter_that_is_off_blames_neither_battery_nor_converter() -> None:
    values = low_voltage(1043, on=-0.5 * LATE, rest=-0.5 * LATE)

    assert ever_raised(BATTERY, panel_of(LV_FEATURES, "rest_voltage_v", values)) == 0.0
    assert ever_raised(CONVERTER, panel_of(LV_FEATURES, "on_voltage_v", values)) == 0.0


def wheels(seed: int, heat: FloatArray) -> DayPanel:
    rng = np.random.default_rng(seed)
    degc = rng.normal(0, 1.0, (N, 1, 4)) + rng.normal(0, 0.7, (N, DAYS, 4))
    degc[:, :, 1] += heat
    others = np.stack([np.delete(degc, w, axis=2).max(2) for w in range(4)], axis=2)
    values = {"wheel_excess_k": degc - others, "wheel_pressure_percent": rng.normal(0, 0.3, degc.shape)}
    return panel_of(BRAKE_FEATURES, "wheel_excess_k", values)


BRAKES = BrakeDragPredictor()


def test_dragging_brake_is_found_on_its_wheel() -> None:
    panel = wheels(1050, 10.0 * (np.arange(DAYS) >= DAYS - 10))
    risk = BRAKES.predict(panel, LAST)

    assert share_raised(BRAKES, panel, 1) >= 0.9
    assert (risk.probability[:, 0, [0, 2, 3]] < 0.5).all()
    assert BRAKES.component_name(panel.spec, 1) == "brake front-right"


def test_hot_stop_of_four_days_is_no_drag() -> None:
    days = np.arange(DAYS)

    assert ever_raised(BRAKES, wheels(1051, 15.0 * ((days >= 60) & (days < 64)))) <= 0.1


def test_drag_that_grows_is_found_on_its_fourth_warm_day() -> None:
    days = np.arange(DAYS)
    panel = wheels(1053, 4.0 * np.clip(days - (DAYS - 5), 0, 4))

    assert share_raised(BRAKES, panel, 1) >= 0.7
    assert share_raised(BRAKES, wheels(1053, 10.0 * (days >= DAYS - 4)), 1) <= 0.2


def test_days_without_a_drive_break_no_run() -> None:
    values = np.full((1, 12), np.nan)
    values[0, [0, 2, 5, 8, 11]] = 1.0, 0.0, 2.0, 3.0, 8.0
    run_days, grows = warm_run(values, np.zeros((1, 3)), np.array([2, 10, 11]))

    assert run_days.tolist() == [[0.0, 3.0, 6.0]]
    assert grows.tolist() == [[0.0, 1.5, 4.0]]


def test_wheels_beside_a_hot_one_are_not_blamed_when_it_has_cooled() -> None:
    days = np.arange(DAYS)
    panel = wheels(1054, 18.0 * ((days >= DAYS - 16) & (days < DAYS - 12)))

    assert ever_raised(BRAKES, panel) <= 0.05


def sensors(seed: int, **changes: tuple[str, FloatArray]) -> DayPanel:
    rng = np.random.default_rng(seed)
    k = len(SENSORS)
    values = {
        "sensor_rows": np.full((N, DAYS, k), 120.0),
        "sensor_range": np.array([6.0, 20, 40, 30, 25, 0.5, 200, 80, 6000]) + rng.random((N, DAYS, k)),
        "sensor_offset": rng.normal(0, 0.3, (N, DAYS, k)),
        "sensor_ratio": 1.0 + rng.normal(0, 0.003, (N, DAYS, k)),
    }
    values["sensor_offset"][..., SENSORS.index("lv.voltage")] = 12.7 + rng.normal(0, 0.02, (N, DAYS))
    values["sensor_ratio"][..., SENSORS.index("lv.voltage")] = 14.2 + rng.normal(0, 0.02, (N, DAYS))
    for feature, (alias, change) in changes.items():
        place = SENSORS.index(alias)
        if feature == "sensor_range":
            values[feature][..., place] = np.where(change > 0, 0.0, values[feature][..., place])
        else:
            values[feature][..., place] += change
    return panel_of(SENSOR_FEATURES, "sensor_rows", values)


DRIVE_SENSORS = DriveSensorFaultPredictor()


@pytest.mark.parametrize(
    ("feature", "alias", "change"),
    [
        ("sensor_range", "coolant", 1.0 * LATE),
        ("sensor_offset", "motor.temperature", 10.0 * LATE),
        ("sensor_offset", "pack.current", -5.0 * LATE),
        ("sensor_ratio", "motor.speed", 0.1 * LATE),
    ],
)
def test_broken_sensor_is_found_and_no_other(feature: str, alias: str, change: FloatArray) -> None:
    panel = sensors(1060, **{feature: (alias, change)})
    place = SENSORS.index(alias)
    risk = DRIVE_SENSORS.predict(panel, LAST)

    assert share_raised(DRIVE_SENSORS, panel, place) >= 0.9
    assert (np.delete(risk.probability[:, 0], place, axis=1) < 0.5).all()
    assert DRIVE_SENSORS.component_name(panel.spec, place) == f"sensor {alias}"


def test_battery_that_sinks_alone_is_no_broken_voltmeter() -> None:
    panel = sensors(1061, sensor_offset=("lv.voltage", -0.6 * LATE))

    assert ever_raised(DRIVE_SENSORS, panel) == 0.0


def test_change_is_measured_with_its_size_age_and_error() -> None:
    rng = np.random.default_rng(1070)
    cause = noise(rng, 1.0)
    values = 5.0 + 2.0 * cause + 3.0 * np.clip((np.arange(DAYS) - 55) / 44.0, 0, 1) + noise(rng, 0.5)

    found = find_change(values, [cause], LAST, Course(window=DAYS), noise=0.1)

    assert float(np.median(found.level)) == pytest.approx(3.0, abs=0.3)
    assert float(np.median(found.age)) == pytest.approx(45.0, abs=16.0)
    assert float(np.median(found.usual)) == pytest.approx(5.0, abs=0.3)
    assert (found.strength > 6.0).all()


def test_growth_is_preferred_to_a_step_that_says_hardly_more() -> None:
    values = np.where(np.arange(DAYS) >= DAYS - 13, 2.0, 0.0) + noise(np.random.default_rng(1062), 1.0)
    plain = find_change(values, [], LAST, Course(window=DAYS), noise=0.5)
    likely = find_change(values, [], LAST, Course(window=DAYS, growth_odds=1e3), noise=0.5)

    assert (likely.rate > 0).sum() > (plain.rate > 0).sum()
    assert (likely.strength <= plain.strength).all()


def test_change_of_a_given_age_is_measured_whatever_its_strength() -> None:
    values = 0.1 * np.maximum(np.arange(DAYS) - (DAYS - 31), 0.0) + noise(np.random.default_rng(1063), 0.5)
    course, shape = Course(window=DAYS), (N, 1)
    given = np.full(shape, 30.0), np.ones(shape, dtype=np.bool_)
    found = find_change(values, [], LAST, course, noise=0.5, sign=0, at=given)
    none = find_change(values, [], LAST, course, noise=0.5, at=(np.full(shape, np.nan), given[1]))

    assert (found.age == 30.0).all()
    assert float(np.median(found.level)) == pytest.approx(3.0, rel=0.15)
    assert np.isnan(none.level).all()


def test_strength_of_nothing_rarely_passes_four() -> None:
    rng = np.random.default_rng(1071)
    days = np.arange(40, DAYS, 10)

    found = find_change(noise(rng, 1.0), [noise(rng, 1.0)], days, Course(window=DAYS), noise=0.1)

    assert (found.strength > 4.0).mean() <= 0.02


def test_single_odd_day_does_not_count_as_support() -> None:
    rng = np.random.default_rng(1072)
    values = noise(rng, 0.3)
    values[:, -1] += 30.0

    found = find_change(values, [], LAST, Course(window=DAYS), noise=0.1)

    assert (found.support < 2.0).all()


@pytest.mark.parametrize(
    "predictor",
    [MOTOR, INVERTER, COOLING, BATTERY, CONVERTER, BRAKES, DRIVE_SENSORS],
    ids=lambda p: type(p).__name__,
)
def test_predictor_says_what_it_cannot_see(predictor: Predictor) -> None:
    assert getattr(predictor, "blind_spots", ())

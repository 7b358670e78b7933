from __future__ import annotations

import numpy as np
import pytest

from data.records import Family
from models.features.brakes import BrakeDays
from models.features.cooling import CoolingDays
from models.features.days import day_bounds_us
from models.features.lv import LvDays
from models.features.sensed import SENSORS
from models.features.sensors import SensorDays
from models.features.sets import FeatureSet, width
from models.features.thermal import ThermalDays
from tests.unit.models.factories import HOUR_US, START_US, make_rows, make_spec
from tests.unit.models.powertrain import Car, cut, simulate

SETS: tuple[FeatureSet, ...] = (ThermalDays(), CoolingDays(), LvDays(), BrakeDays(), SensorDays())
SPEC = make_spec(time_zone="Asia/Shanghai")


@pytest.mark.parametrize("one", SETS, ids=lambda s: s.name)
def test_set_yields_what_it_names_in_the_shapes_of_the_vehicle(one: FeatureSet) -> None:
    found = one.compute(simulate(Car(n_days=3)), SPEC)

    assert {f.name for f in one.features} == set(found.value)
    for feature in one.features:
        n = width(feature, SPEC)
        expected = (len(found.day),) if n == 1 else (len(found.day), n)
        assert expected == found.value[feature.name].shape, feature.name
    assert (np.diff(found.day) > 0).all()
    assert (found.last_us >= found.first_us).all()


@pytest.mark.parametrize("one", SETS, ids=lambda s: s.name)
def test_a_day_has_the_same_bits_whatever_other_days_are_worked_out_with_it(one: FeatureSet) -> None:
    rows = simulate(Car(n_days=5, seed=1001))
    whole = one.compute(rows, SPEC)
    for place, day in enumerate(whole.day.tolist()):
        begin, end = day_bounds_us(day, SPEC.time_zone)
        alone = one.compute(cut(rows, begin - one.context_us, end), SPEC)
        at = alone.day.tolist().index(day)
        for name, values in whole.value.items():
            assert values[place].tobytes() == alone.value[name][at].tobytes(), (name, day)


@pytest.mark.parametrize("one", SETS, ids=lambda s: s.name)
def test_vehicle_that_sends_nothing_of_it_has_no_features(one: FeatureSet) -> None:
    time_us = START_US + np.arange(10) * HOUR_US
    drive = make_rows(Family.DRIVE, time_us, {"soc": np.full(10, 50.0)})

    for rows in ({}, {Family.DRIVE: drive}):
        found = one.compute(rows, SPEC)
        assert all(np.isnan(values).all() for values in found.value.values())


def test_rise_is_linear_in_the_means_of_its_heat() -> None:
    found = ThermalDays().compute(simulate(Car(n_days=30, resolution_k=0.01)), make_spec()).value

    terms = ("torque_square_n2m2", "speed_square_krpm2", "speed_krpm", "motor_warming_k_per_h")
    matrix = np.column_stack([found[name] for name in terms])
    solved, *_ = np.linalg.lstsq(matrix, found["motor_rise_k"], rcond=None)
    left = found["motor_rise_k"] - matrix @ solved

    # the test's own constants: 0.05 W/N²m² and 90 W/krpm over 35 W/K, 700 s
    np.testing.assert_allclose(solved[[0, 2, 3]], [0.05 / 35, 90 / 35, -700 / 3600], rtol=0.1)
    assert np.std(left) < 0.3


def test_resistance_is_the_dip_over_the_step_of_current() -> None:
    found = LvDays().compute(simulate(Car(n_days=3, lv_ohm=0.009, lv_rest_v=12.5)), make_spec()).value

    assert found["wake_resistance_mohm"] == pytest.approx(np.full(3, 9.0), abs=0.5)
    assert found["wake_min_v"] == pytest.approx(np.full(3, 12.5 - 45 * 0.009), abs=0.05)
    assert found["rest_voltage_v"] == pytest.approx(np.full(3, 12.5), abs=0.02)


def test_voltage_of_a_24_v_system_is_told_by_the_block() -> None:
    rows = simulate(Car(n_days=2))
    columns = dict(rows[Family.DRIVE].columns)
    columns["lv.voltage"] = 2.0 * columns["lv.voltage"]
    doubled = {Family.DRIVE: make_rows(Family.DRIVE, rows[Family.DRIVE].time_us, columns)}

    assert LvDays().compute(doubled, make_spec()).value["rest_voltage_v"] == pytest.approx(12.7, abs=0.02)


def test_dragging_brake_stands_out_and_the_sun_on_one_side_does_not() -> None:
    healthy, dragging, sunny = (
        BrakeDays().compute(simulate(car), make_spec()).value["wheel_excess_k"]
        for car in (Car(n_days=2), Car(n_days=2, brake_k=10.0), Car(n_days=2, sun_k=8.0))
    )

    assert (dragging - healthy)[:, 0].min() > 5.0
    assert (sunny - healthy).max() < 3.0


def test_sensor_that_is_off_shows_against_its_siblings_after_a_night() -> None:
    found = SensorDays().compute(simulate(Car(n_days=2, add={"coolant": -7.0})), make_spec()).value
    offset = dict(zip(SENSORS, found["sensor_offset"][1].tolist(), strict=True))

    assert offset["coolant"] == pytest.approx(-7.0, abs=1.0)
    assert offset["ambient"] == pytest.approx(0.0, abs=1.0)


def test_frozen_sensor_is_missing_from_the_balance() -> None:
    rows = simulate(Car(n_days=2))
    columns = dict(rows[Family.DRIVE].columns)
    columns["motor.temperature"] = np.full_like(columns["motor.temperature"], 41.0)
    frozen = {Family.DRIVE: make_rows(Family.DRIVE, rows[Family.DRIVE].time_us, columns)}

    found = ThermalDays().compute(frozen, make_spec()).value

    assert np.isnan(found["motor_rise_k"]).all()
    assert np.isfinite(found["inverter_rise_k"]).all()
    at = SENSORS.index("motor.temperature")
    assert SensorDays().compute(frozen, make_spec()).value["sensor_range"][:, at].tolist() == [0.0, 0.0]


def test_single_odd_reading_leaves_the_means_alone_and_is_counted() -> None:
    rows = simulate(Car(n_days=1))
    columns = {name: np.array(values) for name, values in rows[Family.DRIVE].columns.items()}
    where = np.flatnonzero(columns["speed"] > 0)[20]
    columns["motor.temperature"][where] = 200.0
    spiked = {Family.DRIVE: make_rows(Family.DRIVE, rows[Family.DRIVE].time_us, columns)}

    clean = ThermalDays().compute(rows, make_spec()).value["motor_rise_k"]
    found = ThermalDays().compute(spiked, make_spec()).value["motor_rise_k"]

    assert found == pytest.approx(clean, abs=0.5)
    spikes = SensorDays().compute(spiked, make_spec()).value["sensor_spikes_per_h"]
    assert spikes[0, SENSORS.index("motor.temperature")] > 0

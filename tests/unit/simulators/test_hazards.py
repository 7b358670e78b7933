from __future__ import annotations

import numpy as np
import pytest

from data.vehicle_specs import find_spec
from simulators.errors import FleetError
from simulators.hazards import (
    battery_days,
    battery_stream,
    high_voltage_days,
    high_voltage_stream,
    tire_stream,
)
from simulators.hazards.packs import draw_packs, healthy_packs, most_rise_k
from simulators.hazards.stream import largest_errors

SPEC = find_spec("anxin-sedan-96-ncm")


def test_readings_ascend_within_each_vehicle_and_the_seed_decides() -> None:
    first, again, other = (tire_stream("healthy", 20, SPEC, seed=s, minutes=15) for s in (5, 5, 6))
    step = np.diff(first.time_us)

    assert (np.diff(first.row) >= 0).all()
    assert (step[np.diff(first.row) == 0] > 0).all()
    assert np.array_equal(first.columns["tire.pressure"], again.columns["tire.pressure"], equal_nan=True)
    assert len(first.row) != len(other.row)


def test_a_puncture_loses_what_its_rate_says_and_shows_after_it_began() -> None:
    stream = tire_stream("tire_puncture", 60, SPEC, seed=3, minutes=40)
    lost = []
    for vehicle in range(60):
        mine = stream.row == vehicle
        wheel = SPEC.wheels.index(stream.component[vehicle].removeprefix("tire "))
        pressure, time_us = stream.columns["tire.pressure"][mine, wheel], stream.time_us[mine]
        minutes = (time_us - stream.shown_us[vehicle]) / 60e6
        window = (minutes >= 0) & (minutes < 4) & (pressure > 150)
        if stream.magnitude[vehicle] > 8 and window.sum() > 3:
            lost.append(-np.polyfit(minutes[window], pressure[window], 1)[0] / stream.magnitude[vehicle])

    assert np.median(lost) == pytest.approx(0.9, abs=0.2)  # flow falls with the pressure


def test_a_tire_that_bursts_gets_hot_first_and_sends_nothing_afterwards() -> None:
    stream = tire_stream("tire_blowout_risk", 30, SPEC, seed=3)
    ends = np.flatnonzero(stream.limit_us > 0)

    assert len(ends) > 20
    for vehicle in ends.tolist():
        mine = stream.row == vehicle
        wheel = SPEC.wheels.index(stream.component[vehicle].removeprefix("tire "))
        hot = stream.columns["tire.temperature"][mine]
        assert stream.time_us[mine].max() < stream.limit_us[vehicle]
        assert np.nanmax(hot[:, wheel]) > np.nanmax(np.delete(hot, wheel, axis=1)) + 15


def test_healthy_drives_carry_decoys_as_often_as_asked() -> None:
    stream = tire_stream("healthy", 400, SPEC, seed=3, minutes=12, decoy_share=0.25)

    assert sum(bool(d) for d in stream.decoy) / 400 == pytest.approx(0.25, abs=0.06)
    assert (stream.shown_us == -1).all()
    assert not any(stream.component)


def test_a_runaway_takes_the_cell_past_its_collapse_and_its_voltage_with_it() -> None:
    stream = battery_stream("battery_thermal_event", 3, SPEC, seed=3, minutes=14)
    volts = stream.columns["cell.voltage"].reshape(3, 14 * 60, SPEC.cell_count)
    probes = stream.columns["cell.temperature"].reshape(3, 14 * 60, SPEC.probe_count)

    assert (stream.limit_us > 0).all()
    assert (volts[:, 0].min(1) > 3.0).all()
    assert (volts[:, -1].min(1) < 0.5).all()
    assert (np.nanmax(probes, (1, 2)) > probes[:, 0].max(1)).all()


def test_healthy_packs_stay_cool_but_for_their_decoys() -> None:
    stream = battery_stream("healthy", 30, SPEC, seed=4, minutes=6, decoy_share=0.5)
    probes = stream.columns["cell.temperature"].reshape(30, -1, SPEC.probe_count)
    calm = np.array([d == "" for d in stream.decoy])

    assert 5 < calm.sum() < 25
    assert (np.abs(np.diff(probes[calm], axis=1)) <= 1.0).all()


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(FleetError, match="rust"):
        tire_stream("rust", 2, SPEC, seed=1)
    with pytest.raises(FleetError, match="rust"):
        battery_stream("rust", 2, SPEC, seed=1)


def test_largest_errors_are_drawn_as_the_largest_of_so_many() -> None:
    rng = np.random.default_rng(1001)
    drawn = largest_errors(np.full(4000, 0.1), 2000, rng)
    counted = np.abs(rng.normal(0, 0.1, (1000, 2000))).max(1)

    assert drawn.mean() == pytest.approx(counted.mean(), rel=0.01)
    assert np.quantile(drawn, 0.95) == pytest.approx(np.quantile(counted, 0.95), rel=0.02)


def test_no_probe_rises_farther_than_the_bound_of_its_day() -> None:
    n, seconds, rng = 60, 600, np.random.default_rng(1001)
    packs = draw_packs(n, rng, decoy_share=1.0)
    packs = packs.some(np.isin(packs.decoy, ["fast_charge", "probe_noise"]))
    told = healthy_packs(packs, seconds, np.full(len(packs.decoy), 100), spec=SPEC, rng=rng)
    probes = np.rint(told.probes)
    rises = np.max([(probes[:, k:] - probes[:, :-k]).max((1, 2)) for k in range(1, 13)], axis=0)
    count = seconds * SPEC.probe_count
    bounds = np.array(
        [most_rise_k(packs.slope, packs.noise_k, rng, count=count, within_s=12.0) for _ in range(20)]
    )

    assert (rises <= bounds.max(0)).all()
    assert (np.sort(rises) <= np.sort(bounds.mean(0)) + 0.5).all()


def test_days_on_which_nothing_can_rise_are_counted_without_a_reading() -> None:
    days = battery_days(300, SPEC, seed=5, rise_k=2.9, within_s=12.0, around_s=120, decoy_share=0.1)
    every = battery_days(4, SPEC, seed=5, rise_k=0.0, within_s=12.0, around_s=120, minutes=5, decoy_share=0.0)

    assert days.hours == pytest.approx(360.0)
    assert days.unread_hours + 1.2 * days.n_vehicles == pytest.approx(360.0)
    assert 5 < days.n_vehicles < 60
    assert all(days.decoy)
    assert "fast_charge" not in days.decoy
    assert (np.diff(days.time_us)[np.diff(days.row) == 0] > 0).all()
    assert (every.n_vehicles, every.unread_hours) == (4, 0.0)
    assert len(every.row) == 4 * 300


def test_insulation_falls_to_what_was_drawn_and_an_open_loop_has_the_pack_live() -> None:
    low = high_voltage_stream("insulation_loss", 30, SPEC, seed=3)
    loose = high_voltage_stream("onboard_alarm", 30, SPEC, seed=3)
    per_v = 1000 * low.columns["insulation"] / low.columns["pack.voltage"]

    assert np.median(per_v.reshape(30, -1)[:, -60:], 1) == pytest.approx(low.magnitude, rel=0.15)
    assert (low.shown_us > 0).all()
    assert (low.columns["hv.interlock"] == 1).all()
    is_open = loose.columns["hv.interlock"] == 2
    assert set(loose.row[is_open].tolist()) == set(range(30))
    assert (loose.columns["pack.voltage"][is_open] > 200).all()


def test_insulation_of_a_sound_vehicle_is_read_low_only_in_its_decoys() -> None:
    days = high_voltage_days(400, SPEC, seed=3, ohm_per_v=500.0, minutes=10, decoy_share=0.2)
    calm = high_voltage_days(20, SPEC, seed=3, ohm_per_v=1e9, minutes=10, decoy_share=0.0)
    per_v = 1000 * calm.columns["insulation"] / calm.columns["pack.voltage"]

    assert days.unread_hours + days.n_vehicles / 6 == pytest.approx(days.hours)
    assert all(days.decoy)
    assert calm.n_vehicles == 20
    assert per_v.min() > 500
    assert (calm.columns["hv.interlock"] == 1).all()

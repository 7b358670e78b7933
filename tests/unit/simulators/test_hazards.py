from __future__ import annotations

import numpy as np
import pytest

from data.vehicle_specs import find_spec
from simulators.errors import FleetError
from simulators.hazards import battery_stream, tire_stream

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

"""Daily features of cells, their sensors, the pack and the insulation."""

from __future__ import annotations

import numpy as np
import pytest

from data.records import Family, FamilyRows, FloatArray
from models.features.battery_days import BatteryDays
from models.features.capacity import full_discharge
from models.features.cell_contrast import charge_slope, rise_days
from models.features.cell_days import CellDays
from models.features.cell_sensor_days import CellSensorDays
from models.features.insulation_days import InsulationDays
from tests.unit.models import factories as make

N = 24
DAY_S = 86_400


def rows(family: Family, seconds: FloatArray, **columns: FloatArray) -> FamilyRows:
    named = {name.replace("__", "."): values for name, values in columns.items()}
    return make.make_rows(family, make.START_US + (seconds * 1e6).astype(np.int64), named)


def drive_cycle(seconds: FloatArray, seed: int = 3) -> FloatArray:
    """Current of a drive, A: steps that last half a minute."""
    rng = np.random.default_rng(seed)
    steps = rng.choice([-150.0, -60.0, 0.0, 60.0], len(seconds) // 3 + 1)
    return np.repeat(steps, 3)[: len(seconds)]


def test_resistance_of_a_cell_is_told_by_steps_of_the_current() -> None:
    seconds = 3600.0 + 10.0 * np.arange(600)
    current = drive_cycle(seconds)
    rng = np.random.default_rng(1)
    ohm = np.full(N, 0.8e-3)
    ohm[5] *= 1.4
    volts = 3.7 + current[:, None] * ohm + rng.normal(0, 0.001, (600, N))
    spec = make.make_spec(cell_count=N)

    days = CellDays().compute(
        {
            Family.CELL: rows(Family.CELL, seconds, cell__voltage=np.round(volts, 3)),
            Family.DRIVE: rows(Family.DRIVE, seconds, pack__current=current, speed=np.full(600, 50.0)),
        },
        spec,
    )

    ratio = days.value["resistance_ratio"][0]
    assert ratio[5] == pytest.approx(1.4, abs=0.03)
    assert np.delete(ratio, 5) == pytest.approx(1.0, abs=0.03)
    assert days.value["resistance_mohm"][0] == pytest.approx(0.8, abs=0.03)


def test_cells_sampled_apart_from_the_current_tell_no_resistance() -> None:
    seconds = 3600.0 + 10.0 * np.arange(600)
    current = drive_cycle(seconds)
    volts = 3.7 + np.roll(current, 40)[:, None] * np.full(N, 0.8e-3)

    days = CellDays().compute(
        {
            Family.CELL: rows(Family.CELL, seconds, cell__voltage=volts),
            Family.DRIVE: rows(Family.DRIVE, seconds, pack__current=current, speed=np.full(600, 50.0)),
        },
        make.make_spec(cell_count=N),
    )

    assert np.isnan(days.value["resistance_ratio"]).all()


def lfp_volts(charge: FloatArray) -> FloatArray:
    """Voltage over charge (%): flat, then steep at the top."""
    return np.interp(charge, [0, 20, 80, 95, 100, 104], [3.0, 3.24, 3.33, 3.34, 3.45, 3.65])


@pytest.mark.parametrize("behind", [0.5, 1.5, 3.0])
def test_cell_behind_at_the_top_of_a_charge_shows_by_how_much(behind: float) -> None:
    seconds = 3600.0 + 30.0 * np.arange(240)
    current = np.where(np.arange(240) < 200, 30.0, 30.0 - 0.6 * (np.arange(240) - 200))
    charge = 87.0 + np.concatenate(([0], np.cumsum(current[1:] * 30 / 3600))) / 150 * 100
    assert charge[-1] > 99.0
    cells = np.repeat(charge[:, None], N, axis=1)
    cells[:, 9] -= behind
    volts = lfp_volts(cells) + current[:, None] * 0.8e-3
    volts += np.random.default_rng(2).normal(0, 0.0005, volts.shape)

    days = CellDays().compute(
        {
            Family.CELL: rows(Family.CELL, seconds, cell__voltage=np.round(volts, 3)),
            Family.DRIVE: rows(Family.DRIVE, seconds, pack__current=current, speed=np.zeros(240)),
        },
        make.make_spec(cell_count=N, chemistry="LFP"),
    )

    lag = days.value["lag_percent"][0]
    assert lag[9] == pytest.approx(behind, abs=0.3)
    assert np.delete(lag, 9) == pytest.approx(0.0, abs=0.2)


def test_charge_that_ends_on_the_flat_part_tells_no_lag() -> None:
    seconds = 3600.0 + 30.0 * np.arange(200)
    volts = np.full((200, N), 3.33)

    days = CellDays().compute(
        {
            Family.CELL: rows(Family.CELL, seconds, cell__voltage=volts),
            Family.DRIVE: rows(Family.DRIVE, seconds, pack__current=np.full(200, 30.0), speed=np.zeros(200)),
        },
        make.make_spec(cell_count=N, chemistry="LFP"),
    )

    assert np.isnan(days.value["lag_percent"]).all()


def sensor_days(volts: FloatArray, current: FloatArray) -> dict[str, FloatArray]:
    seconds = 3600.0 + 10.0 * np.arange(len(volts))
    found = CellSensorDays().compute(
        {
            Family.CELL: rows(Family.CELL, seconds, cell__voltage=volts),
            Family.DRIVE: rows(Family.DRIVE, seconds, pack__current=current),
        },
        make.make_spec(cell_count=N),
    )
    return dict(found.value)


def test_loose_sense_wire_swings_the_two_cells_that_share_it() -> None:
    rng = np.random.default_rng(4)
    current = drive_cycle(np.arange(720.0))
    volts = 3.7 + current[:, None] * 0.8e-3 + rng.normal(0, 0.001, (720, N))
    swing = np.where(rng.random(720) < 0.2, rng.choice([-0.05, 0.05], 720), 0.0)
    volts[:, 7] += swing
    volts[:, 8] -= swing

    wire = sensor_days(volts, current)["wire_swing_mv"][0]

    assert wire[7] == pytest.approx(22.0, rel=0.3)
    assert np.nanmax(np.delete(wire, 7)) < 6.0


def test_cell_that_resists_more_is_no_loose_wire() -> None:
    rng = np.random.default_rng(5)
    current = drive_cycle(np.arange(720.0))
    ohm = np.full(N, 0.8e-3)
    ohm[7], ohm[8] = 1.4e-3, 0.5e-3
    volts = 3.7 + current[:, None] * ohm + rng.normal(0, 0.001, (720, N))

    assert np.nanmax(sensor_days(volts, current)["wire_swing_mv"][0]) < 3.0


def test_channel_that_stands_still_or_is_silent_is_bad_and_one_left_out_by_turns_is_not() -> None:
    rng = np.random.default_rng(6)
    current = drive_cycle(np.arange(720.0))
    volts = 3.7 + current[:, None] * 0.8e-3 + rng.normal(0, 0.001, (720, N))
    volts[:, 3] = 3.7
    volts[:, 4] = np.nan
    volts[::2, 5] = np.nan
    volts[:72, 6] = 0.0

    bad = sensor_days(volts, current)["bad_share"][0]

    assert bad[3] == pytest.approx(1.0)
    assert bad[4] == pytest.approx(1.0)
    assert bad[5] == 0.0
    assert bad[6] == pytest.approx(0.1)


@pytest.mark.parametrize("offset_a", [-0.3, 0.0, 0.3])
def test_capacity_of_a_charge_survives_whole_percents_and_the_sensor_s_zero(offset_a: float) -> None:
    minutes = np.arange(600.0)
    current = np.where(minutes < 60, 0.0, 20.0)
    charge = np.concatenate(([0], np.cumsum(current[1:] / 60)))
    soc = np.floor(20.0 + charge / 140.0 * 100)
    drive = rows(
        Family.DRIVE,
        60.0 * minutes,
        pack__current=current + offset_a,
        soc=soc,
        speed=np.zeros(600),
        charging=np.where(minutes < 60, 3.0, 1.0),
        vehicle__state=np.full(600, 2.0),
    )

    days = BatteryDays().compute({Family.DRIVE: drive}, make.make_spec(capacity_ah=150.0))

    found, error = days.value["capacity_ah"][0], days.value["capacity_error_ah"][0]
    assert found == pytest.approx(140.0, abs=1.0)
    assert 0.3 < error < 2.5
    assert days.value["current_offset_a"][0] == pytest.approx(offset_a, abs=0.01)


def test_state_of_charge_that_jumps_tells_no_capacity() -> None:
    minutes = np.arange(600.0)
    soc = np.floor(20.0 + np.arange(600) * 20.0 / 60 / 1.4)
    soc[300:] += 9.0
    drive = rows(
        Family.DRIVE, 60.0 * minutes, pack__current=np.full(600, 20.0), soc=soc, charging=np.ones(600)
    )

    days = BatteryDays().compute({Family.DRIVE: drive}, make.make_spec(capacity_ah=150.0))

    assert np.isnan(days.value["capacity_ah"][0])
    assert days.value["soc_jump_percent"][0] == pytest.approx(9.0, abs=1.1)


def test_contact_resistance_shows_between_pack_voltage_and_the_sum_of_the_cells() -> None:
    seconds = 3600.0 + 10.0 * np.arange(600)
    current = np.repeat(np.random.default_rng(7).choice([-150.0, -60.0, 0.0, 60.0], 60), 10)
    volts = np.full((600, N), 3.7) + current[:, None] * 0.8e-3
    pack = volts.sum(1) + 0.5 + 4e-3 * current

    days = BatteryDays().compute(
        {
            Family.CELL: rows(Family.CELL, seconds, cell__voltage=volts),
            Family.DRIVE: rows(Family.DRIVE, seconds, pack__current=current, pack__voltage=pack),
        },
        make.make_spec(cell_count=N),
    )

    assert days.value["series_mohm"][0] == pytest.approx(4.0, abs=0.1)


def test_discharge_that_does_not_begin_full_or_does_not_end_empty_has_no_capacity() -> None:
    time_us = np.arange(100) * 60_000_000
    current = np.full(100, -2.0)
    whole = np.linspace(4.2, 2.5, 100)

    counts = [
        full_discharge(time_us, current, volts, "NCM", gap_us=300_000_000)
        for volts in (whole, np.linspace(3.8, 2.5, 100), np.linspace(4.2, 3.0, 100))
    ]

    assert counts[0] is not None
    assert counts[0].capacity_ah == pytest.approx(2.0 * 88 / 60, rel=0.01)
    assert counts[1:] == [None, None]


def test_a_tenth_of_the_day_decides_on_insulation_and_zero_counts_for_nothing() -> None:
    kohm = np.full(200, 4000.0)
    kohm[:10] = 50.0
    kohm[10:20] = 0.0
    drive = rows(
        Family.DRIVE,
        60.0 * np.arange(200.0),
        insulation=kohm,
        pack__voltage=np.full(200, 400.0),
        rain=np.where(np.arange(200) < 50, 3.0, 0.0),
    )

    days = InsulationDays().compute({Family.DRIVE: drive}, make.make_spec())

    assert np.exp(days.value["insulation_log_kohm"][0]) == pytest.approx(4000.0)
    assert days.value["insulation_ohm_per_v"][0] == pytest.approx(10_000.0)
    assert days.value["rain_share"][0] == pytest.approx(0.25)


def test_slope_over_the_charge_is_the_missing_capacity_whatever_leaks() -> None:
    rng = np.random.default_rng(8)
    soc = rng.uniform(45, 90, (5, 40))
    value = rng.normal(0, 0.15, (5, 40, 3))
    value[..., 1] += 0.10 * (90.0 - soc)
    value[..., 2] += 0.15 * np.arange(40)

    slope, error = charge_slope(
        value, np.ones_like(value), soc, np.array([39]), window=28, noise=0.25, spread=0.01
    )

    assert slope[:, 0, 1] == pytest.approx(-0.09, abs=0.02)  # drawn towards 0
    assert np.abs(slope[:, 0, [0, 2]]).max() < 4 * error.max()


def test_what_came_overnight_was_never_on_its_way() -> None:
    days = np.arange(40)
    step = np.where(days < 25, 0.0, 3.0)
    leak = 3.0 * np.exp((days - 39) / 9.0)
    value = np.stack([step, leak], axis=1)[None]

    found = rise_days(value, np.zeros((1, 2)), np.full((1, 2), 3.0))

    assert found.tolist()[0][0] == 0
    assert found.tolist()[0][1] >= 10

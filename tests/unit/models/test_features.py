from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.records import Family, FamilyRows
from models.features.cells import CHARGE, REST, cell_sessions, charge_deficit
from models.features.days import day_bounds_us, from_date, local_day, to_date, to_datetime, to_us
from models.features.rows import joined
from models.features.tire_days import TireDaySet
from models.features.tires import atmosphere_kpa, compensate, contrast, gas_amount
from models.features.trend import day_noise, theil_sen, weighted_median
from tests.unit.models import factories as make


@pytest.mark.parametrize(("temperature", "gauge"), [(-10, 214), (0, 226), (10, 238), (40, 274), (60, 298)])
def test_compensation_undoes_the_temperature(temperature: float, gauge: float) -> None:
    found = compensate(np.array([float(gauge)]), np.array([float(temperature)]), np.array([101.325]))

    assert pytest.approx(found[0], abs=0.7) == 250 + 101.325


@pytest.mark.parametrize(("height", "gain"), [(1000.0, 11.5), (2000.0, 21.8)])
def test_atmosphere_gets_thinner_with_height(height: float, gain: float) -> None:
    assert gain == pytest.approx(101.325 - atmosphere_kpa(np.array([height]))[0], abs=0.1)


def test_contrast_takes_out_what_all_wheels_share() -> None:
    values = np.array([[340.0, 341.0, 330.0, 339.0], [350.0, 351.0, 340.0, 349.0]])

    found = contrast(values)

    assert found[:, 2].tolist() == [-10.0, -10.0]
    assert np.array_equal(found[0], found[1])


def test_contrast_needs_two_other_wheels() -> None:
    assert np.isnan(contrast(np.array([340.0, 330.0, np.nan, np.nan]))).all()


def tires_at(time_us: np.ndarray, pressure: np.ndarray, **columns: np.ndarray) -> FamilyRows:
    return make.make_rows(
        Family.TIRE,
        time_us,
        {"tire.pressure": pressure, **{k.replace("_", "."): v for k, v in columns.items()}},
    )


def test_standing_hot_value_of_the_last_stop_is_not_trusted() -> None:
    time_us = make.START_US + np.arange(3) * 60_000_000
    rows = tires_at(time_us, np.full((3, 4), 260.0), tire_age=np.full((3, 4), 5000.0))

    assert not gas_amount(rows, None)[1].any()


def test_mountain_trip_leaves_the_gas_alone() -> None:
    time_us = make.START_US + np.arange(40) * make.HOUR_US // 2
    height = np.linspace(0, 2500, 40)
    pressure = (250 + 101.325 - atmosphere_kpa(height))[:, None] + np.zeros((40, 4))
    drive = make.make_rows(Family.DRIVE, time_us, {"altitude": height})

    tire = tires_at(time_us, pressure, tire_temperature=np.full((40, 4), 20.0))
    found = TireDaySet().compute({Family.TIRE: tire, Family.DRIVE: drive}, make.make_spec())

    assert pytest.approx(found.value["gas_kpa"][0].tolist()) == [351.325] * 4
    assert pytest.approx(found.value["altitude_span_m"][0], rel=0.05) == 2500.0


def test_day_features_do_not_depend_on_other_days() -> None:
    rng = np.random.default_rng(0)
    time_us = make.START_US + np.arange(96) * make.HOUR_US // 2
    rows = tires_at(time_us, 240 + rng.normal(0, 2, (96, 4)), tire_temperature=rng.normal(20, 3, (96, 4)))
    second = time_us >= make.START_US + make.DAY_US
    alone = replace(
        rows,
        vehicle_id=rows.vehicle_id[second],
        time_us=time_us[second],
        columns={k: v[second] for k, v in rows.columns.items()},
    )

    whole, part = (TireDaySet().compute({Family.TIRE: r}, make.make_spec()) for r in (rows, alone))

    assert np.array_equal(whole.value["gas_kpa"][1], part.value["gas_kpa"][0])


def pack(time_us: np.ndarray, current: np.ndarray, low_mv: float = 0.0, **drive: np.ndarray) -> tuple:
    volts = 3.9 + np.zeros((len(time_us), 24))
    volts[:, 7] -= low_mv / 1000
    cells = make.make_rows(Family.CELL, time_us, {"cell.voltage": volts})
    return cells, make.make_rows(Family.DRIVE, time_us, {"pack.current": current, **drive})


def sessions_of(cells: FamilyRows, drive: FamilyRows):
    return cell_sessions(cells, drive, time_zone="UTC", capacity_ah=150.0, cell_count=24)


def test_rested_cell_is_compared_with_its_own_pack() -> None:
    time_us = make.START_US + np.arange(60) * 60_000_000

    found = sessions_of(*pack(time_us, np.zeros(60), low_mv=30.0, speed=np.zeros(60)))

    assert found.kind.tolist() == [REST]
    assert pytest.approx(found.deviation_mv[0, 7], abs=0.01) == -30.0
    assert pytest.approx(found.deviation_mv[0, 3], abs=0.01) == 0.0


def test_samples_under_load_do_not_count_as_rested() -> None:
    time_us = make.START_US + np.arange(60) * 60_000_000

    assert not len(sessions_of(*pack(time_us, np.full(60, -80.0), low_mv=30.0)).day)


def test_charging_is_a_session_of_its_own() -> None:
    time_us = make.START_US + np.arange(120) * 60_000_000
    charging = np.where(np.arange(120) < 60, 3.0, 1.0)

    found = sessions_of(*pack(time_us, np.zeros(120), charging=charging))

    assert found.kind.tolist() == [REST, CHARGE]


def test_frozen_rows_under_changing_current_are_left_out() -> None:
    time_us = make.START_US + np.arange(40) * 60_000_000
    current = np.where(np.arange(40) % 2 == 1, 1.0, -60.0)

    assert not len(sessions_of(*pack(time_us, current)).day)


def test_missing_cells_and_current_give_no_sessions() -> None:
    time_us = make.START_US + np.arange(40) * 60_000_000
    cells, drive = pack(time_us, np.full(40, np.nan))

    assert not len(sessions_of(cells, drive).day)
    assert not len(cell_sessions(cells, None, time_zone="UTC", capacity_ah=150.0, cell_count=24).day)


def test_sessions_of_a_day_are_the_same_with_twelve_hours_before_it_as_with_all() -> None:
    rng = np.random.default_rng(1)
    time_us = make.START_US + np.arange(3 * 1440) * 60_000_000
    current = np.where(rng.random(len(time_us)) < 0.1, -50.0, 0.5)
    cells, drive = pack(time_us, current, low_mv=12.0)
    late = time_us >= make.START_US + 2 * make.DAY_US - make.DAY_US // 2

    def cut(rows: FamilyRows) -> FamilyRows:
        columns = {k: v[late] for k, v in rows.columns.items()}
        return make.make_rows(rows.family, rows.time_us[late], columns)

    whole, part = sessions_of(cells, drive), sessions_of(cut(cells), cut(drive))
    last_day = whole.day.max()

    expected = whole.deviation_mv[whole.day == last_day]
    assert len(expected) > 0
    assert np.array_equal(expected, part.deviation_mv[part.day == last_day])


def test_frames_of_a_large_pack_are_put_together() -> None:
    time_us = make.START_US + np.repeat(np.arange(20), 2) * 60_000_000
    cells = replace(
        make.make_rows(Family.CELL, time_us, {"cell.voltage": np.full((40, 12), 3.9)}),
        first_cell=np.tile([1, 13], 20).astype(np.int16),
    )
    drive = make.make_rows(Family.DRIVE, time_us[::2], {"pack.current": np.zeros(20)})

    assert np.isfinite(sessions_of(cells, drive).deviation_mv).all()


def test_missing_charge_shows_the_same_at_different_voltages() -> None:
    # 3 % less charge: about 30 mV at 3.9 V, about 14 mV on the flat part
    deficit, trust = charge_deficit(np.array([[-30.0], [-13.5]]), np.array([3.9, 3.65]), "NCM")

    assert pytest.approx(deficit[:, 0].tolist(), rel=0.1) == [3.0, 3.0]
    assert trust[0] > 0.9
    assert trust[1] < 0.3


def test_flat_part_of_lfp_is_not_trusted() -> None:
    assert charge_deficit(np.array([[-2.0]]), np.array([3.30]), "LFP")[1][0] == 0.0


def test_weighted_median_ignores_missing_and_weightless_values() -> None:
    values = np.array([1.0, 2.0, np.nan, 100.0])

    assert weighted_median(values, np.array([1.0, 1.0, 1.0, 0.0])) == 1.5
    assert np.isnan(weighted_median(np.full(3, np.nan), np.ones(3)))


def test_theil_sen_withstands_outliers_and_steps() -> None:
    values = (2.0 * np.arange(10, dtype=np.float64))[None, :, None].copy()
    values[0, 4] = 500.0
    segment = np.zeros((1, 10), dtype=np.int64)
    args = {"window": 10, "least": 4, "as_of": np.array([9]), "noise": np.full((1, 1, 1), 0.1)}

    whole = theil_sen(values, np.ones_like(values), segment, **args)
    values[0, 7:] += 40.0
    segment[0, 7:] = 1
    stepped = theil_sen(values, np.ones_like(values), segment, **args)

    assert pytest.approx(whole.slope[0, 0, 0]) == 2.0
    assert pytest.approx(stepped.slope[0, 0, 0]) == 2.0


def test_day_noise_knows_nothing_of_a_trend() -> None:
    rng = np.random.default_rng(3)
    steep = 50.0 * np.arange(40)[None, :, None] + rng.normal(0, 1.5, (1, 40, 4))

    found = day_noise(steep, np.array([39]), window=40, floor=0.1, prior=1.5)

    assert pytest.approx(found[0, 0, 0], rel=0.3) == 1.5


def test_local_day_follows_the_zone() -> None:
    evening = np.array([make.START_US + 20 * make.HOUR_US])  # 20:00 UTC, 04:00 next day in Shanghai

    assert local_day(evening, "Asia/Shanghai")[0] - local_day(evening, "UTC")[0] == 1


def test_day_bounds_and_conversions_fit_together() -> None:
    day = int(local_day(np.array([make.START_US]), "Europe/Berlin")[0])
    begin, end = day_bounds_us(day, "Europe/Berlin")

    assert begin <= make.START_US < end
    assert day == from_date(to_date(day))
    assert begin == to_us(to_datetime(begin))


def test_joined_rows_are_in_order_and_narrow_arrays_are_filled() -> None:
    late = make.make_rows(Family.CELL, np.array([20, 30]), {"cell.voltage": np.ones((2, 2))})
    early = make.make_rows(Family.CELL, np.array([10]), {"cell.voltage": np.ones((1, 3))})

    found = joined([late, early], Family.CELL)

    assert found is not None
    assert found.time_us.tolist() == [10, 20, 30]
    assert np.isnan(found.columns["cell.voltage"][1:, 2]).all()
    assert joined([late], Family.TIRE) is None


def test_no_tire_rows_give_no_days() -> None:
    rows = tires_at(np.zeros(0, dtype=np.int64), np.zeros((0, 4)))

    given = {Family.TIRE: rows, Family.DRIVE: rows_without_columns()}
    found = TireDaySet().compute(given, make.make_spec())

    assert (len(found.day), found.value["gas_kpa"].shape) == (0, (0, 4))


def rows_without_columns() -> FamilyRows:
    return make.make_rows(Family.DRIVE, make.START_US + np.arange(3) * make.HOUR_US, {})

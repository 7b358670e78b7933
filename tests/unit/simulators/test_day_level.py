"""The fleet drawn day by day: seeds, shapes, truth, and the physics in the features."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from data.records import FailureMode
from simulators.day_level import DayPart, draw_fleet
from simulators.day_level.plan import DECOYS, FAULTS
from simulators.errors import FleetError

_EPOCH = date(1970, 1, 1)
_ONE_MODEL = ("anxin-sedan-96-ncm",)
_ZONE = ZoneInfo("Asia/Shanghai")


def _only(kind: str, n: int = 80, *, mode: str = "enriched", seed: int = 1001) -> list[DayPart]:
    return list(draw_fleet(n, 120, seed=seed, mode=mode, faults=kind).parts())


def _day_of(part: DayPart, moment: datetime) -> int:
    local = moment.astimezone(_ZONE).date() - _EPOCH
    return local.days - int(part.day[0])


def test_a_vehicle_is_the_same_in_parts_of_any_size() -> None:
    fleet = draw_fleet(12, 40, seed=1001)

    whole = {int(v): part for part in fleet.parts(3) for v in part.vehicle}
    for single in fleet.parts(1):
        vehicle = int(single.vehicle[0])
        row = int(np.flatnonzero(whole[vehicle].vehicle == vehicle)[0])
        for name, features in single.sets.items():
            for feature, values in features.items():
                np.testing.assert_array_equal(values[0], whole[vehicle].sets[name][feature][row])
        truths = [t for t in whole[vehicle].truths if t.vehicle == vehicle]
        assert truths == list(single.truths)


def test_another_seed_draws_another_fleet() -> None:
    first, second = (next(draw_fleet(8, 40, seed=s).parts()) for s in (1001, 1002))

    gas = [part.sets["tire_days"]["gas_kpa"] for part in (first, second)]
    assert not np.array_equal(gas[0], gas[1], equal_nan=True)


def test_every_vehicle_of_an_enriched_fleet_has_a_fault_and_none_of_a_healthy_one() -> None:
    n = len(FAULTS)
    enriched, healthy = (
        [
            t
            for part in draw_fleet(n, 40, seed=1001, mode=mode, models=_ONE_MODEL).parts()
            for t in part.truths
        ]
        for mode in ("enriched", "healthy")
    )

    assert {t.vehicle for t in enriched if t.is_fault} == set(range(n))
    assert {t.kind for t in enriched} == set(FAULTS)
    assert not [t for t in healthy if t.is_fault]


def test_there_are_at_least_as_many_kinds_of_decoys_as_of_faults() -> None:
    assert len(set(DECOYS)) >= len(set(FAULTS))


def test_truth_is_in_order_of_time() -> None:
    for part in draw_fleet(2 * len(FAULTS), 180, seed=1003, models=_ONE_MODEL).parts():
        for truth in part.truths:
            marks = [truth.onset, truth.threshold_at, truth.failure_at]
            known = [m for m in marks if m is not None]
            assert known == sorted(known), truth


def test_silent_days_have_neither_times_nor_features() -> None:
    part = next(draw_fleet(20, 120, seed=1001, models=_ONE_MODEL).parts())

    silent = part.last_us == 0
    assert silent.any()
    assert ((part.first_us == 0) == silent).all()
    assert (part.first_us[~silent] < part.last_us[~silent]).all()
    for features in part.sets.values():
        assert all(np.isnan(values[silent]).all() for values in features.values())


def test_a_leaking_tire_loses_what_the_truth_says_against_the_other_wheels() -> None:
    for part in _only(FailureMode.TIRE_SLOW_LEAK):
        for truth in part.truths:
            row = int(np.flatnonzero(part.vehicle == truth.vehicle)[0])
            wheel = part.spec.wheels.index(truth.component.removeprefix("tire "))
            begin = _day_of(part, truth.onset)
            gas = part.sets["tire_days"]["gas_kpa"][row, :, wheel].astype(float)
            if truth.threshold_at is None or _day_of(part, truth.threshold_at) >= len(part.day) - 1:
                continue
            crossed = _day_of(part, truth.threshold_at)
            after = gas[crossed + 1 : crossed + 3]
            if np.isfinite(after).any():
                placard = part.spec.placard_kpa[wheel]
                # sensors are 3 kPa wrong, 7.5 at most, and 1 K, which is 3 kPa more
                assert np.nanmin(after) - 101.325 < 0.75 * placard + 16.0
            assert begin <= crossed


def test_an_unknown_fault_is_refused_by_name() -> None:
    with pytest.raises(FleetError, match="flat_battery"):
        draw_fleet(4, 40, seed=1, faults=["flat_battery"])


def test_a_part_of_two_models_is_refused() -> None:
    with pytest.raises(FleetError, match="one model"):
        draw_fleet(8, 40, seed=1).part(np.arange(2))


def test_midnights_are_those_of_the_vehicles_own_zone() -> None:
    part = next(draw_fleet(4, 40, seed=1001).parts())

    moments = [datetime.fromtimestamp(us / 1e6, _ZONE) for us in part.first_us[0] if us]
    assert all(m.hour == 0 for m in moments)
    heard = part.day[part.first_us[0] > 0]
    assert [(m.date() - _EPOCH) for m in moments] == [timedelta(days=int(d)) for d in heard]


def test_every_decoy_is_told_of_as_harmless() -> None:
    fleet = draw_fleet(len(DECOYS), 40, seed=1001, mode="healthy", decoy_share=1.0, models=_ONE_MODEL)

    truths = [t for part in fleet.parts() for t in part.truths]

    assert {t.kind for t in truths} == set(DECOYS)
    assert {t.vehicle for t in truths} == set(range(len(DECOYS)))
    assert not any(t.is_fault or t.threshold_at or t.failure_at for t in truths)


@pytest.mark.parametrize("kind", FAULTS)
def test_every_fault_changes_the_features_of_most_vehicles(kind: FailureMode) -> None:
    """Of most: a fault of resistance shows in no vehicle that samples its cells apart from the current."""
    (ill,) = draw_fleet(6, 60, seed=1004, faults=[kind], models=_ONE_MODEL).parts()
    (well,) = draw_fleet(6, 60, seed=1004, mode="healthy", decoy_share=0.0, models=_ONE_MODEL).parts()

    changed = np.zeros(6, np.bool_)
    for name, features in ill.sets.items():
        for feature, values in features.items():
            differs = np.nan_to_num(np.abs(values - well.sets[name][feature])) > 1e-3
            changed |= differs.any(axis=(1, 2))
    assert changed.sum() >= 4

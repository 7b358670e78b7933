from __future__ import annotations

import numpy as np

from data.records import FloatArray
from models.features.sets import Axis, DayFeatures, Feature, width
from models.panels import (
    NEVER,
    FleetDays,
    feature_panel,
    newest_days,
    panels_of,
    repaired_days,
    rows_of,
    since_repair,
    with_main,
)
from models.predictors.base import DayPanel
from models.predictors.tire_slow_leak import TireSlowLeakPredictor
from tests.unit.models import factories as make


def feature(name: str, axis: Axis = Axis.WHEEL) -> Feature:
    return Feature(name=name, unit="kPa", window="day", least_evidence="1", missing_when="never", axis=axis)


FEATURES = (feature("level"), feature("weight"), feature("mean", Axis.VEHICLE))
SPEC = make.make_spec()


def days_of(vehicle: int, days: list[int]) -> DayFeatures:
    day = np.array(days, dtype=np.int64)
    level = 100.0 * vehicle + day[:, None] + np.arange(4) / 10
    return DayFeatures(
        day=day,
        first_us=day * make.DAY_US,
        last_us=day * make.DAY_US + 5,
        value={"level": level, "weight": np.full((len(day), 4), 0.5), "mean": level.mean(1)},
    )


def stored(found: dict[int, DayFeatures]) -> FleetDays:
    def joined(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        return np.concatenate([getattr(one, name) for one in found.values()])

    value: list[FloatArray] = [
        np.concatenate([one.value[f.name].reshape(len(one.day), width(f, SPEC)) for f in FEATURES], axis=1)
        for one in found.values()
    ]
    return FleetDays(
        vehicle_id=np.repeat(list(found), [len(one.day) for one in found.values()]),
        day=joined("day"),
        first_us=joined("first_us"),
        last_us=joined("last_us"),
        value=np.concatenate(value),
    )


def panel(found: dict[int, DayFeatures], first_day: int, last_day: int) -> DayPanel:
    return feature_panel(
        SPEC,
        list(found),
        list(found.values()),
        features=FEATURES,
        main="level",
        first_day=first_day,
        last_day=last_day,
    )


def test_days_lie_where_they_belong_and_others_are_missing() -> None:
    found = panel({7: days_of(7, [10, 12]), 8: days_of(8, [9, 11, 13])}, 10, 12)

    assert found.value[0, :, 0].tolist()[::2] == [710.0, 712.0]
    assert np.isnan(found.value[0, 1]).all()
    assert np.isnan(found.value[1, [0, 2]]).all()
    assert found.weight[1, :, 0].tolist() == [0.0, 0.5, 0.0]
    assert (found.last_us[1] > 0).tolist() == [False, True, False]
    assert newest_days(found).tolist() == [2, 1]


def test_a_fleet_that_sent_every_day_has_the_panel_that_gaps_would_give() -> None:
    whole = {v: days_of(v, [10, 11, 12]) for v in (7, 8)}
    gaps = {**whole, 9: days_of(9, [12])}
    full, part = panel(whole, 10, 12), rows_of(panel(gaps, 10, 12), [0, 1])

    for name in ("value", "weight", "first_us", "last_us"):
        assert getattr(full, name).tobytes() == getattr(part, name).tobytes()
    assert all(full.extra[f.name].tobytes() == part.extra[f.name].tobytes() for f in FEATURES)


def test_stored_days_give_the_panel_of_computed_ones() -> None:
    found = {7: days_of(7, [10, 12]), 8: days_of(8, [9, 11, 13])}
    (given,) = panels_of(stored(found), FEATURES, SPEC)
    wanted = panel(found, 9, 13)

    assert given.vehicle_id.tolist() == [7, 8]
    assert all(given.extra[f.name].tobytes() == wanted.extra[f.name].tobytes() for f in FEATURES)


def test_a_vehicle_that_fell_silent_long_ago_has_a_panel_of_its_own() -> None:
    found = {7: days_of(7, [10, 11]), 8: days_of(8, [410, 411]), 9: days_of(9, [20])}
    panels = panels_of(stored(found), FEATURES, SPEC)

    assert [p.vehicle_id.tolist() for p in panels] == [[7, 9], [8]]
    assert [len(p.day) for p in panels] == [11, 2]
    assert panels_of(stored({7: days_of(7, [])}), FEATURES, SPEC) == []


def test_another_main_feature_shares_the_arrays() -> None:
    given = panel({7: days_of(7, [10, 11])}, 10, 11)
    other = with_main(given, "mean")

    assert other.value is given.extra["mean"]
    assert other.weight.tolist() == [[[1.0], [1.0]]]  # of four wheels there is no weight of one


def test_a_repaired_component_loses_its_past_and_no_other() -> None:
    given = panel({7: days_of(7, [10, 11, 12])}, 10, 12)
    repairs = {7: {"tire front-right": 11 * make.DAY_US + make.HOUR_US, "cell 3": 12 * make.DAY_US}}
    day = repaired_days(given, TireSlowLeakPredictor(), repairs, {7: SPEC})
    cut = since_repair(given, day)

    assert day.tolist() == [[NEVER, 11, NEVER, NEVER]]
    assert np.isfinite(cut.value[0, :, 1]).tolist() == [False, False, True]
    assert np.isfinite(cut.value[0, :, [0, 2, 3]]).all()
    assert cut.weight[0, :, 1].tolist() == [0.0, 0.0, 0.5]
    assert np.isfinite(cut.extra["mean"]).all()
    assert since_repair(given, np.full((1, 4), NEVER)) is given


def test_a_repair_of_the_only_component_cuts_every_feature() -> None:
    given = with_main(panel({7: days_of(7, [10, 11, 12])}, 10, 12), "mean")
    cut = since_repair(given, np.array([[10]]))

    assert np.isfinite(cut.extra["level"]).all(2)[0].tolist() == [False, True, True]

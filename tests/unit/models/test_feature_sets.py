"""Promises that every feature set keeps; a set that joins the registry is held to all of them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from data.catalogue import load_catalogue
from data.records import Family, FamilyRows, VehicleSpec
from models.errors import RegistryError
from models.features.days import DAY_US, day_bounds_us
from models.features.registry import feature_sets, pair
from models.features.rows import thinned
from models.features.sets import DayFeatures, FeatureSet, width
from models.predictors import day_predictors
from tests.unit.models import factories as make
from tests.unit.models.feature_rows import cut, make_vehicle_rows

SETS = {one.name: one for one in feature_sets()}
#: A day of 23 hours in the middle, and days that begin in the middle of a UTC day.
SPEC = make.make_spec(cell_count=12, probe_count=3, time_zone="Europe/Berlin")
START_US = make.START_US + 85 * make.DAY_US
N_DAYS = 6


@pytest.fixture(scope="module", params=["NCM", "LFP"])
def spec(request: pytest.FixtureRequest) -> VehicleSpec:
    return make.make_spec(cell_count=12, probe_count=3, time_zone="Europe/Berlin", chemistry=request.param)


@pytest.fixture(scope="module")
def rows() -> dict[Family, FamilyRows]:
    found = make_vehicle_rows(
        np.random.default_rng(1001), list(SETS.values()), SPEC, start_us=START_US, n_days=N_DAYS
    )
    return {family: thinned(one) for family, one in found.items()}


def of_set(one: FeatureSet, rows: dict[Family, FamilyRows]) -> dict[Family, FamilyRows]:
    return {
        family: FamilyRows(
            family=family,
            vehicle_id=rows[family].vehicle_id,
            time_us=rows[family].time_us,
            sent_us=rows[family].sent_us,
            received_us=rows[family].received_us,
            is_hist=rows[family].is_hist,
            columns={alias: rows[family].columns[alias] for alias in aliases},
            sub_pack=rows[family].sub_pack,
            first_cell=rows[family].first_cell,
        )
        for family, aliases in one.columns.items()
    }


def bits(found: DayFeatures, day: int) -> dict[str, bytes]:
    at = int(np.flatnonzero(found.day == day)[0])
    told = {name: np.asarray(values[at], dtype=np.float64).tobytes() for name, values in found.value.items()}
    return {**told, "first": found.first_us[at].tobytes(), "last": found.last_us[at].tobytes()}


@pytest.mark.parametrize("name", SETS)
def test_set_reads_signals_of_the_catalogue_and_says_what_each_feature_is(name: str) -> None:
    one = SETS[name]
    signals = load_catalogue().signals

    assert all(signals[alias].family is family for family, of in one.columns.items() for alias in of)
    assert len({f.name for f in one.features}) == len(one.features) > 0
    assert all(f.window and f.least_evidence and f.missing_when for f in one.features)
    assert one.version >= 1
    assert 0 <= one.context_us <= 7 * DAY_US


@pytest.mark.parametrize("name", SETS)
def test_set_yields_each_feature_once_a_day_in_its_width(
    name: str, rows: dict[Family, FamilyRows], spec: VehicleSpec
) -> None:
    one = SETS[name]
    found = one.compute(of_set(one, rows), spec)

    assert len(found.day) >= N_DAYS - 2
    assert (np.diff(found.day) > 0).all()
    assert (found.first_us <= found.last_us).all()
    assert set(found.value) == {f.name for f in one.features}
    for feature in one.features:
        assert found.value[feature.name].size == len(found.day) * width(feature, spec), feature.name


@pytest.mark.parametrize("name", SETS)
def test_a_day_alone_has_the_bits_that_it_has_among_others(
    name: str, rows: dict[Family, FamilyRows], spec: VehicleSpec
) -> None:
    """What is scored live day by day is what a backtest works out in one piece."""
    one = SETS[name]
    whole = one.compute(of_set(one, rows), spec)

    for day in whole.day.tolist():
        begin_us, end_us = day_bounds_us(day, spec.time_zone)
        alone = {f: cut(r, begin_us - one.context_us, end_us) for f, r in of_set(one, rows).items()}
        found = one.compute(alone, spec)
        assert bits(whole, day) == bits(found, day), f"{name}, day {day}"


@pytest.mark.parametrize("name", SETS)
def test_set_makes_do_without_rows_and_without_any_family(
    name: str, rows: dict[Family, FamilyRows], spec: VehicleSpec
) -> None:
    one = SETS[name]
    given = of_set(one, rows)

    assert not len(one.compute({}, spec).day)
    assert not len(one.compute({f: cut(r, 0, 1) for f, r in given.items()}, spec).day)
    for left_out in given:
        found = one.compute({f: r for f, r in given.items() if f is not left_out}, spec)
        assert set(found.value) == {f.name for f in one.features}


@pytest.mark.parametrize("name", SETS)
def test_set_changes_nothing_and_survives_pickling(
    name: str, rows: dict[Family, FamilyRows], spec: VehicleSpec
) -> None:
    one = SETS[name]
    given = of_set(one, rows)
    before = pickle.dumps(given)
    first = one.compute(given, spec)
    second = pickle.loads(pickle.dumps(one)).compute(given, spec)  # noqa: S301 - what was written just now

    assert pickle.dumps(given) == before
    for name_, values in first.value.items():
        assert values.tobytes() == second.value[name_].tobytes()


def test_cells_that_come_faster_than_the_grid_are_thinned_frame_by_frame() -> None:
    time_us = START_US + np.repeat(np.arange(40), 2) * 1_000_000
    fast = FamilyRows(
        family=Family.CELL,
        vehicle_id=np.zeros(80, dtype=np.int32),
        time_us=time_us,
        sent_us=time_us,
        received_us=time_us,
        is_hist=np.zeros(80, dtype=np.bool_),
        columns={"cell.voltage": np.arange(160.0).reshape(80, 2)},
        first_cell=np.tile([3, 1], 40).astype(np.int16),
    )
    kept = thinned(fast)

    assert kept.time_us.tolist() == np.repeat(START_US + np.arange(4) * 10_000_000, 2).tolist()
    assert kept.first_cell is not None
    assert kept.first_cell.tolist() == [1, 3] * 4
    assert kept.columns["cell.voltage"][:2].tolist() == [[2.0, 3.0], [0.0, 1.0]]
    assert thinned(kept).time_us.tolist() == kept.time_us.tolist()


def test_predictor_without_its_set_or_feature_is_refused() -> None:
    predictor = day_predictors()[0]
    sets = feature_sets()

    assert sum(len(mine) for _, mine in pair(sets, day_predictors())) == len(day_predictors())
    with pytest.raises(RegistryError, match="feature_set 'tire_days': must be one of"):
        pair([s for s in sets if s.name != predictor.feature_set], [predictor])
    with pytest.raises(RegistryError, match="each model version must occur once"):
        pair(sets, [predictor, predictor])
    with pytest.raises(RegistryError, match="each name must occur once"):
        pair([*sets, sets[0]], [predictor])

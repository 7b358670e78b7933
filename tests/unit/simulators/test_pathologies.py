from dataclasses import replace

import numpy as np
import pytest

from data.records import Family, FamilyRows
from simulators.batches import select_rows
from simulators.errors import FleetError
from simulators.pathologies import Pathologies, as_stored, disturb, swap_vehicles

Past = dict[Family, FamilyRows]


@pytest.fixture
def rows(past: Past) -> Past:
    return {f: select_rows(r, r.vehicle_id == 2) for f, r in past.items()}


def test_nothing_is_done_at_rates_of_nothing(rows: Past) -> None:
    out, marks = disturb(rows, Pathologies(), np.random.default_rng(1))

    assert not marks
    for family, found in rows.items():
        for alias, values in found.columns.items():
            np.testing.assert_array_equal(out[family].columns[alias], values)


def test_benchmark_disorder_loses_a_tenth_and_puts_three_tenths_out_of_order(rows: Past) -> None:
    out, _ = disturb(rows, Pathologies(missing=0.1, out_of_order=0.3), np.random.default_rng(1))
    told = out[Family.DRIVE]
    overtaken = np.mean(told.received_us > told.time_us)

    assert len(told) / len(rows[Family.DRIVE]) == pytest.approx(0.9, abs=0.02)
    assert overtaken == pytest.approx(0.3, abs=0.03)
    assert (np.diff(told.received_us) >= 0).all()
    assert (np.diff(told.time_us) < 0).any()


def test_late_hours_are_marked_as_such_and_come_after_their_time(rows: Past) -> None:
    out, marks = disturb(rows, Pathologies(late_day=0.5), np.random.default_rng(1))
    told = out[Family.DRIVE]
    late = told.is_hist

    assert {"late_day"} == {m.kind for m in marks}
    assert late.any()
    assert (told.received_us[late] >= told.time_us[late] + 300e6).all()
    assert (told.received_us[~late] == told.time_us[~late]).all()


def test_what_was_done_to_values_is_told_by_the_marks(rows: Past) -> None:
    rates = Pathologies(stuck_day=0.3, sentinel_day=0.3, raw_zero_day=0.3, unit_error_life=1.0)
    out, marks = disturb(rows, rates, np.random.default_rng(3))
    changed = set()
    for family, found in rows.items():
        for alias, values in found.columns.items():
            other = out[family].columns[alias]
            differs = ~np.isclose(values, other, rtol=1e-9, equal_nan=True)
            if differs.any():
                changed.add(alias)
                at = found.time_us[differs if differs.ndim == 1 else differs.any(axis=1)]
                spans = [(m.begin_us, m.end_us) for m in marks if m.alias == alias]
                assert all(any(b <= t < e for b, e in spans) for t in at.tolist()), alias

    assert changed
    assert changed <= {m.alias for m in marks}


def test_duplicates_come_twice_and_differ_in_nothing(rows: Past) -> None:
    told = disturb(rows, Pathologies(duplicate=0.05), np.random.default_rng(1))[0][Family.TIRE]
    twice = np.flatnonzero(np.diff(told.time_us) == 0)

    assert len(told) - len(rows[Family.TIRE]) == len(twice) > 0
    for alias, values in told.columns.items():
        np.testing.assert_array_equal(values[twice], values[twice + 1], err_msg=alias)


def test_table_makes_good_what_order_and_repetition_did(rows: Past) -> None:
    told = disturb(rows, Pathologies(duplicate=0.05, out_of_order=0.3), np.random.default_rng(1))[0]
    for family, found in rows.items():
        stored = as_stored(told[family])

        np.testing.assert_array_equal(stored.time_us, found.time_us)
        for alias, values in found.columns.items():
            np.testing.assert_array_equal(stored.columns[alias], values)


def test_rows_given_are_left_alone(rows: Past) -> None:
    before = {f: {a: v.copy() for a, v in r.columns.items()} for f, r in rows.items()}
    disturb(rows, replace(Pathologies.field(), spike=0.2, noise_day=1.0), np.random.default_rng(1))

    for family, found in rows.items():
        for alias, values in found.columns.items():
            np.testing.assert_array_equal(values, before[family][alias])


def test_swapped_vehicles_tell_each_others_readings_for_a_while(past: Past) -> None:
    one, other = (select_rows(past[Family.DRIVE], past[Family.DRIVE].vehicle_id == v) for v in (0, 4))
    begin, end = int(one.time_us[100]), int(one.time_us[400])
    swapped, _ = swap_vehicles(one, other, begin_us=begin, end_us=end)
    inside = (swapped.time_us >= begin) & (swapped.time_us < end)

    assert set(swapped.vehicle_id.tolist()) == {0}
    assert set(swapped.time_us[inside].tolist()) <= set(other.time_us.tolist())
    assert set(swapped.time_us[~inside].tolist()) <= set(one.time_us.tolist())


@pytest.mark.parametrize(("name", "value"), [("missing", 1.5), ("late_day", -0.1), ("skew_s", 100.0)])
def test_rate_that_cannot_be_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(FleetError, match=name):
        Pathologies(**{name: value})

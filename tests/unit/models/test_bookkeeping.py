from __future__ import annotations

import struct

import numpy as np
import pytest

from models.assess import choose, run_starts
from models.backlog import Backlog
from models.binary import arrays, parse_rows, row_type, scalars
from models.errors import ModelError, PanelError
from models.features.days import from_date, to_datetime
from models.inspect import inspect_recording
from models.partitions import COUNT, partition_of
from models.recompute import runs
from tests.unit.models import factories as make

KNOWN = np.ones(5, dtype=np.bool_)


def test_run_starts_where_the_raise_level_is_crossed() -> None:
    probability = np.array([0.1, 0.6, 0.9, 0.4, 0.3])[:, None]

    assert run_starts(probability, KNOWN)[:, 0].tolist() == [0, 1, 1, 3, 3]


def test_days_without_data_neither_break_nor_begin_a_run() -> None:
    probability = np.array([0.1, 0.6, np.nan, 0.8, 0.7])[:, None]
    known = np.array([True, True, False, True, True])

    assert run_starts(probability, known)[:, 0].tolist() == [0, 1, 1, 1, 1]


def test_told_are_the_worst_the_likely_and_those_told_before() -> None:
    assert choose(np.array([0.01, 0.3, 0.9, 0.1]), [3]) == [1, 2, 3]
    assert choose(np.array([0.02, 0.01]), []) == [0]


def test_nothing_is_told_of_a_component_that_nothing_is_known_of() -> None:
    assert choose(np.array([0.01, 0.3, 0.9, np.nan]), [3]) == [1, 2]
    assert choose(np.array([np.nan, 0.01]), []) == [1]
    assert choose(np.array([np.nan, np.nan]), [0]) == []


def test_days_far_apart_are_recomputed_piece_by_piece() -> None:
    found = runs({3, *range(100, 5100), 9000})

    assert [found[0], found[1][0], found[-1]] == [(3, 3), 100, (9000, 9000)]
    assert max(last - first for first, last in found) < 31
    assert sum(last - first + 1 for first, last in found) == 5002


SPECS = {8: make.make_spec(), 9: make.make_spec()}


def entry(
    vehicle: int, family: str = "tire", *, is_live: bool = True, days: int = 0
) -> tuple[int, str, int, int, bool]:
    from_us = make.START_US + 24 * days * make.HOUR_US
    return vehicle, family, from_us, from_us + make.HOUR_US, is_live


def test_vehicle_is_due_when_quiet_or_when_it_has_waited_long_enough() -> None:
    backlog = Backlog(pause_s=5.0)
    for second in range(15):
        backlog.add(second + 1, [entry(8)], SPECS, now_s=float(second))
        assert backlog.due(float(second), 10) == []
    assert backlog.due(15.0, 10) == [8]

    backlog.done([8], 15.0)
    backlog.add(99, [entry(8)], SPECS, now_s=15.1)

    assert backlog.due(18.0, 10) == []
    assert backlog.due(20.5, 10) == [8]


@pytest.mark.parametrize(
    ("then", "due_after_s"),
    [
        (entry(8), 60.0),
        (entry(8, days=1), 5.0),
        (entry(8, is_live=False), 5.0),
        (entry(8, days=-3, is_live=False), 5.0),
    ],
    ids=["more of the same day", "another day", "late rows", "late rows of an earlier day"],
)
def test_only_more_of_the_same_live_day_waits_for_the_long_pause(
    then: tuple[int, str, int, int, bool], due_after_s: float
) -> None:
    backlog = Backlog(pause_s=60.0)
    backlog.add(1, [entry(8)], SPECS, now_s=0.0)
    backlog.done([8], 2.0)
    backlog.add(2, [then], SPECS, now_s=2.5)

    assert backlog.due(2.0 + due_after_s - 0.1, 10) == []
    assert backlog.due(2.0 + due_after_s, 10) == [8]


def test_the_first_live_sample_after_a_back_fill_does_not_wait() -> None:
    backlog = Backlog(pause_s=60.0)
    backlog.add(1, [entry(8, is_live=False)], SPECS, now_s=0.0)
    backlog.done([8], 2.0)
    backlog.add(2, [entry(8)], SPECS, now_s=2.5)

    assert backlog.due(7.0, 10) == [8]


def test_cursor_waits_for_the_oldest_batch_not_yet_scored() -> None:
    backlog = Backlog(pause_s=0.0)
    backlog.add(5, [entry(8)], SPECS, now_s=0.0)
    backlog.add(7, [entry(9)], SPECS, now_s=0.0)
    partition = partition_of(8)

    assert backlog.reach(partition, 7, [9]) == 4
    assert backlog.reach(partition, 7, [8]) == 7
    assert partition != partition_of(9) < COUNT


def test_rows_touch_the_days_of_their_family_and_events_touch_nothing() -> None:
    backlog = Backlog(pause_s=0.0)
    backlog.add(1, [entry(8, "drive"), entry(9, "event"), entry(77)], SPECS, now_s=0.0)
    day = from_date(to_datetime(make.START_US).date())

    assert list(backlog.touched) == [8]
    assert backlog.touched[8].days == {"drive": {day}}


def test_binary_rows_are_read_as_they_were_sent() -> None:
    layout = row_type([("time", "int8", 0), ("volts", "int2", 2)])
    row = struct.pack(">hiqiiiiii", 2, 8, 123, 32, 1, 0, 21, 2, 1) + struct.pack(">ihih", 2, -5, 2, 7)
    data = b"PGCOPY\n\xff\r\n\0" + bytes(8) + row * 3 + b"\xff\xff"

    found = parse_rows(data, layout)

    assert scalars(found, "time").tolist() == [123.0] * 3
    assert arrays(found, "volts").tolist() == [[-5.0, 7.0]] * 3
    with pytest.raises(ModelError, match="not rows of"):
        parse_rows(data[:-3], layout)


def test_panel_that_does_not_fit_names_the_array() -> None:
    panel = make.make_tire_panel(np.full((2, 5, 4), 341.0))

    with pytest.raises(PanelError, match="weight"):
        type(panel)(**{**{f: getattr(panel, f) for f in panel.__slots__}, "weight": np.ones((3, 5, 4))})


def test_empty_recording_gives_no_prediction() -> None:
    assert inspect_recording([], [], make.make_spec()) == []

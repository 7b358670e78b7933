"""What only time shows: clocks, values that stand still, silent tire sensors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from data.catalogue import load_catalogue
from data.records import Family, FamilyRows
from ingest.quality_memory import VehicleMemory
from ingest.quality_watch import QualityWatch
from ingest.tally import Finding, Tally

NOW_US = 1_767_225_600_000_000
SECOND = 1_000_000


def make_watch(**overrides: int) -> QualityWatch:
    return QualityWatch(load_catalogue(), clock_limit_s=30.0, **overrides)


def make_rows(family: Family, time_s: npt.NDArray[np.floating], **columns: object) -> FamilyRows:
    n = len(time_s)
    time_us = NOW_US + (np.asarray(time_s) * 1e6).astype(np.int64)
    named = {key.replace("__", "."): np.asarray(value, np.float64) for key, value in columns.items()}
    return FamilyRows(
        family=family,
        vehicle_id=np.ones(n, np.int32),
        time_us=time_us,
        sent_us=time_us,
        received_us=time_us,
        is_hist=np.zeros(n, bool),
        columns=named,
    )


def told(watch: QualityWatch, tally: Tally) -> Tally:
    """Return what was found, told with the batch or gathered."""
    tally.counts.update(watch.take_gathered().counts)
    return tally


def drive(watch: QualityWatch, start_s: float, end_s: float, *, speed: float, voltage: object) -> Tally:
    """Let vehicle 1 report every 10 s; return what is found."""
    time_s = np.arange(start_s, end_s, 10.0)
    tally = Tally()
    rows = make_rows(
        Family.DRIVE,
        time_s,
        speed=np.full(len(time_s), speed),
        pack__voltage=np.broadcast_to(np.asarray(voltage, np.float64), len(time_s)),
    )
    watch.observe_rows({Family.DRIVE: rows}, tally)
    return told(watch, tally)


def test_a_voltage_that_stands_still_for_half_an_hour_of_driving_is_stuck() -> None:
    watch = make_watch()

    assert not drive(watch, 0, 1700, speed=60, voltage=380.0).counts
    found = drive(watch, 1700, 2000, speed=60, voltage=380.0)

    assert found.counts == {Finding(1, "pack.voltage", 0, "stuck"): 30}
    moved = drive(watch, 2000, 2300, speed=60, voltage=381.0)
    assert not moved.counts


def test_a_parked_vehicle_may_stand_still_for_ever() -> None:
    watch = make_watch()

    assert not drive(watch, 0, 20_000, speed=0, voltage=380.0).counts


def test_a_gap_of_hours_is_no_driving() -> None:
    watch = make_watch()
    drive(watch, 0, 900, speed=60, voltage=380.0)

    assert not drive(watch, 20_000, 20_600, speed=60, voltage=380.0).counts


def test_repeated_and_late_samples_prove_nothing() -> None:
    watch = make_watch()
    drive(watch, 0, 1700, speed=60, voltage=380.0)

    for _ in range(20):
        assert not drive(watch, 0, 1700, speed=60, voltage=380.0).counts


def test_half_of_the_samples_are_enough_for_the_check() -> None:
    """Two processes share a vehicle: each sees every other sample."""
    watch = make_watch()
    time_s = np.arange(0, 2000, 20.0)
    rows = make_rows(
        Family.DRIVE, time_s, speed=np.full(len(time_s), 60.0), pack__voltage=np.full(len(time_s), 380.0)
    )
    tally = Tally()
    watch.observe_rows({Family.DRIVE: rows}, tally)

    assert {f.signal for f in told(watch, tally).counts} == {"pack.voltage"}


def test_missing_values_between_neither_prove_nor_disprove() -> None:
    voltage = np.full(200, 380.0)
    voltage[::2] = np.nan
    watch = make_watch()

    found = drive(watch, 0, 2000, speed=60, voltage=voltage)

    assert found.counts == {Finding(1, "pack.voltage", 0, "stuck"): 100}


def report_tires(
    watch: QualityWatch, start_s: float, end_s: float, *, age: list[float] | None
) -> dict[Finding, int]:
    """Let vehicle 1 drive at 60 km/h and report its tires every 10 s; wheel 3 never changes."""
    time_s = np.arange(start_s, end_s, 10.0)
    n = len(time_s)
    pressure = 240 + np.arange(n)[:, None] % 5 + np.zeros((n, 4))
    pressure[:, 2] = 240.0
    columns: dict[str, object] = {"tire__pressure": pressure}
    if age is not None:
        columns["tire__age"] = np.tile(age, (n, 1))
    tally = Tally()
    speed, voltage = np.full(n, 60.0), 380 + np.arange(n) % 7
    families = {
        Family.DRIVE: make_rows(Family.DRIVE, time_s, speed=speed, pack__voltage=voltage),
        Family.TIRE: make_rows(Family.TIRE, time_s, **columns),
    }
    watch.observe_rows(families, tally)
    return dict(told(watch, tally).counts)


def test_an_old_reading_after_twenty_minutes_of_driving_is_held() -> None:
    watch = make_watch()
    assert not report_tires(watch, 0, 1000, age=[30, 30, 5000, 30])

    found = report_tires(watch, 1000, 2300, age=[30, 30, 5000, 30])

    assert found == {Finding(1, "tire.pressure", 3, "held"): 130}


def test_a_young_reading_may_repeat_itself() -> None:
    watch = make_watch()

    for start_s in range(0, 9000, 1000):
        assert not report_tires(watch, start_s, start_s + 1000, age=[30, 30, 60, 30])


def test_without_an_age_two_hours_of_driving_tell() -> None:
    watch = make_watch()
    for start_s in range(0, 7000, 1000):
        assert not report_tires(watch, start_s, start_s + 1000, age=None)

    report_tires(watch, 7000, 8000, age=None)
    found = report_tires(watch, 8000, 9000, age=None)

    assert found == {Finding(1, "tire.pressure", 3, "stuck"): 100}


def send(
    watch: QualityWatch, at_s: float, offset_s: float, *, vehicle_id: int = 1, is_live: bool = True
) -> tuple[list[tuple[int, float, bool]], int]:
    received = np.array([NOW_US + round(at_s * SECOND)])
    tally = Tally()
    told = watch.observe_messages(
        np.array([vehicle_id]), received + round(offset_s * SECOND), received, np.array([is_live]), tally
    )
    return [(t.vehicle_id, round(t.offset_s, 3), t.is_off) for t in told], sum(tally.counts.values())


def test_a_clock_an_hour_ahead_is_found_and_its_messages_are_counted() -> None:
    watch = make_watch()
    told, counted = [], 0
    for at_s in range(0, 600, 10):
        new, count = send(watch, at_s, 3600.0 - at_s % 30 / 10)
        told += new
        counted += count

    assert told == [(1, 3600.0, True)]
    assert counted == 51  # all but those before the third piece was full


def test_network_delay_is_no_clock_offset() -> None:
    watch = make_watch()
    rng = np.random.default_rng(5)
    told = []
    for at_s in range(0, 1200, 5):
        told += send(watch, at_s, -float(rng.exponential(20.0)))[0]

    assert told
    assert all(abs(offset) < 30 and not is_off for _, offset, is_off in told)


def test_a_stray_message_and_catching_up_move_no_estimate() -> None:
    watch = make_watch()
    for at_s in range(0, 600, 10):
        send(watch, at_s, -0.2)
    told = []
    for at_s in range(600, 690, 10):  # a backlog of an hour is read within minutes
        told += send(watch, at_s, -3600.0 + at_s)[0]
    told += send(watch, 690, 7200.0)[0]
    for at_s in range(700, 900, 10):
        told += send(watch, at_s, -0.2)[0]

    assert all((offset, is_off) == (-0.2, False) for _, offset, is_off in told)


def test_messages_out_of_the_store_tell_nothing_of_the_clock() -> None:
    watch = make_watch()

    for at_s in range(0, 600, 10):
        assert send(watch, at_s, -86_400.0, is_live=False) == ([], 0)


def test_findings_are_told_once_a_minute_and_none_is_lost() -> None:
    watch, told = make_watch(), []
    for at_s in range(0, 200, 5):
        tally = Tally()
        received = np.array([NOW_US + at_s * SECOND])
        watch.observe_messages(np.array([1]), received, received, np.array([True]), tally)
        tally.counts[Finding(1, "soc", 0, "invalid")] += 1
        watch.observe_rows({}, tally)
        told.append(sum(tally.counts.values()))

    assert [count for count in told if count] == [1, 12, 12, 12]
    assert sum(told) + sum(watch.take_gathered().counts.values()) == 40


def test_vehicles_heard_from_longest_ago_are_forgotten() -> None:
    blank = np.zeros(1, np.dtype([("vehicle_id", np.int64), ("heard_us", np.int64), ("x", np.float64)]))
    memory = VehicleMemory(blank, limit=100)
    for number in range(1000):
        at = memory.rows_of(np.array([number]), number)
        memory.table["x"][at] = number

    assert len(memory) <= 100
    recent = memory.rows_of(np.arange(995, 1000), 1001)
    assert memory.table["x"][recent].tolist() == [995, 996, 997, 998, 999]


@pytest.mark.parametrize("count", [1, 250])
def test_a_batch_of_more_vehicles_than_the_limit_is_still_followed(count: int) -> None:
    blank = np.zeros(1, np.dtype([("vehicle_id", np.int64), ("heard_us", np.int64)]))
    memory = VehicleMemory(blank, limit=100)

    at = memory.rows_of(np.arange(count), 1)

    assert memory.table["vehicle_id"][at].tolist() == list(range(count))

"""What the latency benchmark makes of what it saw: stages from commit to commit, missed, extra."""

from __future__ import annotations

from alerts.bench.latency import Passage, summarise

ALARM = Passage(vin="A", kind="alarm", published=100.0, committed=100.2, ordered=100.5, pushed=100.6)
RULE = Passage(
    vin="B", kind="insulation", published=200.0, committed=200.1, predicted=200.3, ordered=200.7, pushed=200.8
)


def test_a_stage_lasts_from_the_end_of_the_one_before():
    found = summarise([RULE], told={("B", "1")})

    assert {name: round(stage["p50_ms"]) for name, stage in found["stages"].items()} == {
        "committed": 100,
        "predicted": 200,
        "ordered": 400,
        "pushed": 100,
    }
    assert found["p99_ms"] == 800.0


def test_an_alarm_of_the_vehicle_has_no_prediction_between():
    found = summarise([ALARM], told={("A", "1")})

    assert found["stages"]["predicted"]["p50_ms"] is None
    assert round(found["stages"]["ordered"]["p50_ms"]) == 300


def test_kinds_are_told_apart():
    found = summarise([ALARM, RULE], told={("A", "1"), ("B", "2")})

    assert (found["kinds"]["alarm"]["p50_ms"], found["kinds"]["insulation"]["p50_ms"]) == (600.0, 800.0)
    assert (found["hazards"], found["missed"], found["extra"]) == (2, 0, 0)


def test_a_hazard_without_its_push_is_missed_and_not_counted_as_quick():
    lost = Passage(vin="C", kind="alarm", published=1.0, committed=1.1, ordered=1.2)
    found = summarise([ALARM, lost], told={("A", "1"), ("C", "2")})

    assert (found["missed"], found["p99_ms"]) == (1, 600.0)


def test_orders_of_vehicles_without_hazard_and_second_orders_are_extra():
    found = summarise([ALARM], told={("A", "1"), ("A", "2"), ("Z", "3")})

    assert found["extra"] == 2

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from alerts.dispatch.arrivals import Arrival, Awaited, Supply
from alerts.dispatch.jobs import Job, JobPart
from alerts.dispatch.part_rules import parse_parts
from alerts.dispatch.stations import Occupancy
from alerts.dispatch.supply import supply_of, with_transfers
from alerts.errors import PolicyError
from alerts.rules import load_policy
from tests.unit.alerts.test_stations import make_station

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
RULE = load_policy().parts
JOB = Job(
    operations=(),
    parts=(JobPart(sku="KIT", name_en="Kit", name_zh="套件", qty=2, unit_price=Decimal(1)),),
    needs_hv=False,
)


def hours(count: float) -> datetime:
    return NOW + timedelta(hours=count)


def coming(arrival_id: int = 1, *, at: float, spread_h: float = 2.0, free: int = 2) -> Arrival:
    return Arrival(arrival_id=arrival_id, sku="KIT", free=free, expected_at=hours(at), spread_h=spread_h)


def test_an_arrival_is_late_with_the_normal_distribution() -> None:
    arrival = coming(at=10)

    assert arrival.p_after(hours(10), NOW) == pytest.approx(0.5)
    assert arrival.p_after(hours(12), NOW) == pytest.approx(0.1587, abs=1e-4)
    assert arrival.p_after(arrival.sure_at(RULE, NOW), NOW) == pytest.approx(1 - RULE.certainty)


def test_what_is_certain_is_there_at_its_time_and_not_before() -> None:
    arrival = coming(at=10, spread_h=0)

    assert (arrival.p_after(hours(10), NOW), arrival.p_after(hours(9.9), NOW)) == (0, 1)


def test_what_is_overdue_is_expected_now_and_not_in_the_past() -> None:
    assert coming(at=-5).due(NOW) == NOW


def test_the_shelf_comes_first_then_the_arrival_that_is_surely_there_first() -> None:
    early_but_vague, sure = coming(1, at=8, spread_h=10), coming(2, at=12, spread_h=1)
    few = coming(3, at=1, free=1)

    on_shelf = supply_of(JOB, Occupancy(stock={"KIT": 2}, arrivals=(sure,)), RULE, NOW)
    on_its_way = supply_of(JOB, Occupancy(stock={"KIT": 1}, arrivals=(early_but_vague, sure, few)), RULE, NOW)

    assert on_shelf == Supply(job=JOB)
    assert on_its_way == Supply(job=JOB, arrivals=(sure,))
    assert supply_of(JOB, Occupancy(arrivals=(few,)), RULE, NOW) == (
        "no_part",
        "Kit not in stock",
        "套件缺货",
    )


@pytest.mark.parametrize(
    ("at", "spread_h", "is_late"),
    [
        (12.0, 1.0, False),  # as promised
        (15.0, 3.0, False),  # slipped by less than four hours
        (17.0, 3.0, True),  # by more, and not sure any more
        (17.0, 0.1, False),  # by more, and there in time all the same
        (18.5, 0.1, True),  # after the begin
    ],
)
def test_an_appointment_at_18_h_that_was_promised_its_part_for_12_h(
    at: float, spread_h: float, is_late: bool
) -> None:
    awaited = Awaited(arrival=coming(at=at, spread_h=spread_h), promised_at=hours(12), is_cancelled=False)

    assert awaited.is_late_for(hours(18), RULE, NOW) is is_late


def test_a_certainty_below_one_half_and_a_negative_slip_are_refused() -> None:
    for field, value in (("certainty", 0.4), ("certainty", 1.0), ("slip_h", -1.0)):
        with pytest.raises(PolicyError, match=f"parts.{field}"):
            parse_parts({**asdict(RULE), field: value})


def test_a_substitute_on_the_shelf_comes_before_the_part_on_its_way_and_is_named_with_its_price() -> None:
    (kit,) = JOB.parts
    other = replace(kit, sku="KIT-B", unit_price=Decimal(3))
    job = replace(JOB, parts=(replace(kit, substitutes=(other,)),))
    there = Occupancy(stock={"KIT": 1, "KIT-B": 2}, arrivals=(coming(at=4),))

    assert supply_of(job, there, RULE, NOW) == Supply(job=replace(JOB, parts=(other,)))
    by_van = supply_of(job, there, RULE, NOW, may_substitute=False)
    assert isinstance(by_van, Supply)
    assert [a.arrival_id for a in by_van.arrivals] == [1]


def test_the_nearest_station_with_pieces_to_spare_sends_them() -> None:
    here, near, far = make_station(1, 0), make_station(2, 30), make_station(3, 60)
    known = {2: Occupancy(stock={"KIT": 2}), 3: Occupancy(stock={"KIT": 9})}

    (sent,) = with_transfers(JOB, here, known, [far, here, near], RULE, now=NOW).arrivals

    assert (sent.arrival_id, sent.from_station_id, sent.free) == (None, 2, 2)
    assert sent.expected_at == pytest.approx(
        hours(RULE.handling_h + 30 / RULE.transfer_km_per_h), abs=timedelta(minutes=5)
    )
    assert with_transfers(JOB, here, {2: Occupancy(stock={"KIT": 1})}, [near], RULE, now=NOW).arrivals == ()

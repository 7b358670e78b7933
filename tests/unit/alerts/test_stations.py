from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from alerts.jobs import Job, JobPart, Operation
from alerts.network import Network
from alerts.pricing import price
from alerts.rules import load_policy
from alerts.slots import Period
from alerts.stations import (
    Avoid,
    Bay,
    NoPlan,
    Occupancy,
    Place,
    Plan,
    Station,
    Taken,
    Technician,
    plan,
    remaining_range_km,
)
from alerts.ways import distance_km
from data.records import Severity

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)  # Tuesday 10:00 in Shanghai
POLICY = load_policy()
DAILY = tuple(Period(weekday=d, start_minute=8 * 60, end_minute=18 * 60) for d in range(1, 8))
OPERATION = Operation(
    operation="tire-repair",
    name_en="Repair tire",
    name_zh="修补轮胎",
    hours=Decimal("0.5"),
    skill="T1",
    bay_kind="tire",
)
PART = JobPart(sku="KIT", name_en="Kit", name_zh="套件", qty=1, unit_price=Decimal("38.00"))
JOB = Job(operations=(OPERATION,), parts=(PART,), needs_hv=False)
HOME = Place(lat=31.0, lon=121.0, is_estimated=False)


def make_station(number: int = 1, km_east: float = 0.0, **overrides: Any) -> Station:
    base = Station(
        station_id=number,
        code=f"S{number}",
        name_en=f"Station {number}",
        name_zh=f"{number} 号站",
        address="",
        lat=31.0,
        lon=121.0 + km_east / 95.3,
        time_zone="Asia/Shanghai",
        has_hv_certificate=False,
        labour_rate=Decimal("180.00"),
        currency="CNY",
        tax_rate=Decimal("0.13"),
        hours=DAILY,
        bays=(Bay(bay_id=10 * number, name="T1", kinds=frozenset({"tire"})),),
        technicians=(Technician(technician_id=10 * number, name="A", skills=frozenset({"T1"}), shift=DAILY),),
    )
    return replace(base, **overrides)


def find(
    stations: list[Station],
    *,
    job: Job = JOB,
    taken: list[Taken] | None = None,
    place: Place = HOME,
    severity: Severity = Severity.S3,
    empty: tuple[int, ...] = (),
    asked: list[int] | None = None,
    avoid: Avoid | None = None,
) -> Plan | NoPlan:
    network = Network(tuple(stations), {})

    def look(those: Sequence[Station]) -> dict[int, Occupancy]:
        station_ids = [s.station_id for s in those]
        if asked is not None:
            asked.extend(station_ids)
        return {n: Occupancy(taken=taken or [], stock={} if n in empty else {"KIT": 3}) for n in station_ids}

    return plan(
        job,
        place,
        stations,
        look,
        road_km=distance_km(place.lat, place.lon, network.lats, network.lons) * 1.3,
        worked=network.work_times.mask,
        rule=POLICY.order,
        urgency=POLICY.severities[severity],
        deadline=POLICY.deadline(severity, NOW),
        now=NOW,
        avoid=avoid,
    )


def test_distances_agree_with_known_cities() -> None:
    shanghai_beijing, here = distance_km(
        31.2304, 121.4737, np.array([39.9042, 31.2304]), np.array([116.4074, 121.4737])
    )

    assert shanghai_beijing == pytest.approx(1067, abs=3)
    assert here == 0


def test_the_nearest_feasible_station_wins_and_the_nearer_ones_are_named_with_their_reason() -> None:
    found = find(
        [
            make_station(1, 30),
            make_station(2, 2),
            make_station(3, 4, technicians=()),
            make_station(4, 6, bays=()),
            make_station(5, 20),
        ],
        empty=(2,),
    )

    assert isinstance(found, Plan)
    assert found.station.code == "S5"
    assert [(p.station.code, p.code) for p in found.passed_over] == [
        ("S2", "no_part"),
        ("S3", "no_skill"),
        ("S4", "no_bay"),
    ]
    assert found.distance_km == pytest.approx(26, abs=0.2)


def test_high_voltage_work_needs_the_certificate() -> None:
    found = find(
        [make_station(1, 2), make_station(2, 9, has_hv_certificate=True)], job=replace(JOB, needs_hv=True)
    )

    assert isinstance(found, Plan)
    assert (found.station.code, found.passed_over[0].code) == ("S2", "no_certificate")


def test_an_appointment_lies_in_the_future_on_a_quarter_and_lasts_the_planned_time() -> None:
    found = find([make_station(1, 20)])

    assert isinstance(found, Plan)
    assert found.start >= NOW + timedelta(hours=2) + timedelta(hours=26 / 40)
    assert found.start.minute % 15 == 0
    assert found.end - found.start == timedelta(minutes=45)  # 0.5 h x 1.15 = 34.5 min


def test_a_busy_nearer_station_is_passed_over_only_where_the_deadline_would_be_missed() -> None:
    near, far = make_station(1, 1), make_station(2, 10)
    two_days = [Taken(bay_id=10, technician_id=10, start=NOW, end=NOW + timedelta(days=2))]

    relaxed, urgent = (
        find([near, far], taken=two_days),
        find([near, far], taken=two_days, severity=Severity.S2),
    )

    assert isinstance(relaxed, Plan)
    assert isinstance(urgent, Plan)
    assert (relaxed.station.code, urgent.station.code) == ("S1", "S2")
    assert urgent.passed_over[0].code == "no_slot"


def test_a_late_appointment_is_better_than_none_and_says_that_it_is_late() -> None:
    taken = [Taken(bay_id=10, technician_id=10, start=NOW, end=NOW + timedelta(days=2))]
    found = find([make_station()], taken=taken, severity=Severity.S2)

    assert isinstance(found, Plan)
    assert found.is_late


def test_a_station_that_gave_the_work_back_is_asked_last_and_for_another_time() -> None:
    avoid = Avoid(station_id=1, until=NOW + timedelta(hours=5))
    elsewhere = find([make_station(1), make_station(2, 20)], avoid=avoid)
    alone = find([make_station(1)], avoid=avoid)

    assert isinstance(elsewhere, Plan)
    assert isinstance(alone, Plan)
    assert elsewhere.station.code == "S2"
    assert [p.code for p in elsewhere.passed_over] == ["gave_back"]
    assert (alone.station.code, alone.start) == ("S1", avoid.until)


def test_a_vehicle_is_not_sent_further_than_it_can_drive_but_may_be_towed() -> None:
    stations = [make_station(1, 40)]
    nearly_empty = replace(HOME, range_km=20.0)

    refused, towed = (
        find(stations, place=nearly_empty),
        find(stations, place=nearly_empty, severity=Severity.S1),
    )

    assert isinstance(refused, NoPlan)
    assert refused.reason == "no station can do it: 1 too far"
    assert isinstance(towed, Plan)


def test_range_keeps_a_reserve_and_a_margin() -> None:
    assert remaining_range_km(POLICY.order, soc_percent=60, energy_kwh=50) == pytest.approx(0.8 * 25 / 0.2)
    assert remaining_range_km(POLICY.order, soc_percent=5, energy_kwh=50) == 0


def test_the_least_special_bay_and_technician_are_used_first() -> None:
    special = Bay(bay_id=1, name="H1", kinds=frozenset({"tire", "hv", "lift"}))
    master = Technician(technician_id=1, name="M", skills=frozenset({"T1", "HV3"}), shift=DAILY)
    plain = make_station(9)
    found = find([replace(plain, bays=(special, *plain.bays), technicians=(master, *plain.technicians))])

    assert isinstance(found, Plan)
    assert (found.bay.bay_id, found.technician.technician_id) == (90, 90)


def test_no_station_at_all_is_a_reason() -> None:
    assert find([]) == NoPlan(reason="no station is registered", passed_over=())


def test_a_price_is_itemised_and_rounded_half_up() -> None:
    operation = replace(OPERATION, hours=Decimal("0.7"))
    quote = price(
        Job(
            operations=(operation,),
            parts=(replace(PART, qty=2, unit_price=Decimal("12.35")),),
            needs_hv=False,
        ),
        labour_rate=Decimal("175.55"),
        tax_rate=Decimal("0.13"),
        currency="CNY",
    )

    assert [(line.kind, line.amount) for line in quote.lines] == [
        ("labour", Decimal("122.89")),
        ("part", Decimal("24.70")),
        ("tax", Decimal("19.19")),
    ]
    assert quote.total == Decimal("166.78")
    assert quote.lines[-1].text_en == "Value added tax 13 %"


def test_only_stations_that_come_into_question_are_asked_about() -> None:
    asked: list[int] = []
    stations = [make_station(n, n, bays=() if n == 1 else make_station(n).bays) for n in range(1, 30)]

    found = find(stations, asked=asked)

    assert isinstance(found, Plan)
    assert found.station.code == "S2"
    assert asked == [2, 3, 4, 5]

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from alerts.dispatch.jobs import Job, JobPart, Operation
from alerts.dispatch.modes import Reach, energy_reach_km, tire_reach_km, ways_for
from alerts.dispatch.network import Network
from alerts.dispatch.search import Aims, plan_any
from alerts.dispatch.slots import Period
from alerts.dispatch.stations import (
    Avoid,
    Bay,
    NoPlan,
    Occupancy,
    Place,
    Plan,
    Station,
    Taken,
    Technician,
)
from alerts.dispatch.ways import distance_km
from alerts.prices.pricing import price
from alerts.rules import Mode, load_policy
from data.records import Severity
from data.warranty import Warranty
from tests.unit.alerts.covers import make_cover

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
    wish: Mode | None = None,
    preferred_id: int | None = None,
) -> Plan | NoPlan:
    network = Network(tuple(stations), {})

    def look(those: Sequence[Station]) -> dict[int, Occupancy]:
        station_ids = [s.station_id for s in those]
        if asked is not None:
            asked.extend(station_ids)
        return {n: Occupancy(taken=taken or [], stock={} if n in empty else {"KIT": 3}) for n in station_ids}

    urgency = POLICY.severities[severity]
    aims = Aims(
        parts=POLICY.parts,
        rule=POLICY.order,
        cost=POLICY.cost,
        notice_h=urgency.notice_h,
        deadline=POLICY.deadline(severity, NOW),
        now=NOW,
        avoid=avoid,
        preferred_id=preferred_id,
    )
    return plan_any(
        job,
        stations,
        look,
        ways=ways_for(job, urgency.modes, POLICY.order, place.reach, wish=wish),
        aims=aims,
        road_km=distance_km(place.lat, place.lon, network.lats, network.lons) * 1.3,
        worked=network.work_times.mask,
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
    nearly_empty = replace(HOME, reach=Reach(energy_km=20.0))

    driven, towed, refused = (
        find(stations),
        find(stations, place=nearly_empty),
        find([make_station(1, 400)]),
    )

    assert isinstance(driven, Plan)
    assert isinstance(towed, Plan)
    assert (driven.mode, towed.mode) == (Mode.DRIVE_IN, Mode.TOW)
    assert isinstance(refused, NoPlan)
    assert refused.reason == "no station can do it: 1 too far"


def test_range_keeps_a_reserve_and_a_margin() -> None:
    assert energy_reach_km(POLICY.order, soc_percent=60, energy_kwh=50) == pytest.approx(0.8 * 25 / 0.2)
    assert energy_reach_km(POLICY.order, soc_percent=5, energy_kwh=50) == 0


def test_frost_and_an_old_battery_shorten_the_way() -> None:
    mild = energy_reach_km(POLICY.order, soc_percent=60, energy_kwh=50, ambient_c=25.0)
    frost = energy_reach_km(POLICY.order, soc_percent=60, energy_kwh=50, ambient_c=-10.0)
    old = energy_reach_km(POLICY.order, soc_percent=60, energy_kwh=50, soh_percent=80.0)

    assert frost == pytest.approx(mild / 1.3)
    assert old == pytest.approx(0.8 * mild)


def test_a_leaking_tire_limits_the_way_by_the_time_it_has_left() -> None:
    flat = find([make_station(1, 5)], place=replace(HOME, reach=Reach(energy_km=300.0, tire_km=2.0)))

    assert tire_reach_km(POLICY.order, hours_left=0.5) == pytest.approx(20.0)
    assert tire_reach_km(POLICY.order, hours_left=-1.0) == 0
    assert isinstance(flat, Plan)
    assert flat.mode is Mode.TOW


def test_the_owners_own_station_comes_first_as_long_as_it_is_in_time() -> None:
    near, own = make_station(1, 2), make_station(2, 20)
    full = [Taken(bay_id=20, technician_id=20, start=NOW, end=NOW + timedelta(days=8))]

    chosen, elsewhere = find([near, own], preferred_id=2), find([near, own], preferred_id=2, taken=full)

    assert isinstance(chosen, Plan)
    assert isinstance(elsewhere, Plan)
    assert (chosen.station.code, elsewhere.station.code) == ("S2", "S1")
    assert [(p.station.code, p.code) for p in chosen.passed_over] == [("S1", "not_preferred")]
    assert elsewhere.passed_over == ()


def test_a_station_with_poor_ratings_is_taken_only_where_no_other_is_in_time() -> None:
    poor, fair = make_station(1, 2, stars=2.4), make_station(2, 20, stars=3.0)

    chosen, alone = find([poor, fair]), find([poor])

    assert isinstance(chosen, Plan)
    assert isinstance(alone, Plan)
    assert (chosen.station.code, alone.station.code) == ("S2", "S1")
    assert [(p.code, p.reason_en) for p in chosen.passed_over] == [("low_rating", "rated 2.4 of 5")]


def test_of_late_appointments_the_one_that_costs_least_is_taken() -> None:
    taken = [
        Taken(bay_id=n * 10, technician_id=n * 10, start=NOW, end=NOW + timedelta(days=2)) for n in (1, 2)
    ]
    taken.append(Taken(bay_id=10, technician_id=10, start=NOW, end=NOW + timedelta(days=2, hours=1)))

    found = find([make_station(1, 2), make_station(2, 100)], taken=taken, severity=Severity.S2)

    assert isinstance(found, Plan)
    assert found.is_late
    assert found.station.code == "S1"  # an hour later, but 127 km nearer


VAN = Technician(
    technician_id=99, name="V", skills=frozenset({"T1"}), shift=DAILY, carries=frozenset({"KIT", "TIRE"})
)
ON_THE_ROAD = replace(JOB, mobile_fix=0.9)


def test_a_van_comes_where_it_can_do_the_work_and_needs_no_bay() -> None:
    found = find([make_station(1, 10, technicians=(VAN,), bays=())], job=ON_THE_ROAD)

    assert isinstance(found, Plan)
    assert (found.mode, found.bay, found.technician) == (Mode.MOBILE, None, VAN)
    assert found.end - found.start == timedelta(minutes=45)
    way = timedelta(minutes=30)  # 13 km at 40 km/h: 19.5 min, in quarters of an hour
    assert found.busy == (found.start - way, found.end + way)


@pytest.mark.parametrize(
    ("job", "van"),
    [
        (JOB, VAN),
        (replace(JOB, mobile_fix=0.84), VAN),
        (ON_THE_ROAD, replace(VAN, carries=frozenset({"TIRE"}))),
        (ON_THE_ROAD, replace(VAN, skills=frozenset({"T2"}))),
        (ON_THE_ROAD, replace(VAN, carries=None)),
    ],
    ids=["never", "seldom", "part", "skill", "no van"],
)
def test_no_van_is_sent_for_what_it_can_hardly_do(job: Job, van: Technician) -> None:
    base = make_station(1, 10)

    found = find([replace(base, technicians=(van, *base.technicians))], job=job)

    assert isinstance(found, Plan)
    assert found.mode is Mode.DRIVE_IN


def test_who_drives_a_van_does_no_work_at_the_station() -> None:
    found = find([make_station(1, 10, technicians=(VAN,))])

    assert isinstance(found, NoPlan)
    assert found.passed_over[0].code == "no_skill"


def test_what_must_not_be_driven_gets_a_van_or_a_tow_never_a_drive() -> None:
    base = make_station(1, 10)
    with_van = replace(base, technicians=(VAN, *base.technicians))

    van, tow = (find([s], job=ON_THE_ROAD, severity=Severity.S1) for s in (with_van, base))

    assert isinstance(van, Plan)
    assert isinstance(tow, Plan)
    assert (van.mode, tow.mode) == (Mode.MOBILE, Mode.TOW)


def test_an_owner_may_drive_in_where_a_van_would_come_or_have_the_vehicle_fetched() -> None:
    base = make_station(1, 10, fees={Mode.PICKUP: Decimal(40)})
    with_van = replace(base, technicians=(VAN, *base.technicians))

    modes = {
        wish: getattr(find([with_van], job=ON_THE_ROAD, wish=wish), "mode", None)
        for wish in (None, Mode.DRIVE_IN, Mode.MOBILE, Mode.PICKUP)
    }
    towed = find([base], severity=Severity.S0, wish=Mode.DRIVE_IN)

    assert modes == {
        None: Mode.MOBILE,
        Mode.DRIVE_IN: Mode.DRIVE_IN,
        Mode.MOBILE: Mode.MOBILE,
        Mode.PICKUP: Mode.PICKUP,
    }
    assert isinstance(towed, Plan)
    assert towed.mode is Mode.TOW


def test_a_burning_battery_goes_to_a_quarantine_bay_only() -> None:
    hv = replace(JOB, needs_hv=True, extra_bay_kind="quarantine")
    bay = Bay(bay_id=7, name="Q", kinds=frozenset({"tire", "quarantine"}))
    plain = make_station(1, 2, has_hv_certificate=True)

    found = find(
        [plain, make_station(2, 9, has_hv_certificate=True, bays=(bay,))], job=hv, severity=Severity.S0
    )

    assert isinstance(found, Plan)
    assert (found.bay, found.passed_over[0].code) == (bay, "no_bay")


def test_the_way_has_a_line_of_its_own_in_the_price() -> None:
    quote = price(
        JOB,
        labour_rate=Decimal("180.00"),
        tax_rate=Decimal("0.13"),
        currency="CNY",
        cover=make_cover(fault=Warranty.WEAR),
        fee=(Mode.TOW, Decimal("300.00")),
    )

    assert [(line.kind, line.code, line.amount) for line in quote.lines[2:]] == [
        ("fee", "tow", Decimal("300.00")),
        ("tax", "vat", Decimal("55.64")),
    ]


def test_the_least_special_bay_and_technician_are_used_first() -> None:
    special = Bay(bay_id=1, name="H1", kinds=frozenset({"tire", "hv", "lift"}))
    master = Technician(technician_id=1, name="M", skills=frozenset({"T1", "HV3"}), shift=DAILY)
    plain = make_station(9)
    found = find([replace(plain, bays=(special, *plain.bays), technicians=(master, *plain.technicians))])

    assert isinstance(found, Plan)
    assert found.bay == plain.bays[0]
    assert found.technician.technician_id == 90


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
        cover=make_cover(fault=Warranty.WEAR),
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

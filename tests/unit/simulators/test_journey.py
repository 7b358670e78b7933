"""The life of an order as owner and station live it: what is found, what is asked for, when it gives up."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from data.records import Severity, Truth, Vin
from simulators.errors import JourneyError, RefusalError
from simulators.journey import Found, Journey, ask_longer, find_truth

ONSET = datetime(2026, 1, 5, tzinfo=UTC)
VIN = Vin("LAXSM4A07VA000034")


def truth(component: str, *, is_fault: bool = True) -> Truth:
    return Truth(
        vehicle=0,
        vin=VIN,
        component=component,
        kind="tire_slow_leak",
        is_fault=is_fault,
        onset=ONSET,
        threshold_at=None,
        failure_at=None,
        severity=Severity.S3,
        magnitude=3.93217,
        unit="kPa/day",
    )


def test_the_technician_finds_what_was_injected():
    found = find_truth([truth("tire rear-left")], vin=VIN, component="tire rear-left")

    assert found.as_action() == {
        "outcome": "confirmed",
        "cause": "tire slow leak",
        "measured_value": 3.932,
        "measured_unit": "kPa/day",
        "onset": "2026-01-05T00:00:00+00:00",
    }


@pytest.mark.parametrize("row", [truth("tire rear-left", is_fault=False), truth("tire front-left")])
def test_the_technician_finds_nothing_in_a_decoy_or_in_another_component(row: Truth):
    assert find_truth([row], vin=VIN, component="tire rear-left").as_action() == {"outcome": "no_fault_found"}


def line(kind: str, code: str, qty: str, unit_price: str) -> dict[str, str]:
    amount = f"{float(qty) * float(unit_price):.2f}"
    return {"kind": kind, "code": code, "qty": qty, "unit_price": unit_price, "amount": amount}


@pytest.mark.parametrize(("hours", "part_price"), [("0.5", "20.00"), ("0.6", "900.00"), ("8", "12000.00")])
def test_the_station_asks_for_so_many_more_hours_that_the_owner_must_agree(hours: str, part_price: str):
    agreed = [
        line("labour", "a", hours, "160.00"),
        line("part", "b", "2", part_price),
        line("tax", "vat", "0.13", "100"),
    ]
    asked = ask_longer(agreed)

    prices = {"a": 160.0, "b": float(part_price)}
    before, after = (
        sum(float(item["qty"]) * prices[item["code"]] for item in lines if item["code"] in prices)
        for lines in (agreed, asked)
    )
    assert [item["code"] for item in asked] == ["a", "b"]
    assert asked[1]["qty"] == "2.00"
    assert after > before * 1.10


class Site:
    """An API where everything is refused with one status; the order stays offered."""

    def __init__(self, status: int) -> None:
        self.status, self.posts = status, 0

    def get(self, path: str) -> dict[str, Any]:
        return {"state": "offered", "version": 1, "waiting_reason": None}

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        self.posts += 1
        raise RefusalError(self.status, "the slot is taken")


@pytest.mark.parametrize(("status", "posts"), [(422, 1), (403, 1)])
def test_a_refusal_that_cannot_pass_ends_the_journey_with_its_reason(status: int, posts: int):
    site = Site(status)

    with pytest.raises(JourneyError, match=f"order 7 stays offered: the slot is taken .status {status}"):
        Journey(order_id=7, owner=site, station=site, found=Found()).run(threading.Event())

    assert site.posts == posts


def test_a_conflict_is_tried_again_until_somebody_stops():
    site, stop = Site(409), threading.Event()
    stop.set()

    with pytest.raises(JourneyError, match="stays offered"):
        Journey(order_id=7, owner=site, station=site, found=Found()).run(stop)

"""The demo's story: who can log in where, and for which order."""

from __future__ import annotations

from simulators.store import OrderVehicle
from simulators.story import Access, find_first_placed


def order(order_id: int, *, owner_id: int | None = 7, station_id: int | None = 3) -> OrderVehicle:
    return OrderVehicle(
        order_id=order_id,
        vin="LAXSM4A07VA000034",
        component="tire rear-left",
        failure_mode="tire_slow_leak",
        owner_id=owner_id,
        station_id=station_id,
    )


def test_the_pages_open_for_the_oldest_order_that_an_owner_can_answer_and_a_station_can_do():
    orders = [order(4), order(2), order(1, station_id=None), order(3)]

    assert find_first_placed(orders) == order(2)


def test_no_page_opens_while_no_order_has_both():
    assert find_first_placed([]) is None
    assert find_first_placed([order(1, owner_id=None), order(2, station_id=None)]) is None


def test_a_login_is_told_with_the_page_where_it_is_used():
    access = Access(role="owner", path="/owner", password="secret", sees="answer order 1 here")

    assert access.tell("http://127.0.0.1:8080") == (
        "owner page: http://127.0.0.1:8080/owner  login owner  password secret  (answer order 1 here)"
    )

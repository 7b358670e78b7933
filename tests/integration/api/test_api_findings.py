"""What could wait is ordered when its owner asks: whose it is, what they see of it, what the page shows."""

from __future__ import annotations

import pytest

from data.db import transaction
from tests.api_world import MINE, NOBODYS, insert_finding


@pytest.mark.parametrize("caller", ["owner", "operations"])
def test_those_who_may_decide_ask_for_an_appointment(world, caller):
    alert_id = insert_finding(world.pool, MINE)

    answer = world.client(caller).post(f"/api/v1/alerts/{alert_id}/order")

    assert (answer.status_code, answer.json()["order_id"]) == (200, 1)
    ((asked),) = world.commands.requests
    assert (asked["alert_id"], asked["actor"]) == (alert_id, f"{caller}:{caller}")


def test_nobody_asks_for_what_is_not_theirs(world):
    alert_id = insert_finding(world.pool, NOBODYS)

    answers = [world.client("owner").post(f"/api/v1/alerts/{n}/order") for n in (alert_id, 999)]

    assert [a.status_code for a in answers] == [404, 404]
    assert world.commands.requests == []


def test_the_owners_page_shows_what_can_wait_with_a_way_to_ask(world):
    alert_id = insert_finding(world.pool, MINE)

    page = world.client("owner").get("/owner").text

    assert f'action="/alerts/{alert_id}/order"' in page


def test_an_order_tells_what_else_was_looked_at_for_its_visit(world):
    alert_id = insert_finding(world.pool, MINE)
    with transaction(world.pool) as connection:
        connection.execute(
            "INSERT INTO visit_findings (visit_id, alert_id, reason, at)"
            " VALUES (1, %s, 'nothing is free there right after the visit', now())",
            (alert_id,),
        )

    order = world.client("station").get("/api/v1/orders/1").json()
    page = world.client("station").get("/orders/1").text

    (beside,) = order["work"]["beside"]
    assert (beside["failure_mode"], beside["order_id"]) == ("battery_capacity_fade", None)
    assert order["work"]["visit_id"] is None
    assert "nothing is free there right after the visit" in page

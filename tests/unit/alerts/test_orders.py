from itertools import pairwise

import pytest

from alerts.errors import InvalidTransition
from alerts.orders.states import ENDED, NEXT, PRE_WORK, OrderState, check_transition, idempotency_key
from data.records import Severity


def test_the_whole_way_from_prediction_to_closing_is_legal() -> None:
    way = [
        "predicted", "triaged", "offered", "booked", "checked_in", "diagnosing", "estimated", "approved",
        "parts_reserved", "assigned", "in_progress", "paused", "in_progress", "qc", "rework",
        "in_progress", "qc", "ready", "invoiced", "paid", "closed",
    ]  # fmt: skip
    for here, there in pairwise(way):
        check_transition(OrderState(here), OrderState(there))


def test_an_order_can_be_cancelled_until_work_begins() -> None:
    assert all(OrderState.CANCELLED in NEXT[state] for state in PRE_WORK)
    with pytest.raises(InvalidTransition, match="in_progress -> cancelled: possible from here: estimated"):
        check_transition(OrderState.IN_PROGRESS, OrderState.CANCELLED)


@pytest.mark.parametrize("state", [OrderState.CLOSED, OrderState.CANCELLED, OrderState.DECLINED])
def test_what_is_over_stays_over(state: OrderState) -> None:
    assert state in ENDED
    with pytest.raises(InvalidTransition, match="it is over"):
        check_transition(state, OrderState.BOOKED)


def test_every_state_can_be_reached_and_has_its_successors() -> None:
    reached = {OrderState.PREDICTED}.union(*NEXT.values())

    assert set(OrderState) == reached == set(NEXT)


def test_an_alert_opens_one_order_for_each_urgency() -> None:
    keys = {idempotency_key(1, "cell 82", alert, s) for alert in (1, 2) for s in (Severity.S3, Severity.S2)}

    assert len(keys) == 4
    assert idempotency_key(1, "cell 82", 1, Severity.S3) in keys

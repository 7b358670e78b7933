from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from alerts.errors import InvalidDetails, InvalidTransition
from alerts.orders.states import ENDED, OrderState
from alerts.prices.pricing import PriceLine, Quote
from alerts.work.actions import (
    FIELDS,
    FROM,
    Action,
    Details,
    EstimateLine,
    Outcome,
    check_action,
    check_details,
    digest_of,
    next_actions,
)
from alerts.work.estimates import is_approval_needed


def priced(kind: str, code: str, qty: str) -> PriceLine:
    return PriceLine(
        kind=kind,
        code=code,
        text_en="",
        text_zh="",
        qty=Decimal(qty),
        unit_price=Decimal(1),
        amount=Decimal(1),
    )


LABOUR = priced("labour", "tire-repair", "0.5")
PART = priced("part", "TIRE-REPAIR-KIT", "1")
FEE = priced("fee", "tow", "1")


def make_line(kind: str, qty: str) -> EstimateLine:
    return EstimateLine(kind=kind, code="x", qty=Decimal(qty))


def test_every_action_has_its_states_and_fields() -> None:
    assert set(FROM) == set(Action) == set(FIELDS)


def test_an_order_that_is_over_can_only_be_closed() -> None:
    possible = {action for state in ENDED for action in next_actions(state, has_begun=True)}

    assert possible == {Action.CLOSE}


def test_what_is_not_possible_is_refused_with_what_is() -> None:
    with pytest.raises(InvalidTransition, match="the order is ready; possible now: invoice"):
        check_action(Action.PAY, OrderState.READY, has_begun=True)


def test_work_that_has_begun_cannot_be_cancelled_even_while_a_new_estimate_waits() -> None:
    assert Action.CANCEL in next_actions(OrderState.ESTIMATED, has_begun=False)
    assert Action.CANCEL not in next_actions(OrderState.ESTIMATED, has_begun=True)


@pytest.mark.parametrize(
    ("action", "details", "rule"),
    [
        (Action.CHECK_IN, {}, "odometer_km: check_in needs it"),
        (Action.CHECK_IN, {"odometer_km": -1.0}, "odometer_km -1"),
        (Action.CHECK_IN, {"odometer_km": float("nan")}, "odometer_km nan"),
        (Action.DIAGNOSE, {"odometer_km": 1.0}, "odometer_km: diagnose does not take it"),
        (Action.FIND, {"outcome": Outcome.CONFIRMED}, "cause: outcome confirmed needs it"),
        (
            Action.FIND,
            {"outcome": Outcome.OTHER, "cause": "x", "measured_value": 1.0},
            "measured_value, measured_unit",
        ),
        (
            Action.FIND,
            {"outcome": Outcome.OTHER, "cause": "x", "onset": datetime(2026, 1, 1)},  # noqa: DTZ001 - the point
            "onset: must have a time zone",
        ),
        (Action.START, {"isolated_by": "Zhao Lei", "isolated_v": 61.0}, "below 60 V"),
        (Action.START, {"isolated_by": "Zhao Lei", "isolated_v": float("nan")}, "below 60 V"),
        (Action.PAUSE, {}, "reason: pause needs it"),
        (Action.ESTIMATE, {"reason": "x", "lines": (make_line("gift", "1"),)}, "kind"),
        (Action.ESTIMATE, {"reason": "x", "lines": (make_line("part", "0.5"),)}, "whole"),
        (Action.ESTIMATE, {"reason": "x", "lines": (make_line("labour", "0"),)}, "above 0"),
    ],
)  # fmt: skip
def test_what_is_said_has_to_fit_the_action(action: Action, details: dict[str, Any], rule: str) -> None:
    with pytest.raises(InvalidDetails, match=rule):
        check_details(action, Details(**details))


@pytest.mark.parametrize(
    ("proposed", "total", "is_asked"),
    [
        ([LABOUR, PART], "110.00", False),
        ([LABOUR, PART], "110.01", True),
        ([priced("labour", "tire-repair", "0.54"), PART, FEE], "104.00", False),
        ([LABOUR], "60.00", True),
        ([LABOUR, priced("part", "TIRE-REPAIR-KIT", "2")], "105.00", True),
        ([LABOUR, PART, priced("labour", "tire-sensor", "0.1")], "105.00", True),
    ],
)
def test_the_owner_is_asked_for_more_than_ten_percent_and_for_any_other_work(
    proposed: list[PriceLine], total: str, *, is_asked: bool
) -> None:
    quote = Quote(currency="CNY", lines=tuple(proposed), total=Decimal(total), customer_total=Decimal(total))

    assert is_approval_needed([LABOUR, PART], quote, agreed_total=Decimal(100)) is is_asked


def test_two_commands_share_a_digest_only_when_they_are_the_same() -> None:
    one = digest_of(Action.PAUSE, 3, Details(reason="lunch"))

    assert one == digest_of(Action.PAUSE, 3, Details(reason="lunch"))
    assert one != digest_of(Action.PAUSE, 4, Details(reason="lunch"))
    assert one != digest_of(Action.PAUSE, 3, Details(reason="rain"))

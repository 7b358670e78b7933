"""Whatever people do in whatever order, an order stays within its life and no part is lost or sold twice."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.errors import InvalidDetails, InvalidTransition
from alerts.work.actions import BILLABLE, Action, Outcome
from data.db import Pool
from tests.effort import examples
from tests.integration import alerts_seed as seed
from tests.integration.work_steps import LEAK, Steps, book, line

NOW = datetime(2026, 3, 9, 1, tzinfo=UTC)
_numbers = itertools.count()
_A = Action
PRE_WORK = (
    "booked",
    "checked_in",
    "diagnosing",
    "estimated",
    "approved",
    "parts_reserved",
    "assigned",
)
WIDER = (*LEAK, line("part", "TIRE-SENSOR", "1"))


@dataclass
class Model:
    """The same life in the plainest words: where the order is and what its parts are doing."""

    state: str = "booked"
    has_begun: bool = False
    has_finding: bool = False
    scope: int = 1  # parts agreed
    asked: int = 1  # parts proposed
    reserved: int = 1
    used: int = 0
    is_granted: bool = False  # the customer does not pay the labour
    is_asked_granted: bool = False  # nor that of the proposed price

    def next(self, action: Action, *, is_wider: bool, is_fault: bool) -> bool:
        """Follow an action; False where it is impossible."""
        plain = {
            ("booked", _A.CHECK_IN): "checked_in",
            ("checked_in", _A.DIAGNOSE): "diagnosing",
            ("parts_reserved", _A.ASSIGN): "assigned",
            ("in_progress", _A.PAUSE): "paused",
            ("paused", _A.RESUME): "in_progress",
            ("rework", _A.RESUME): "in_progress",
            ("in_progress", _A.FINISH): "qc",
            ("qc", _A.PASS): "ready",
            ("qc", _A.REWORK): "rework",
            ("ready", _A.INVOICE): "invoiced",
            ("invoiced", _A.PAY): "paid",
            ("paid", _A.CLOSE): "closed",
            ("no_fault_found", _A.CLOSE): "closed",
        }
        here = self.state
        if (here, action) in plain:
            self.state = plain[here, action]
        elif action is _A.FIND and here in ("diagnosing", "in_progress"):
            self.has_finding = True
            if not is_fault:
                self.is_granted = False
                self.end("no_fault_found")
        elif action is _A.ESTIMATE and here in ("diagnosing", "in_progress") and self.has_finding:
            self.asked, self.state = 2 if is_wider else 1, "estimated"
            self.is_asked_granted = self.is_granted
            if self.asked == self.scope:
                self.agree()
        elif here == "estimated" and (action is _A.APPROVE or (action is _A.DECLINE and self.has_begun)):
            self.scope = self.asked if action is _A.APPROVE else self.scope
            self.is_granted = self.is_asked_granted if action is _A.APPROVE else self.is_granted
            self.agree()
        elif here == "estimated" and action is _A.DECLINE:
            self.end("declined")
        elif action is _A.PICK and here in ("parts_reserved", "assigned") and self.reserved:
            self.used, self.reserved = self.used + self.reserved, 0
        elif action is _A.START and here == "assigned" and not self.reserved:
            self.state, self.has_begun = "in_progress", True
        elif action is _A.CANCEL and not self.has_begun and here in PRE_WORK:
            self.end("cancelled")
        else:
            return action is _A.GOODWILL and self.grant()
        return True

    def grant(self) -> bool:
        """Take the labour off the customer, of the price that is looked at now; False where that is done."""
        is_new = self.state in BILLABLE and not (
            self.is_asked_granted if self.state == "estimated" else self.is_granted
        )
        if is_new and self.state == "estimated":
            self.is_asked_granted = True
        elif is_new:
            self.is_granted = True
        return is_new

    def end(self, state: str) -> None:
        """Let the order be over and its parts be on the shelf."""
        self.state, self.reserved, self.used = state, 0, 0

    def agree(self) -> None:
        """Let parts be those agreed."""
        self.state = "parts_reserved"
        self.used = min(self.used, self.scope)
        self.reserved = self.scope - self.used


@settings(
    max_examples=examples(15),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_sequence_of_actions_follows_the_model(pool: Pool, data: st.DataObject) -> None:
    number = next(_numbers)
    vehicle = seed.seed_vehicles(pool, number + 1)[number]
    on_hand = _stock(pool)
    steps, model = book(pool, NOW + timedelta(days=number // 4), vehicle=vehicle), Model()
    technician = steps.technicians("T1")[0]

    for _ in range(data.draw(st.integers(4, 22), label="length")):
        action = data.draw(st.sampled_from(_likely(model)), label="action")
        is_wider = data.draw(st.booleans(), label="wider")
        is_fault = data.draw(st.integers(0, 9), label="fault") > 0
        version, events = steps.version, _event_count(pool, steps.order_id)
        if model.next(action, is_wider=is_wider, is_fault=is_fault):
            steps.do(action, **_says(action, technician, is_wider=is_wider, is_fault=is_fault))
            assert steps.version > version
        else:
            try:
                steps.do(action, **_says(action, technician, is_wider=is_wider, is_fault=is_fault))
            except (InvalidTransition, InvalidDetails):
                assert _event_count(pool, steps.order_id) == events
            else:
                raise AssertionError(f"{action} was possible in {model.state}")
        _compare(pool, steps, model, on_hand)


def _likely(model: Model) -> list[Action]:
    """Return what leads on, several times, and everything else once."""
    onward = {
        "booked": [_A.CHECK_IN],
        "checked_in": [_A.DIAGNOSE],
        "diagnosing": [_A.FIND, _A.ESTIMATE],
        "estimated": [_A.APPROVE, _A.APPROVE, _A.DECLINE],
        "parts_reserved": [_A.PICK, _A.ASSIGN],
        "assigned": [_A.PICK, _A.START],
        "in_progress": [_A.FINISH, _A.FINISH, _A.PAUSE, _A.ESTIMATE],
        "paused": [_A.RESUME],
        "rework": [_A.RESUME],
        "qc": [_A.PASS, _A.REWORK],
    }
    everything = [a for a in Action if a not in (_A.DISPATCH, _A.NO_SHOW, _A.RESERVE)]
    return onward.get(model.state, [_A.INVOICE, _A.PAY, _A.CLOSE]) * 12 + everything


def _says(action: Action, technician: str, *, is_wider: bool, is_fault: bool) -> dict[str, Any]:
    if action is _A.ESTIMATE:
        return {"lines": WIDER if is_wider else LEAK}
    if action is _A.GOODWILL:
        return {"codes": ("tire-repair",), "reason": "second visit"}
    if action is _A.PASS:
        return {"checked_by": (technician,)}
    if action is _A.FIND and not is_fault:
        return {
            "outcome": Outcome.NO_FAULT_FOUND,
            "cause": None,
            "measured_value": None,
            "measured_unit": None,
        }
    return {}


def _stock(pool: Pool) -> int:
    ((count,),) = seed.rows(pool, "SELECT coalesce(sum(on_hand), 0)::int FROM part_stock")
    return int(count)


def _event_count(pool: Pool, order_id: int) -> int:
    ((count,),) = seed.rows(pool, "SELECT count(*) FROM order_events WHERE order_id = %s", order_id)
    return int(count)


def _compare(pool: Pool, steps: Steps, model: Model, on_hand: int) -> None:
    ((state, has_begun, version),) = seed.rows(
        pool,
        "SELECT state, begun_at IS NOT NULL, version FROM repair_orders WHERE order_id = %s",
        steps.order_id,
    )
    parts = dict(
        seed.rows(
            pool,
            "SELECT state, sum(qty)::int FROM part_reservations WHERE order_id = %s AND state <> 'released'"
            " GROUP BY 1",
            steps.order_id,
        )
    )
    ((granted,),) = seed.rows(
        pool, "SELECT count(*) FROM order_lines WHERE order_id = %s AND payer = 'goodwill'", steps.order_id
    )
    assert granted == 2 * model.is_granted  # with its tax
    assert (state, has_begun, version) == (model.state, model.has_begun, steps.version)
    assert (parts.get("reserved", 0), parts.get("used", 0)) == (model.reserved, model.used)
    assert _stock(pool) == on_hand - model.used
    ((bookings,),) = seed.rows(
        pool,
        "SELECT string_agg(DISTINCT state, ',') FROM bookings WHERE order_id = %s AND state <> 'released'",
        steps.order_id,
    )
    over = {"ready": "done", "invoiced": "done", "paid": "done", "closed": "done", "no_fault_found": "done"}
    gone = ("cancelled", "declined")
    assert bookings == (None if model.state in gone else over.get(model.state, "booked"))
    ((is_sound,),) = seed.rows(
        pool,
        "SELECT bool_and(p.reserved = (SELECT coalesce(sum(qty), 0) FROM part_reservations r"
        " WHERE r.station_id = p.station_id AND r.sku = p.sku AND r.state = 'reserved')) FROM part_stock p",
    )
    assert is_sound
    ((has_label,),) = seed.rows(pool, "SELECT count(*) > 0 FROM outcomes WHERE order_id = %s", steps.order_id)
    ended = ("closed", "no_fault_found", "declined", "cancelled")
    assert has_label is (model.state in ended and model.has_finding)

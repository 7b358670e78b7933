"""What people decide: the owner's answer, the receipt of a warning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from alerts.desk import Desk, Terms, decide_again
from alerts.errors import InvalidAnswer, InvalidTransition, VersionConflict
from alerts.facts import Order, VehicleFacts
from alerts.orders import OrderState, check_transition
from alerts.outbox_store import OutboxStore
from alerts.placing import place_order
from alerts.stations import Plan
from data.db import Pool, transaction

#: How long an owner may think after answering "later".
LATER = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What an answer led to."""

    order_id: int
    state: OrderState
    is_changed: bool = False  #: the appointment or price is no longer the one shown: the owner is asked again


class Commands:
    """The commands that the API passes on."""

    def __init__(self, pool: Pool, terms: Terms) -> None:
        self._pool = pool
        self._terms = terms

    def answer(self, *, order_id: int, answer: str, actor: str, version: int, now: datetime) -> Answered:
        """Take the owner's yes, no or later.

        Yes books what is held; where the hold is gone the order is planned anew, and a change of station,
        time or price asks again. No frees everything. Later keeps the hold for up to 24 h.

        Args:
            order_id: The order.
            answer: ``yes``, ``no`` or ``later``.
            actor: Who answers, for the order's history.
            version: The version of the order that the owner saw.
            now: Wall time.

        Raises:
            InvalidAnswer: None of the three.
            UnknownOrder: There is no such order.
            VersionConflict: The order has changed since ``version``; nothing was done.
            InvalidTransition: The order is not waiting for an answer.
        """
        if answer not in ("yes", "no", "later"):
            raise InvalidAnswer(f"answer {answer[:40]!r}: must be yes, no or later")
        return decide_again(
            self._pool,
            lambda desk: self._answer(desk, order_id, answer, actor=actor, version=version, now=now),
        )

    def receive(self, *, warning_id: UUID, endpoint: str | None, now: datetime) -> bool:
        """Note that a browser showed a warning; False where no such warning was sent to it."""
        with transaction(self._pool) as connection:
            store = OutboxStore(connection)
            return store.receive(warning_id, channel="webpush", address=endpoint, now=now) > 0

    def _answer(
        self, desk: Desk, order_id: int, answer: str, *, actor: str, version: int, now: datetime
    ) -> Answered:
        store = desk.store
        store.lock_vehicle(store.fetch_order_vehicle(order_id))
        order = store.fetch_order(order_id)
        if order.version != version:
            raise VersionConflict(f"order {order_id}: is at version {order.version}, not {version}")
        if order.state is not OrderState.OFFERED and not (
            answer == "no" and order.state in (OrderState.TRIAGED, OrderState.BOOKED)
        ):
            raise InvalidTransition(f"order {order_id} is {order.state}: it does not wait for {answer!r}")
        vehicle = store.fetch_vehicle(order.vehicle_id)
        if vehicle is None:
            raise InvalidTransition(f"order {order_id}: its vehicle is not registered")
        store.acknowledge_alerts(order_id, actor=actor, reason=f"owner answered {answer}", now=now)
        if answer == "no":
            return self._decline(desk, order, actor, now)
        return self._keep(desk, order, vehicle, answer, actor=actor, now=now)

    def _decline(self, desk: Desk, order: Order, actor: str, now: datetime) -> Answered:
        is_offer = order.state is OrderState.OFFERED
        to_state = OrderState.DECLINED if is_offer else OrderState.CANCELLED
        check_transition(order.state, to_state)
        desk.store.release_order(order.order_id)
        return self._move(desk, order, to_state, "no", actor=actor, now=now)

    def _keep(
        self, desk: Desk, order: Order, vehicle: VehicleFacts, answer: str, *, actor: str, now: datetime
    ) -> Answered:
        store, is_yes = desk.store, answer == "yes"
        to_state = OrderState.BOOKED if is_yes else OrderState.OFFERED
        is_kept = (
            store.confirm_hold(order.order_id, now=now)
            if is_yes
            else store.extend_hold(order.order_id, now + LATER, now=now)
        )
        if is_kept:
            return self._move(desk, order, to_state, answer, actor=actor, now=now)
        store.release_order(order.order_id)  # a hold whose slot has begun
        terms = self._terms if is_yes else replace(self._terms, hold_for=LATER)
        found = place_order(desk, order, vehicle, terms, now=now, is_answered=True)
        renewed = store.fetch_order(order.order_id)
        is_same = isinstance(found, Plan) and (order.station_id, order.slot_start, order.total) == (
            renewed.station_id,
            renewed.slot_start,
            renewed.total,
        )
        if not is_same:
            return Answered(order_id=order.order_id, state=renewed.state, is_changed=True)
        if is_yes:
            store.confirm_hold(order.order_id, now=now)
        return self._move(desk, renewed, to_state, answer, actor=actor, now=now)

    @staticmethod
    def _move(
        desk: Desk, order: Order, to_state: OrderState, answer: str, *, actor: str, now: datetime
    ) -> Answered:
        desk.store.move_order(order.order_id, to_state, owner_answer=answer, now=now)
        desk.store.insert_order_event(
            order.order_id, order.state, to_state, f"owner answered {answer}", now=now, actor=actor
        )
        desk.store.tell_browsers("order", order.order_id)
        return Answered(order_id=order.order_id, state=to_state)

"""What people decide: the owner's answer, the receipt of a warning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from alerts.desk import Desk, Terms, decide_again
from alerts.dispatch.stations import Plan
from alerts.errors import InvalidAnswer, InvalidDetails, InvalidTransition, VersionConflict
from alerts.facts import Order, VehicleFacts
from alerts.orders.findings import Requested, request_order
from alerts.orders.placing import place_order
from alerts.orders.states import OrderState, check_transition
from alerts.store import AlertStore
from alerts.telling.notify import acknowledge
from alerts.telling.outbox_store import OutboxStore
from alerts.telling.warning_store import WarningStore
from alerts.work.actions import Action, Details
from alerts.work.diagnosis import Asked, ask_vehicle
from alerts.work.work_store import WorkStore
from alerts.work.workshop import Acted, act
from data.audit import Deed
from data.db import Pool, transaction

#: How long an owner may think after answering "later".
LATER = timedelta(hours=24)
#: States in which the owner has seen enough to say what they think of it.
RATED = frozenset(
    {OrderState.READY, OrderState.INVOICED, OrderState.PAID, OrderState.CLOSED, OrderState.NO_FAULT_FOUND}
)


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

    def answer(
        self,
        *,
        order_id: int,
        answer: str,
        actor: str,
        version: int,
        now: datetime,
        shares_data: bool = False,
    ) -> Answered:
        """Take the owner's yes, no or later.

        Yes books what is held; where the hold is gone the order is planned anew, and a change of station,
        time or price asks again. No frees everything. Later keeps the hold for up to 24 h.

        Args:
            order_id: The order.
            answer: ``yes``, ``no`` or ``later``.
            actor: Who answers, for the order's history.
            version: The version of the order that the owner saw.
            now: Wall time.
            shares_data: The station may see personal data for this order; counts with a yes that books.

        Raises:
            InvalidAnswer: None of the three.
            UnknownOrder: There is no such order.
            VersionConflict: The order has changed since ``version``; nothing was done.
            InvalidTransition: The order is not waiting for an answer.
        """
        if answer not in ("yes", "no", "later"):
            raise InvalidAnswer(f"answer {answer[:40]!r}: must be yes, no or later")

        def work(desk: Desk) -> Answered:
            answered = self._answer(desk, order_id, answer, actor=actor, version=version, now=now)
            store = desk.store.work()
            is_shared = shares_data and answered.state is OrderState.BOOKED
            store.share_data(order_id, is_shared=is_shared)
            said = {"answer": answer, "version": version, "shares_data": is_shared}
            store.audit(Deed(actor=actor, now=now), store.fetch_order(order_id), "order.answer", said)
            return answered

        return decide_again(self._pool, work)

    def request_order(self, *, alert_id: int, actor: str, now: datetime) -> Requested:
        """Order what could wait, because somebody asks; see ``alerts.orders.findings.request_order``."""
        return request_order(self._pool, self._terms, alert_id=alert_id, actor=actor, now=now)

    def act(
        self,
        *,
        order_id: int,
        action: Action,
        details: Details,
        actor: str,
        version: int,
        key: str,
        now: datetime,
    ) -> Acted:
        """Do one action of the work on an agreed order; see ``alerts.work.workshop.act``."""
        return act(
            self._pool,
            self._terms,
            order_id=order_id,
            action=action,
            details=details,
            actor=actor,
            version=version,
            key=key,
            now=now,
        )

    def ask_vehicle(self, *, order_id: int, signals: Sequence[str], actor: str, now: datetime) -> Asked:
        """Ask the vehicle of an order for readings; see ``alerts.work.diagnosis.ask_vehicle``."""
        return ask_vehicle(self._pool, order_id=order_id, signals=signals, actor=actor, now=now)

    def rate(
        self,
        *,
        order_id: int,
        station_stars: int,
        warning_stars: int,
        comment: str,
        actor: str,
        now: datetime,
    ) -> None:
        """Keep what the owner thinks of station and warning; a later opinion replaces an earlier one.

        Raises:
            UnknownOrder: There is no such order.
            InvalidDetails: Stars are not 1 to 5, or the comment has more than 2,000 characters.
            InvalidTransition: The vehicle is not ready yet.
        """
        for name, stars in (("station_stars", station_stars), ("warning_stars", warning_stars)):
            if stars not in range(1, 6):
                raise InvalidDetails(f"{name} {stars}: must be 1 to 5")
        if len(comment) > 2000:
            raise InvalidDetails(f"comment: at most 2,000 characters, not {len(comment)}")
        with transaction(self._pool) as connection:
            store = WorkStore(connection)
            order = store.fetch_order(order_id)
            if order.state not in RATED:
                raise InvalidTransition(
                    f"order {order_id} is {order.state}: rate it when the vehicle is ready"
                )
            store.upsert_rating(
                order_id, station_stars=station_stars, warning_stars=warning_stars, comment=comment, now=now
            )
            said = {"station_stars": station_stars, "warning_stars": warning_stars}
            store.audit(Deed(actor=actor, now=now), order, "order.rate", said)

    def receive(self, *, warning_id: UUID, endpoint: str | None, now: datetime) -> bool:
        """Note that a browser showed a warning; False where no such warning was sent to it."""
        with transaction(self._pool) as connection:
            store = OutboxStore(connection)
            return store.receive(warning_id, channel="webpush", address=endpoint, now=now) > 0

    def acknowledge(self, *, warning_id: UUID, actor: str, now: datetime) -> bool:
        """Note that a person knows of a warning; nobody else is told. False where there is none such."""
        with transaction(self._pool) as connection:
            return acknowledge(
                AlertStore(connection), WarningStore(connection), warning_id, actor=actor, now=now
            )

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
        if not isinstance(found, Plan) or order.shown != renewed.shown:
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

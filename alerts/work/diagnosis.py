"""Remote diagnosis: a technician asks the vehicle of an order for readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from alerts.errors import InvalidDetails, InvalidTransition
from alerts.orders.states import OrderState
from alerts.work.diagnosis_store import insert_request, is_waiting
from alerts.work.work_store import WorkStore
from data.audit import Deed
from data.catalogue import PLACE_SIGNALS, load_catalogue
from data.db import Pool, transaction

#: How long a vehicle may take to answer; one that sleeps does not.
ANSWER_WITHIN = timedelta(seconds=60)
#: In one request.
MOST_SIGNALS = 20
_S = OrderState
#: The owner has said yes, and the work is not over.
ASKED_IN = frozenset(
    {
        _S.BOOKED,
        _S.DISPATCHED,
        _S.CHECKED_IN,
        _S.DIAGNOSING,
        _S.ESTIMATED,
        _S.APPROVED,
        _S.PARTS_RESERVED,
        _S.WAITING_PARTS,
        _S.ASSIGNED,
        _S.IN_PROGRESS,
        _S.PAUSED,
        _S.QC,
        _S.REWORK,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request on its way to a vehicle."""

    request_id: UUID
    expires_at: datetime


def check_signals(signals: Sequence[str]) -> tuple[str, ...]:
    """Return the signals, each once.

    Raises:
        InvalidDetails: None, too many, unknown ones, or one that tells where the vehicle is.
    """
    wanted = tuple(dict.fromkeys(signals))
    if not 1 <= len(wanted) <= MOST_SIGNALS:
        raise InvalidDetails(f"signals: must be 1 to {MOST_SIGNALS}, not {len(wanted)}")
    for alias in wanted:
        if alias not in load_catalogue().signals:
            raise InvalidDetails(f"signals {alias[:40]!r}: not in the catalogue")
        if alias in PLACE_SIGNALS:
            raise InvalidDetails(f"signals {alias}: where the vehicle is does not help to repair it")
    return wanted


def ask_vehicle(pool: Pool, *, order_id: int, signals: Sequence[str], actor: str, now: datetime) -> Asked:
    """Ask the vehicle of an order for readings; ingest hands the request to the broker.

    Raises:
        InvalidDetails: A signal cannot be asked for.
        UnknownOrder: There is no such order.
        InvalidTransition: The owner has not agreed to the order, it is over, or an answer is still awaited.
    """
    wanted = check_signals(signals)
    with transaction(pool) as connection:
        store = WorkStore(connection)
        order = store.fetch_order(order_id)  # locked: two technicians do not ask at once
        if order.state not in ASKED_IN:
            raise InvalidTransition(f"order {order_id} is {order.state}: its vehicle cannot be asked now")
        if is_waiting(connection, order.vehicle_id, now=now):
            raise InvalidTransition(f"order {order_id}: the vehicle has not answered the last request yet")
        expires_at = now + ANSWER_WITHIN
        request_id = insert_request(
            connection, order_id, order.vehicle_id, wanted, actor=actor, now=now, expires_at=expires_at
        )
        said = {"request": str(request_id), "signals": list(wanted)}
        store.audit(Deed(actor=actor, now=now), order, "order.ask_vehicle", said)
    return Asked(request_id=request_id, expires_at=expires_at)

"""The life of one repair order as its owner and its station live it: from the yes to the rating."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from types import MappingProxyType
from typing import Any

from data.records import Truth
from simulators.errors import JourneyError, RefusalError
from simulators.people import Caller

_Order = Mapping[str, Any]
#: Something else changed the order, or an appointment was taken: look again so many times.
_ATTEMPTS = 8
_PAUSE_S = 0.5
#: So much above the agreed price asks the owner again (10 % are free).
_RISE = 0.12
_NOTHING_LEFT_V = 0.4
_DRIVEN_KM = 3.0  #: between check-in and hand-over: the test drive


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the technician will find."""

    cause: str | None = None  #: None: nothing is wrong
    measured_value: float | None = None
    measured_unit: str | None = None
    onset: datetime | None = None

    def as_action(self) -> dict[str, Any]:
        """Return it as the fields of the action ``find``."""
        if self.cause is None:
            return {"outcome": "no_fault_found"}
        said: dict[str, Any] = {"outcome": "confirmed", "cause": self.cause}
        if self.measured_value is not None:
            said |= {"measured_value": self.measured_value, "measured_unit": self.measured_unit}
        if self.onset is not None:
            said["onset"] = self.onset.isoformat()
        return said


def find_truth(truth: Sequence[Truth], *, vin: str, component: str) -> Found:
    """Return what somebody who takes the component apart will find: the injected fault, or nothing."""
    for t in truth:
        if t.is_fault and (t.vin, t.component) == (vin, component):
            measured = (round(t.magnitude, 3), t.unit) if t.unit else (None, None)
            return Found(
                cause=t.kind.replace("_", " "),
                measured_value=measured[0],
                measured_unit=measured[1],
                onset=t.onset,
            )
    return Found()


@dataclass(slots=True, kw_only=True)
class Journey:
    """Carries an offered order to its hand-over, one call of the API after the other.

    The station asks for more hours than were planned, so that the owner has a price to approve.
    """

    order_id: int
    owner: Caller
    station: Caller
    found: Found
    odometer_km: float = 20_000.0
    _staff: list[Mapping[str, Any]] = field(default_factory=list)

    def run(self, stop: Event) -> _Order:
        """Live through it; return the closed order as the station sees it, rated by its owner.

        Raises:
            JourneyError: The order does not go on; says at which state and why.
        """
        order = self._look()
        attempts = 0
        while order["state"] != "closed":
            try:
                self._step(order)
                attempts = 0
            except RefusalError as refusal:
                attempts += 1
                if refusal.status != 409 or attempts >= _ATTEMPTS or stop.wait(_PAUSE_S):
                    raise JourneyError(
                        f"order {self.order_id} stays {order['state']}: {refusal}"
                    ) from refusal
            order = self._look()
        self.owner.post(f"orders/{self.order_id}/rating", station_stars=5, warning_stars=5, comment="")
        return self._look()

    def work(self, order: _Order, action: str, **said: Any) -> None:
        """Do an action of the station."""
        path = f"orders/{self.order_id}/work"
        key = f"journey-{order['version']}-{action}"
        self.station.post(path, action=action, version=order["version"], key=key, **said)

    def names(self, skill: str) -> list[str]:
        """Return the active technicians of the station with a skill that begins like this.

        Raises:
            JourneyError: There is none.
        """
        if not self._staff:
            (station,) = self.station.get("stations")["items"]
            self._staff = list(station["technicians"])
        names = [
            str(person["name"])
            for person in self._staff
            if person["is_active"] and any(s.startswith(skill) for s in person["skills"])
        ]
        if not names:
            raise JourneyError(f"order {self.order_id}: nobody at the station has skill {skill or 'of any'}")
        return names

    def _look(self) -> _Order:
        return self.station.get(f"orders/{self.order_id}")

    def _step(self, order: _Order) -> None:
        step = _STEPS.get(order["state"])
        if step is None:
            why = order["waiting_reason"] or "nothing can be done"
            raise JourneyError(f"order {self.order_id} is {order['state']}: {why}")
        step(self, order)


# ------------------------------------------------------------ one function for each state


def _answer(journey: Journey, order: _Order) -> None:
    path = f"orders/{journey.order_id}/answer"
    journey.owner.post(path, answer="yes", version=order["version"], shares_data=True)


def _receive(journey: Journey, order: _Order) -> None:
    if order["state"] == "booked" and order["mode"] != "drive_in":
        journey.work(order, "dispatch")
    else:
        journey.work(order, "check_in", odometer_km=journey.odometer_km)


def _diagnose(journey: Journey, order: _Order) -> None:
    if not order["work"]["findings"]:
        journey.work(order, "find", **journey.found.as_action())
    else:
        journey.work(order, "estimate", lines=ask_longer(order["price"]["lines"]), reason="it takes longer")


def _approve(journey: Journey, order: _Order) -> None:
    path, version = f"orders/{journey.order_id}/approval", order["version"]
    journey.owner.post(path, decision="approve", version=version, key=f"journey-{version}")


def _prepare(journey: Journey, order: _Order) -> None:
    is_picked = all(part["state"] != "reserved" for part in order["parts"])
    journey.work(order, "assign" if is_picked else "pick")


def _start(journey: Journey, order: _Order) -> None:
    """Begin; where the API says that high voltage is touched, with the signed isolation."""
    try:
        journey.work(order, "start")
    except RefusalError as refusal:
        if not refusal.detail.startswith("isolated_by:"):
            raise
        journey.work(order, "start", isolated_by=journey.names("HV")[0], isolated_v=_NOTHING_LEFT_V)


def _finish(journey: Journey, order: _Order) -> None:
    parts = ", ".join(str(part["sku"]) for part in order["parts"])
    removed = {"part_removed": parts} if parts else {}
    journey.work(order, "finish", correction=f"{order['component']} repaired", **removed)


def _pass(journey: Journey, order: _Order) -> None:
    journey.work(order, "pass", checked_by=journey.names("")[:2])


def _close(journey: Journey, order: _Order) -> None:
    journey.work(order, "close", odometer_km=journey.odometer_km + _DRIVEN_KM)


def _do(action: str) -> Callable[[Journey, _Order], None]:
    return lambda journey, order: journey.work(order, action)


_STEPS: Mapping[str, Callable[[Journey, _Order], None]] = MappingProxyType(
    {
        "offered": _answer,
        "booked": _receive,
        "dispatched": _receive,
        "checked_in": _do("diagnose"),
        "diagnosing": _diagnose,
        "estimated": _approve,
        "waiting_parts": _do("reserve"),
        "parts_reserved": _prepare,
        "assigned": _start,
        "in_progress": _finish,
        "qc": _pass,
        "ready": _do("invoice"),
        "invoiced": _do("pay"),
        "paid": _close,
        "no_fault_found": _close,
    }
)


def ask_longer(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the agreed work with so many more hours of its first operation that the owner is asked.

    Prices are before tax on every line, so a rise of their sum is the same rise of the total.
    """
    work = [line for line in lines if line["kind"] in ("labour", "part")]
    net = sum(float(line["amount"]) for line in work)
    extra = _RISE * net
    asked = []
    for line in work:
        qty = float(line["qty"])
        if line["kind"] == "labour" and extra and float(line["unit_price"]) > 0:
            qty += math.ceil(4 * extra / float(line["unit_price"])) / 4
            extra = 0.0
        asked.append({"kind": line["kind"], "code": line["code"], "qty": f"{qty:.2f}"})
    return asked

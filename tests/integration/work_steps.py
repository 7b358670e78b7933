"""An order that its owner agreed to, and somebody who works on it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from alerts.commands import Commands
from alerts.router import route_waiting
from alerts.work.actions import Action, Details, EstimateLine, Outcome
from alerts.work.workshop import Acted
from data.db import Pool
from tests.integration import alerts_seed as seed

TERMS = seed.make_terms()
_keys = itertools.count()


def line(kind: str, code: str, qty: str) -> EstimateLine:
    return EstimateLine(kind=kind, code=code, qty=Decimal(qty))


#: What the reference data plan for a slow leak.
LEAK = (line("labour", "tire-repair", "0.5"), line("part", "TIRE-REPAIR-KIT", "1"))
SAYS: dict[Action, dict[str, Any]] = {
    Action.CHECK_IN: {"odometer_km": 12034.0},
    Action.FIND: {
        "outcome": Outcome.CONFIRMED,
        "cause": "nail in the tread",
        "measured_value": 3.9,
        "measured_unit": "kPa/day",
    },
    Action.ESTIMATE: {"lines": LEAK, "reason": "as planned"},
    Action.PAUSE: {"reason": "lunch"},
    Action.FINISH: {"correction": "plugged from inside", "part_removed": "valve core"},
    Action.REWORK: {"reason": "still bubbles"},
    Action.CANCEL: {"reason": "owner sold the car", "is_owners_wish": True},
}


@dataclass
class Steps:
    """Does one action after the other, each at the version before."""

    pool: Pool
    order_id: int
    version: int
    now: datetime
    station: str = field(default="", init=False)

    def do(self, action: Action, **says: Any) -> Acted:
        done = Commands(self.pool, TERMS).act(
            order_id=self.order_id,
            action=action,
            details=Details(**{**SAYS.get(action, {}), **says}),
            actor="station:test",
            version=self.version,
            key=f"key {next(_keys)}",
            now=self.now,
        )
        self.version = done.version
        return done

    def do_all(self, *actions: Action) -> Acted:
        for action in actions:
            done = self.do(action)
        return done

    def technicians(self, skill: str) -> list[str]:
        found = seed.rows(
            self.pool,
            "SELECT t.name FROM technicians t JOIN repair_orders o USING (station_id)"
            " WHERE o.order_id = %s AND %s = ANY(t.skills) ORDER BY t.technician_id",
            self.order_id,
            skill,
        )
        return [name for (name,) in found]


def book(pool: Pool, now: datetime, *, vehicle: int | None = None, **prediction: Any) -> Steps:
    """Return an order in state booked."""
    vehicle = vehicle if vehicle is not None else seed.seed_vehicles(pool)[0]
    seed.add_prediction(pool, vehicle, now, **prediction)
    route_waiting(pool, TERMS, now=now)
    ((order_id, version),) = seed.rows(
        pool,
        "SELECT order_id, version FROM repair_orders WHERE vehicle_id = %s AND state = 'offered'",
        vehicle,
    )
    Commands(pool, TERMS).answer(order_id=order_id, version=version, answer="yes", actor="owner:1", now=now)
    return Steps(pool, order_id, version + 1, now + timedelta(minutes=1))

"""Run the demo: a simulated fleet on a fresh installation, followed to its delivered warning and beyond."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from data.db import Connection, Pool, transaction
from data.errors import DatabaseAway
from data.keys import load_push_keys
from data.records import FailureMode, Truth
from data.settings import Settings
from simulators.errors import JourneyError
from simulators.fleet import Fleet
from simulators.journey import Journey, find_truth
from simulators.people import log_in
from simulators.push_endpoint import PushEndpoint, Subscription
from simulators.service import FleetRun
from simulators.store import StoryStore
from simulators.story import (
    Access,
    Narrator,
    Snapshot,
    count_false_orders,
    find_first_placed,
    find_missing,
    tell_life,
)

#: Predictors that `score` runs; every vehicle must have been seen by each.
SCORED_MODES = (FailureMode.TIRE_SLOW_LEAK, FailureMode.CELL_INTERNAL_SHORT)
_POLL_S = 0.5
#: How long the last messages may take to be stored, gap repair included, before the figures are taken.
_SETTLE_S = 20.0


class Goal(StrEnum):
    """Where a run of the demo ends by itself."""

    STOPPED = "stopped"  #: it does not: when it is told to stop
    ORDER = "order"  #: an order's warning has been delivered
    CLOSED = "closed"  #: that order has been carried to hand-over, rating and label


class Workshop(Protocol):
    """What the demo needs of the parts it must not know: set-up of the tables and the report of orders."""

    def register(self, connection: Connection, fleet: Fleet) -> None:
        """Store vehicles and owners."""

    def subscribe(self, connection: Connection, owner_id: int, subscription: Subscription) -> None:
        """Subscribe an owner to Web Push."""

    def report(self, connection: Connection) -> Sequence[Mapping[str, Any]]:
        """Return the orders as the demo prints them."""

    def admit(
        self, connection: Connection, role: str, *, owner_id: int | None = None, station_id: int | None = None
    ) -> str:
        """Make the login that is called like the role and return its password."""


@dataclass(slots=True)
class Demo:
    """One run of the demo on an installation that is up."""

    settings: Settings  #: with the database and the simulator's account at the broker
    fleet: Fleet
    workshop: Workshop
    pool: Pool
    started_at: float  #: time.monotonic() when the command began
    say: Callable[[str], None]
    tend: Callable[[], None]  #: called about every second
    _store: StoryStore = field(default_factory=StoryStore)
    _pushed: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _pushed_at: dict[str, datetime] = field(default_factory=dict)
    _first_row_s: float | None = None
    _order_s: float | None = None
    _passwords: dict[str, str] = field(default_factory=dict)  #: of the first order's owner and station
    _closed: dict[str, Any] | None = None  #: the first order, when it has been carried to its end
    _snapshot: Snapshot | None = None
    _run: FleetRun | None = None

    def run(self, stop: threading.Event, *, goal: Goal, timeout_s: float) -> list[str]:
        """Publish the fleet and follow it to the goal.

        Returns:
            The missing steps of the chain when the time is up or ``stop`` is set; empty when all is done.
        """
        home = self.settings.home_path
        write_truth(self.fleet.truth, home / "truth.json")
        self._run = FleetRun(self.settings, self.fleet, store_dir=home / "vehicles")
        ended = threading.Event()
        publisher = threading.Thread(target=self._run.run, args=(ended,), name="fleet", daemon=True)
        with PushEndpoint(self._on_push, public_key=load_push_keys(home).public_key) as endpoint:
            self._register(endpoint)
            if not self._wait_for_ingest(stop, timeout_s):
                return ["ingest has not connected to the broker"]
            publisher.start()
            try:
                missing = self._follow(stop, publisher, goal=goal, timeout_s=timeout_s)
                if goal is Goal.CLOSED and not missing:
                    missing = self._carry(stop)
                if goal is not Goal.STOPPED:
                    self._settle(stop)
                return missing
            finally:
                ended.set()
                publisher.join(timeout=20.0)

    def report(self) -> dict[str, Any]:
        """Return the demo's JSON object; meaningful after ``run``."""
        snapshot = self._snapshot
        if snapshot is None or self._run is None:
            return {"simulated": True, "orders": [], "vehicles_scored": 0, "false_orders": 0}
        closed = {"closed": self._closed} if self._closed else {}
        with transaction(self.pool) as connection:
            orders = list(self.workshop.report(connection))
        progress = snapshot.progress
        faults = {(t.vin, t.component) for t in self.fleet.truth if t.is_fault}
        ordered = {(order.vin, order.component) for order in snapshot.orders}
        return {
            "simulated": True,
            "orders": orders,
            "push": self._first_push(snapshot),
            "vehicles_scored": len(snapshot.scored),
            "false_orders": count_false_orders(snapshot.orders, self.fleet.truth),
            "faults": {"injected": len(faults), "ordered": len(faults & ordered)},
            "messages": {
                "published": self._run.published,
                "stored": progress.stored,
                "duplicate": progress.duplicate,
                "rejected": progress.rejected,
                "repaired": progress.repaired,
            },
            "seconds": {"first_row": self._first_row_s, "order": self._order_s},
            **closed,
        }

    def _register(self, endpoint: PushEndpoint) -> None:
        vins = [v.vin for v in self.fleet.vehicles]
        with transaction(self.pool) as connection:
            self.workshop.register(connection, self.fleet)
            for owner_id in sorted(set(self._store.fetch_owners(connection, vins).values())):
                self.workshop.subscribe(connection, owner_id, endpoint.subscribe())

    def _wait_for_ingest(self, stop: threading.Event, timeout_s: float) -> bool:
        """Wait until ingest is subscribed: what is published before, only gap repair would bring back."""
        while self._elapsed() < timeout_s and not stop.wait(0.1):
            with suppress(DatabaseAway), transaction(self.pool) as connection:
                if self._store.is_ready(connection, "ingest"):
                    return True
        return False

    def _follow(
        self, stop: threading.Event, publisher: threading.Thread, *, goal: Goal, timeout_s: float
    ) -> list[str]:
        vins = [v.vin for v in self.fleet.vehicles]
        narrator = Narrator({v.vin: f"{v.plate} ({v.city})" for v in self.fleet.vehicles})
        missing = ["nothing has been read from the database yet"]
        while not stop.wait(_POLL_S):
            self.tend()
            with suppress(DatabaseAway):
                snapshot = self._look()
                for line in narrator.tell(snapshot, vins):
                    self.say(line)
                self._open_pages(snapshot)
                missing = find_missing(snapshot, vins)
            if goal is not Goal.STOPPED and (not missing or self._elapsed() > timeout_s):
                return missing
            if not publisher.is_alive():
                return ["the simulated fleet stopped publishing", *missing]
        return missing

    def _open_pages(self, snapshot: Snapshot) -> None:
        """Give the owner and the station of the first order their logins, once."""
        order = find_first_placed(snapshot.orders)
        if order is None or self._passwords:
            return
        with transaction(self.pool) as connection:
            owner = self.workshop.admit(connection, "owner", owner_id=order.owner_id)
            station = self.workshop.admit(connection, "station", station_id=order.station_id)
        self._passwords = {"owner": owner, "station": station}
        for access in (
            Access(role="owner", path="/owner", password=owner, sees=f"answer order {order.order_id} here"),
            Access(role="station", path="/station", password=station, sees="and see the answer arrive here"),
        ):
            self.say(access.tell(self.settings.base_url))

    def _carry(self, stop: threading.Event) -> list[str]:
        """Carry the first order through the workshop by the API, with the logins of its owner and station."""
        first = find_first_placed(self._snapshot.orders if self._snapshot else [])
        if first is None:
            return ["no order has a station"]
        found = find_truth(self.fleet.truth, vin=first.vin, component=first.component)
        try:
            with log_in(self.settings.base_url, self._passwords) as (owner, station):
                journey = Journey(order_id=first.order_id, owner=owner, station=station, found=found)
                order = journey.run(stop)
        except JourneyError as error:
            return [str(error)]
        with transaction(self.pool) as connection:
            label = self._store.fetch_label(connection, first.order_id)
        for line in tell_life(order["events"]):
            self.say(line)
        if label is None:
            return [f"order {first.order_id} is {order['state']} and has left no label"]
        self.say(f"Label of order {first.order_id}: {label['outcome']}, {label['cause'] or 'nothing found'}.")
        work = {name: order["work"][name] for name in ("rating", "signoffs")}
        self._closed = {"order": first.order_id, "state": order["state"], "label": label, **work}
        self._closed |= {"seconds": round(self._elapsed(), 1), "events": order["events"]}
        return []

    def _settle(self, stop: threading.Event) -> None:
        """Let the fleet fall silent and wait until all it published is stored or the time is up."""
        if self._run is None:
            return
        self._run.is_silent.set()
        until = time.monotonic() + _SETTLE_S
        while time.monotonic() < until and not stop.wait(_POLL_S):
            with suppress(DatabaseAway):
                progress = self._look().progress
                if progress.stored >= self._run.published and not progress.missing:
                    return

    def _look(self) -> Snapshot:
        with transaction(self.pool) as connection:
            progress = self._store.fetch_progress(connection)
            if progress.rows and self._first_row_s is None:
                self._first_row_s = round(self._elapsed(), 1)
            orders = self._store.fetch_order_vehicles(connection)
            if orders and self._order_s is None:
                self._order_s = round(self._elapsed(), 1)
            self._snapshot = Snapshot(
                at_s=self._elapsed(),
                progress=progress,
                is_backfill_done=self._run is not None and self._run.is_backfill_done,
                scored=self._store.fetch_scored_vins(
                    connection,
                    data_until=datetime.fromtimestamp(self.fleet.end_s, UTC) - timedelta(hours=2),
                    failure_modes=SCORED_MODES,
                ),
                orders=orders,
                delivered=self._store.fetch_delivered(connection),
                decrypted=tuple(self._pushed),
            )
        return self._snapshot

    def _first_push(self, snapshot: Snapshot) -> dict[str, Any] | None:
        """Return the first push of an order, as the owner's browser has decrypted it."""
        for warning in snapshot.delivered:
            message = self._pushed.get(warning.warning_id)
            if warning.channel == "webpush" and message is not None:
                return {
                    "delivered_at": self._pushed_at[warning.warning_id],
                    "text": f"{message['title']}\n{message['body']}",
                    "warning_id": warning.warning_id,
                    "order": warning.order_id,
                }
        return None

    def _on_push(self, message: Mapping[str, Any]) -> None:
        warning_id = str(message["warning_id"])
        self._pushed_at.setdefault(warning_id, datetime.now(UTC))
        self._pushed.setdefault(warning_id, message)

    def _elapsed(self) -> float:
        return time.monotonic() - self.started_at


def write_truth(truth: Sequence[Truth], path: Path) -> None:
    """Write what is really wrong with the fleet as JSON; it is never published."""
    rows = [
        {
            "vin": t.vin,
            "component": t.component,
            "kind": t.kind,
            "is_fault": t.is_fault,
            "onset": t.onset.isoformat(),
            "threshold_at": t.threshold_at.isoformat() if t.threshold_at else None,
            "failure_at": t.failure_at.isoformat() if t.failure_at else None,
            "severity": t.severity,
            "magnitude": t.magnitude,
            "unit": t.unit,
        }
        for t in truth
    ]
    path.write_text(json.dumps(rows, indent=1), "utf-8")

"""A story for every failure mode: a simulated fault, its alert, its order, the workshop, the label.

One installation and three fleets for all of them: what builds up lies in sixty days of past that come
through the broker; hazards begin on vehicles that are live.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from api.access import create_user
from commands.running import TENANT
from commands.simulate import register_fleet
from data.db import connect
from data.records import FailureMode
from data.settings import Settings
from simulators.faults.setting import Timing
from simulators.fleet import Fleet, build_fleet, build_vin
from simulators.journey import Found, Journey
from simulators.people import Person
from simulators.service import FleetRun
from tests.installed import Installation, eventually, installation

pytestmark = [pytest.mark.story, pytest.mark.timeout(1800)]

M = FailureMode
PASSWORD = "a long enough password"
SEED = 5
#: A past of sixty days goes in and is scored within minutes. A tire takes ten minutes of fast driving to
#: come apart, a pack as long to run away, both in real time.
PAST_S, LIVE_S = 600, 1500
#: Found in sixty days of past; an alert of S3 or more urgent opens an order.
BUILT_UP = (
    M.TIRE_SLOW_LEAK, M.TIRE_TOPPED_UP_LEAK, M.CELL_INTERNAL_SHORT, M.INSULATION_LOSS, M.COOLING_LOSS,
    M.INVERTER_THERMAL, M.DCDC_FAULT,
)  # fmt: skip
#: Likewise, but found in fewer of those that have it: there are more of them. A dragging brake is found in
#: too few within sixty days for a story that has to end.
SELDOM = (M.MOTOR_THERMAL, M.LV_BATTERY)
#: Begin when the vehicle is live.
HAZARDS = (M.TIRE_PUNCTURE, M.TIRE_BLOWOUT_RISK, M.BATTERY_THERMAL_EVENT)
#: Wait for the next visit: the alert is the end of the story, no order is opened.
NEXT_VISIT = (M.BATTERY_CAPACITY_FADE, M.SENSOR_FAULT)
#: Likewise, in the first weeks: after two months the balancer has brought the cells together again.
EVENED_OUT = (M.CELL_IMBALANCE,)
#: Wait for the next visit until they are far gone.
EITHER = (M.CELL_WEAK, M.CELL_RESISTANCE)


def make_fleet(modes: Sequence[FailureMode], *, each: int, days: int, timing: Timing, first: int) -> Fleet:
    """Vehicles with these faults and no others, numbered from ``first``."""
    fleet = build_fleet(
        each * len(modes),
        seed=SEED,
        start=datetime.now(UTC) - timedelta(days=days),
        days=days,
        faults={str(mode): each for mode in modes},
        decoys={},
        timing=timing,
    )
    vehicles = tuple(replace(v, vin=build_vin(first + n)) for n, v in enumerate(fleet.vehicles))
    return replace(fleet, vehicles=vehicles)


@dataclass(frozen=True)
class World:
    """A running installation with fleets in which everything is wrong with somebody."""

    running: Installation
    fleets: tuple[Fleet, ...]

    def rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.running.database_url, row_factory=dict_row) as connection:
            return connection.execute(query, parameters).fetchall()

    def ill(self, mode: FailureMode) -> list[str]:
        """The vehicles with this fault."""
        return [str(t.vin) for fleet in self.fleets for t in fleet.truth if t.is_fault and t.kind == mode]

    def alerts(self, mode: FailureMode) -> list[dict[str, Any]]:
        """The alerts of vehicles that have it, with their orders."""
        return self.rows(
            "SELECT a.alert_id, a.state, a.severity, a.component, o.order_id, o.station_id, v.owner_id,"
            " o.state AS order_state FROM alerts a JOIN vehicles v USING (vehicle_id)"
            " LEFT JOIN repair_orders o ON o.order_id = a.order_id"
            " WHERE a.failure_mode = %s AND a.state <> 'pending' AND v.vin = ANY (%s) ORDER BY o.order_id",
            str(mode),
            self.ill(mode),
        )

    def until_offered(self, mode: FailureMode, *, within_s: float) -> dict[str, Any]:
        """Wait for an alert of this mode whose order has an appointment to offer."""

        def offered() -> list[dict[str, Any]]:
            return [a for a in self.alerts(mode) if a["order_state"] == "offered"]

        eventually(
            lambda: bool(offered()),
            within_s=within_s,
            what=f"an order for {mode}",
            logs=lambda: str(self.alerts(mode)),
        )
        return offered()[0]

    def person(self, role: str, order_id: int, **bounds: int) -> Person:
        """Log somebody in who has to do with one order."""
        login = f"{role}-{order_id}"
        with connect(self.running.database_url) as connection:
            create_user(connection, tenant=TENANT, login=login, password=PASSWORD, role=role, **bounds)
        return Person(str(self.running.run["http"]), login, PASSWORD)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Everything running, both fleets publishing."""
    stop = threading.Event()
    with installation() as running, tempfile.TemporaryDirectory(prefix="anxin-stories-") as stores:
        fleets = (
            make_fleet(HAZARDS, each=6, days=3, timing="ahead", first=500),
            make_fleet((*BUILT_UP, *NEXT_VISIT, *EITHER), each=3, days=60, timing="within", first=0),
            make_fleet(SELDOM, each=6, days=60, timing="within", first=600),
            make_fleet(EVENED_OUT, each=3, days=25, timing="within", first=800),
        )
        settings = Settings(database_url=running.database_url, mqtt_url=running.run["mqtt_urls"]["simulator"])
        threads = []
        for n, fleet in enumerate(fleets):
            with connect(running.database_url) as connection:
                register_fleet(connection, fleet)
            run = FleetRun(
                settings, fleet, store_dir=Path(stores) / str(n), tenant=TENANT, rate_messages_per_s=2000.0
            )
            threads.append(threading.Thread(target=run.run, args=(stop,), name=f"fleet-{n}", daemon=True))
            threads[-1].start()
        try:
            yield World(running, fleets)
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)


@pytest.mark.parametrize("mode", [*NEXT_VISIT, *EVENED_OUT, *EITHER])
def test_what_can_wait_is_told_and_opens_no_order(world: World, mode: FailureMode) -> None:
    eventually(lambda: bool(world.alerts(mode)), within_s=PAST_S, what=f"an alert for {mode}")

    alerts = world.alerts(mode)
    assert {a["severity"] for a in alerts} <= ({"S4", "S3"} if mode in EITHER else {"S4"})
    assert {a["order_id"] for a in alerts if a["severity"] == "S4"} <= {None}


@pytest.mark.parametrize("mode", [*BUILT_UP, *SELDOM, *HAZARDS])
def test_a_fault_ends_in_a_closed_order_with_its_label(world: World, mode: FailureMode) -> None:
    alert = world.until_offered(mode, within_s=LIVE_S if mode in HAZARDS else PAST_S)
    order_id = alert["order_id"]
    found = Found(cause=mode.replace("_", " "))

    with (
        closing(world.person("owner", order_id, owner_id=alert["owner_id"])) as owner,
        closing(world.person("station", order_id, station_id=alert["station_id"])) as station,
    ):
        order = Journey(order_id=order_id, owner=owner, station=station, found=found).run(threading.Event())

    assert order["state"] == "closed"
    (label,) = world.rows("SELECT outcome, cause FROM outcomes WHERE order_id = %s", order_id)
    assert label == {"outcome": "confirmed", "cause": found.cause}
    # a vehicle that goes on deflating raises another alert; this one has ended with its order
    assert world.rows("SELECT state FROM alerts WHERE alert_id = %s", alert["alert_id"]) == [
        {"state": "cleared"}
    ]

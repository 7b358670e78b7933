"""A story for every failure mode: a simulated fault, its alert, its order, the workshop, the label.

One installation for all of them, and a past that comes through the broker as fleets, each as short as what
is built up in it allows; hazards begin on vehicles that are live. Only the modes that are run have vehicles.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
import pytest
from paho.mqtt import publish
from psycopg.rows import dict_row

from alerts.policy import AlertState
from api.access import create_user
from commands.running import TENANT
from commands.simulate import register_fleet
from data.db import connect
from data.records import FailureMode
from data.settings import Settings
from data.topics import Up, up
from simulators.encode import Envelope, event_payload
from simulators.faults.setting import Timing
from simulators.fleet import Fleet, build_fleet, build_vin
from simulators.journey import Found, Journey
from simulators.link import Address
from simulators.people import Person
from simulators.service import FleetRun
from tests.installed import Installation, eventually, installation

pytestmark = [pytest.mark.story, pytest.mark.timeout(1800)]

M = FailureMode
PASSWORD = "a long enough password"
SEED = 5


@dataclass(frozen=True)
class Cast:
    """How many vehicles have a fault, and since when: not each of them shows it on the day of the story."""

    vehicles: int = 3
    days: int = 30
    timing: Timing = "within"
    course: str = ""  #: of the fault; any by default
    within_s: float = 600.0  #: the past goes in and is scored within minutes


#: Begin when the vehicle is live: a tire takes ten minutes of fast driving to come apart, a pack as long to
#: run away, both in real time.
HAZARD = Cast(vehicles=6, days=3, timing="ahead", within_s=1500.0)
CASTS: Mapping[FailureMode, Cast] = MappingProxyType(
    {
        M.TIRE_SLOW_LEAK: Cast(vehicles=6),
        M.TIRE_TOPPED_UP_LEAK: Cast(vehicles=6),
        M.TIRE_PUNCTURE: HAZARD,
        M.TIRE_BLOWOUT_RISK: HAZARD,
        M.CELL_INTERNAL_SHORT: Cast(vehicles=5),
        M.CELL_WEAK: Cast(vehicles=4),
        # after two months the balancer has brought the cells together
        M.CELL_IMBALANCE: Cast(vehicles=8, days=25),
        M.CELL_RESISTANCE: Cast(vehicles=6, days=60),
        M.BATTERY_CAPACITY_FADE: Cast(vehicles=4),
        M.BATTERY_THERMAL_EVENT: HAZARD,
        M.INSULATION_LOSS: Cast(),
        M.COOLING_LOSS: Cast(),
        M.MOTOR_THERMAL: Cast(vehicles=8, days=60),
        M.INVERTER_THERMAL: Cast(vehicles=6, days=60),
        M.DCDC_FAULT: Cast(vehicles=6, days=60),
        M.LV_BATTERY: Cast(vehicles=4),
        M.BRAKE_DRAG: Cast(vehicles=8, days=60),
        M.SENSOR_FAULT: Cast(vehicles=5, course="cell.temperature/stuck"),
    }
)


def make_fleet(modes: Mapping[FailureMode, int], *, days: int, timing: Timing, first: int) -> Fleet:
    """So many vehicles with each of these faults and no others, or a healthy one, numbered from ``first``."""
    fleet = build_fleet(
        max(1, sum(modes.values())),
        seed=SEED,
        start=datetime.now(UTC) - timedelta(days=days),
        days=days,
        faults={f"{mode}:{CASTS[mode].course}".rstrip(":"): count for mode, count in modes.items()},
        decoys={},
        timing=timing,
    )
    vehicles = tuple(replace(v, vin=build_vin(first + n)) for n, v in enumerate(fleet.vehicles))
    return replace(fleet, vehicles=vehicles)


def make_fleets(modes: set[FailureMode]) -> list[Fleet]:
    """One fleet for each span of time that these modes need."""
    spans: defaultdict[tuple[int, Timing], dict[FailureMode, int]] = defaultdict(dict)
    for mode, cast in CASTS.items():
        if mode in modes:
            spans[cast.days, cast.timing][mode] = cast.vehicles
    return [
        make_fleet(counts, days=days, timing=timing, first=200 * n)
        for n, ((days, timing), counts) in enumerate(spans.items(), start=1)
    ]


@dataclass(frozen=True)
class World:
    """A running installation with fleets in which everything is wrong with somebody."""

    running: Installation
    fleets: tuple[Fleet, ...]
    silent: Fleet  #: one vehicle that has not said anything yet

    def rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.running.database_url, row_factory=dict_row) as connection:
            return connection.execute(query, parameters).fetchall()

    def ill(self, mode: FailureMode) -> list[str]:
        """The vehicles with this fault."""
        if mode is M.ONBOARD_ALARM:
            return [str(v.vin) for v in self.silent.vehicles]
        return [str(t.vin) for fleet in self.fleets for t in fleet.truth if t.is_fault and t.kind == mode]

    def alerts(self, mode: FailureMode) -> list[dict[str, Any]]:
        """The raised alerts of vehicles that have it, with the order of their component or without any."""
        return self.rows(
            "SELECT a.alert_id, a.state, a.severity, a.component, o.order_id, v.owner_id,"
            " o.state AS order_state FROM alerts a JOIN vehicles v USING (vehicle_id)"
            " LEFT JOIN repair_orders o ON o.vehicle_id = a.vehicle_id"
            " WHERE a.failure_mode = %s AND a.state IN ('open', 'acknowledged') AND v.vin = ANY (%s)"
            " AND (o.order_id IS NULL OR (o.order_id, o.component) = (a.order_id, a.component))"
            " ORDER BY o.failure_mode = a.failure_mode DESC NULLS LAST, a.alert_id",
            str(mode),
            self.ill(mode),
        )

    def until_told(self, mode: FailureMode, *, within_s: float) -> dict[str, Any]:
        """Wait for an alert of this mode that has an appointment, or waits for the owner to ask for one."""

        def told() -> list[dict[str, Any]]:
            return [a for a in self.alerts(mode) if a["order_state"] in ("offered", None)]

        eventually(
            lambda: bool(told()),
            within_s=within_s,
            what=f"an appointment, or something that can wait, for {mode}",
            logs=lambda: str(self.alerts(mode)),
        )
        return told()[0]

    def person(self, role: str, number: int, **bounds: int) -> Person:
        """Log somebody in who has to do with one alert or order."""
        login = f"{role}-{number}"
        with connect(self.running.database_url) as connection:
            create_user(connection, tenant=TENANT, login=login, password=PASSWORD, role=role, **bounds)
        return Person(str(self.running.run["http"]), login, PASSWORD)

    def alarm(self) -> None:
        """Let the silent vehicle report a problem of its battery, as its own control unit would."""
        vin, now_ms = self.silent.vehicles[0].vin, int(time.time() * 1000)
        address = Address.parse(self.running.run["mqtt_urls"]["simulator"])
        name, password = address.account or ("", "")
        publish.single(
            up(TENANT, vin, Up.EVENT),
            event_payload(
                Envelope(boot="story", seq=1, sent_ms=now_ms, is_hist=False, origin="simulated"),
                time_ms=now_ms,
                kind="alarm",
                level=3,
            ),
            qos=1,
            hostname=address.host,
            port=address.port,
            auth={"username": name, "password": password} if name else None,
        )


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Everything running, the fleets of the chosen modes publishing."""
    stop = threading.Event()
    chosen = {item.callspec.params["mode"] for item in request.session.items if hasattr(item, "callspec")}
    with installation() as running, tempfile.TemporaryDirectory(prefix="anxin-stories-") as stores:
        fleets, silent = make_fleets(chosen), make_fleet({}, days=3, timing="ahead", first=0)
        settings = Settings(database_url=running.database_url, mqtt_url=running.run["mqtt_urls"]["simulator"])
        threads = []
        with connect(running.database_url) as connection:
            for fleet in (*fleets, silent):
                register_fleet(connection, fleet)
        for n, fleet in enumerate(fleets):
            run = FleetRun(
                settings, fleet, store_dir=Path(stores) / str(n), tenant=TENANT, rate_messages_per_s=2000.0
            )
            threads.append(threading.Thread(target=run.run, args=(stop,), name=f"fleet-{n}", daemon=True))
            threads[-1].start()
        try:
            yield World(running, tuple(fleets), silent)
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)


@pytest.mark.parametrize("mode", list(M))
def test_a_fault_ends_in_a_closed_order_with_its_label(world: World, mode: FailureMode) -> None:
    if mode is M.ONBOARD_ALARM:
        world.alarm()
    alert = world.until_told(mode, within_s=CASTS[mode].within_s if mode in CASTS else 60.0)
    found = Found(cause=mode.replace("_", " "))

    with closing(world.person("owner", alert["alert_id"], owner_id=alert["owner_id"])) as owner:
        if alert["order_id"] is None:  # it can wait: nobody orders it but the owner
            order = owner.post(f"alerts/{alert['alert_id']}/order")
        else:
            order = owner.get(f"orders/{alert['order_id']}")
        order_id = order["order_id"]
        ((station_id,),) = (
            row.values()
            for row in world.rows("SELECT station_id FROM repair_orders WHERE order_id = %s", order_id)
        )
        with closing(world.person("station", alert["alert_id"], station_id=station_id)) as station:
            journey = Journey(order_id=order_id, owner=owner, station=station, found=found)
            order = journey.run(threading.Event())

    assert order["state"] == "closed"
    (label,) = world.rows("SELECT component, outcome, cause FROM outcomes WHERE order_id = %s", order_id)
    assert label == {"component": alert["component"], "outcome": "confirmed", "cause": found.cause}
    # a vehicle that goes on deflating raises another alert; this one has ended with its order
    (ended,) = world.rows("SELECT state, order_id FROM alerts WHERE alert_id = %s", alert["alert_id"])
    assert ended == {"state": AlertState.CLEARED, "order_id": order_id}

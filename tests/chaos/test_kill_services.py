"""Services killed while a fleet publishes lose nothing and make nothing twice.

Each is killed in the middle of a transaction, with all its writes made and nothing committed, and at any
moment besides. What must be in the tables afterwards is known from the vehicles' own stores.
"""

from __future__ import annotations

import time

import pytest

from data.locks import LOCK_BATCH_LOG, LOCK_PLANNING
from tests.chaos import accounts
from tests.chaos.installation import Running, until
from tests.chaos.live_vehicles import LiveVehicles
from tests.chaos.simulated_fleet import SimulatedFleet

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]

KILLED = ("ingest", "watch", "score", "route", "notify", "maintain")
#: Messages a second: the back-fill of 16 vehicles takes about half a minute.
RATE = 16.0
LOCK_CURSORS = "SELECT 1 FROM service_cursors WHERE service = %(service)s FOR UPDATE"
LOCK_LOG = "SELECT pg_advisory_xact_lock(%(lock)s)"
LOCK_PLANS = "SELECT pg_advisory_xact_lock(%(lock)s, tenant_id) FROM tenants WHERE name = 'demo'"


class Assassin:
    """Kills notify while it waits for an answer: the message is out, and nobody has noted it."""

    def __init__(self, running: Running, times: int) -> None:
        self._running, self.left = running, times

    def strike(self, _warning_id: str) -> None:
        """Kill, as often as is left."""
        if self.left > 0 and self._running.kill("notify"):
            self.left -= 1


def test_killed_services_lose_nothing_and_double_nothing(running: Running) -> None:
    by_push, by_vehicle = Assassin(running, 2), Assassin(running, 1)
    fleet = SimulatedFleet(running, rate=RATE, on_push=by_push.strike, on_warning=by_vehicle.strike)
    live = LiveVehicles(running.mqtt_url("simulator"), running.database_url, 3)
    try:
        _wait_for_services(running)
        with running.holding(LOCK_PLANS, {"lock": LOCK_PLANNING}):  # no order before its turn to be killed
            fleet.start()
            live.start()
            _kill_during_the_past(running)
            _kill_while_orders_open(running)
        until(lambda: fleet.run.is_backfill_done, 120, what="the end of the back-fill")
        _kill_each(running)
        time.sleep(3)
        fleet.run.is_silent.set()
        live.fall_silent()
        _wait_for_rest(running, fleet, live)
    finally:
        fleet.close()
        live.close()

    url, sent, ids = running.database_url, fleet.sent(), fleet.ids
    assert min(running.restarts()[service] for service in KILLED) >= 2
    assert by_push.left == by_vehicle.left == 0
    assert fleet.endpoint.received_count >= len(fleet.pushed) + 2  # sent again under the same id
    assert len(sent) == fleet.run.published
    accounts.check_streams(url, sent, ids)
    assert accounts.check_values(url, sent, ids) > 500_000
    accounts.check_live(url, live)
    leak = {(live.ids[v.vin], "tire front-left") for v in live.vehicles.values() if v.is_leaking}
    accounts.check_orders(url, fleet.faults | leak, leak)
    accounts.check_outbox(url, accounts.Told(fleet.pushed, fleet.shown), live)
    accounts.check_features(url, [*ids.values(), *live.ids.values()])
    accounts.check_rollups(url)


def _kill_during_the_past(running: Running) -> None:
    """Kill everybody while the back-fill comes in, those that have work in the middle of it."""
    for _ in range(2):
        running.kill_inside("ingest", LOCK_LOG, {"lock": LOCK_BATCH_LOG})
        running.kill_inside("score", LOCK_CURSORS, {"service": "score"})
        running.kill_inside("watch", LOCK_CURSORS, {"service": "watch"})
    running.kill_running("route")
    running.kill_running("notify")


def _kill_while_orders_open(running: Running) -> None:
    """Kill route twice after it has written an order and before it could commit it."""
    for _ in range(2):
        running.kill_waiting("route")


def _kill_each(running: Running) -> None:
    for service in KILLED:
        running.kill_running(service)
        time.sleep(0.7)
    for _ in range(2):  # it comes round every ten seconds: too seldom to be caught during the back-fill
        running.kill_inside("maintain", LOCK_CURSORS, {"service": "maintain"})


def _wait_for_services(running: Running) -> None:
    """Wait until those to be killed are at work: a lock on a cursor that is not there yet holds up nobody."""
    ready = "SELECT count(*) FROM service_beats WHERE service = ANY(%s) AND is_ready"
    cursors = "SELECT count(DISTINCT service) FROM service_cursors WHERE service IN ('score', 'watch')"

    def is_at_work() -> bool:
        url = running.database_url
        return accounts.query(url, ready, (list(KILLED),)) == [(len(KILLED),)] and accounts.query(
            url, cursors
        ) == [(2,)]

    until(is_at_work, 60, what="all services at work")


def _wait_for_rest(running: Running, fleet: SimulatedFleet, live: LiveVehicles) -> None:
    """Wait until everything published is stored, scored, routed, delivered and confirmed."""

    def is_at_rest() -> bool:
        live.say_status()
        published = fleet.run.published + sum(v.next_seq for v in live.vehicles.values())
        waiting = accounts.pending(running.database_url)
        return accounts.count_received(running.database_url) == published and not any(waiting.values())

    try:
        until(is_at_rest, 120, pause_s=1.0, what="rest")
        time.sleep(4.0)  # a vehicle is scored once it has been quiet for a moment
        until(is_at_rest, 60, pause_s=1.0, what="rest again")
    except AssertionError as error:
        pending = accounts.pending(running.database_url)
        raise AssertionError(f"{error}: {pending}\n{running.logs()}") from error

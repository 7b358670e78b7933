"""How fast and how well many routers place many orders at once, and whether any guarantee breaks."""

from __future__ import annotations

import multiprocessing
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from alerts.bench import store
from alerts.bench.bounds import bounds_of
from alerts.bench.scenario import make_scenario
from alerts.desk import Terms, terms_of
from alerts.dispatch.costs import Merits, costs_of
from alerts.errors import AlertError
from alerts.orders.assigner import assign_batches
from alerts.router import Routed, route_waiting
from data.db import connect, open_pool
from data.embedded import EmbeddedDatabase
from data.settings import Settings

#: Tuesday 10:00 in Shanghai.
_NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
_LONGEST_S = 3600.0
#: Between two looks of a router that has nothing to decide while others place a batch.
_PAUSE_S = 0.5
_UNITS = {
    "orders": "orders with an appointment",
    "unserved": "orders that wait, by reason",
    "late": "orders that begin after their deadline",
    "unavoidable_late": "orders that do so whatever is done, at least: the relaxation counts them",
    "orders_per_s": "orders/s, from the first claim to the last commit, warm routers",
    "mean_cost": "mean cost of an appointment (delay / deadline + km / 50 + 2 if late)",
    "lower_bound": "mean cost of all orders that no schedule can undercut: relaxed bays and technicians",
    "over_bound": "mean_cost / lower_bound",
    "alone_cost": "mean cost with every order alone in the network: a weaker bound",
    "greedy_cost": "mean cost with each order in turn at the nearest station that can ever do it",
}


def _make_terms() -> Terms:
    """Return the shipped terms without the circuit breaker: here all orders are meant."""
    terms = terms_of(Settings())
    return replace(
        terms, policy=replace(terms.policy, breaker=replace(terms.policy.breaker, fleet_share=1.0))
    )


def bench_dispatch(
    *, alerts: int, stations: int, routers: int, seed: int, database_url: str = ""
) -> dict[str, Any]:
    """Let routers place the orders of as many alerts, and count in the database what has come of it.

    The routers are those of ``anxin route``, each with a connection of its own, spread over as many processes
    as there are processors. Starting them and filling the tables is not timed.

    Args:
        alerts: One for each vehicle.
        stations: Of the network.
        routers: At the same time.
        seed: The same seed gives the same region and alerts.
        database_url: A server where a database may be made; empty: an embedded one.

    Raises:
        AlertError: The routers did not come to an end.
    """
    scenario = make_scenario(alerts=alerts, stations=stations, seed=seed)
    terms = _make_terms()
    with _database(database_url) as url:
        with connect(url) as connection:
            tenant_id, _ = store.prepare(connection, scenario, _NOW)
        store.gather_statistics(url)
        processes = min(routers, os.cpu_count() or 1)
        elapsed_s, done = _route_all(url, terms, routers=routers, processes=processes)
        with connect(url) as connection:
            network = store.fetch_network(connection, tenant_id)
            placed = store.fetch_placed(connection)
            unserved = Counter(_kind(reason) for reason in store.fetch_unserved(connection))
            wrong = store.count_wrong(connection)
    costs = costs_of(
        terms.policy.cost,
        Merits(
            delay=np.array(
                [(o["start"] - o["opened_at"]) / (o["deadline"] - o["opened_at"]) for o in placed]
            ),
            way_km=np.array([o["distance_km"] for o in placed]),
            late=np.array([float(o["start"] > o["deadline"]) for o in placed]),
        ),
    )
    mean_cost = float(costs.mean()) if placed else 0.0
    bounds = bounds_of(
        scenario,
        network,
        policy=terms.policy,
        road_factor=terms.roads.road_factor,
        now=_NOW,
    )
    return {
        "alerts": alerts,
        "stations": stations,
        "routers": routers,
        "processes": processes,
        "orders": len(placed),
        "late": sum(order["start"] > order["deadline"] for order in placed),
        "unavoidable_late": bounds.unavoidable_late,
        "unserved": dict(unserved),
        **wrong,
        "lost": done.lost,
        "seconds": round(elapsed_s, 2),
        "orders_per_s": round(done.orders / elapsed_s, 1),
        "mean_cost": round(mean_cost, 4) if placed else None,
        "lower_bound": round(bounds.lower_bound, 4),
        "over_bound": round(mean_cost / bounds.lower_bound, 3) if placed else None,
        "alone_cost": round(bounds.alone, 4),
        "greedy_cost": round(bounds.greedy_cost, 4),
        "greedy_placed": bounds.greedy_placed,
        "units": _UNITS,
    }


@contextmanager
def _database(server_url: str) -> Iterator[str]:
    if server_url:
        with store.temporary_database(server_url) as url:
            yield url
        return
    with (
        tempfile.TemporaryDirectory(prefix="anxin-bench-", ignore_cleanup_errors=True) as home,
        EmbeddedDatabase(Path(home)) as server,
        store.temporary_database(server.url) as url,
    ):
        yield url


def _route_all(url: str, terms: Terms, *, routers: int, processes: int) -> tuple[float, Routed]:
    """Run the routers until nothing waits; return seconds and what they did."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes + 1)
    shares = [routers // processes + (n < routers % processes) for n in range(processes)]
    with context.Pool(processes, initializer=_remember, initargs=(barrier,)) as pool:
        running = pool.starmap_async(_route_many, [(url, share) for share in shares], chunksize=1)
        barrier.wait(_LONGEST_S)
        started = time.monotonic()
        try:
            done = running.get(_LONGEST_S)
        except multiprocessing.TimeoutError as error:
            raise AlertError(f"the routers did not end within {_LONGEST_S:.0f} s") from error
        return time.monotonic() - started, sum(done, Routed())


_barrier: Any = None


def _remember(barrier: Any) -> None:
    global _barrier  # noqa: PLW0603 - a barrier reaches a worker process at its start only
    _barrier = barrier


def _route_many(url: str, count: int) -> Routed:
    terms = _make_terms()
    pools = [open_pool(url, size=3, name=f"anxin-bench-{n}") for n in range(count)]

    def route(number: int) -> Routed:
        done = Routed()
        while True:
            found = route_waiting(pools[number], terms, now=_NOW)
            done += found
            assign_batches(pools[number], terms, now=_NOW, is_due=not found.predictions)
            if not found.predictions:
                with pools[number].connection() as connection:
                    if not store.is_waiting(connection):
                        return done
                time.sleep(_PAUSE_S)

    try:
        _barrier.wait(_LONGEST_S)
        with ThreadPoolExecutor(count) as executor:
            return sum(executor.map(route, range(count)), Routed())
    finally:
        for pool in pools:
            pool.close()


def _kind(reason: str) -> str:
    """Return a reason without its numbers."""
    return re.sub(r"\d+ ", "", reason)

"""Place the orders that wait for a batch: match all of a tenant, then hold and offer, station by station."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

import psycopg
import structlog

from alerts.desk import Terms, open_desk
from alerts.dispatch.batch import Batch, Request, match
from alerts.dispatch.network import Network
from alerts.dispatch.reach import ways_of
from alerts.dispatch.stations import Occupancy, Plan
from alerts.facts import Order, VehicleFacts
from alerts.orders.offering import Offer, offer_all
from alerts.orders.replanning import decide_each, place_waiting
from alerts.rules import Mode
from alerts.store import AlertStore
from data.db import Connection, Pool, transaction, wrap_errors

_log = structlog.get_logger("alerts")
#: Orders of one station that are written in one transaction.
_WRITTEN_TOGETHER = 40
#: Connections that they are written over.
_WRITERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """What a round of batches did."""

    placed: int = 0
    alone: int = 0  #: had to be placed one by one: no station of theirs, out of reach, taken meanwhile

    def __add__(self, other: Assigned) -> Assigned:
        """Return the sum."""
        return Assigned(placed=self.placed + other.placed, alone=self.alone + other.alone)


def assign_batches(pool: Pool, terms: Terms, *, now: datetime, is_due: bool = False) -> Assigned:
    """Place the batches that are due: the oldest order has waited long enough, or very many wait.

    One router places a tenant's batch at a time; others go on. With ``is_due`` none has to wait: nothing more
    is coming that could be placed with them.
    """
    rule = terms.policy.batch
    before = now if is_due else now - timedelta(seconds=rule.every_s)
    with transaction(pool) as connection:
        tenants = AlertStore(connection).fetch_batched_tenants(before, most=rule.most_orders)
    done = Assigned()
    for tenant_id in tenants:
        is_more = True
        while is_more:
            left: list[tuple[int, int]] = []
            with wrap_errors(), pool.connection() as connection, _alone(connection, tenant_id) as is_mine:
                placed = _assign(pool, connection, tenant_id, terms, left, now=now) if is_mine else 0
            done += Assigned(placed=placed, alone=len(left))
            decide_each(pool, left, lambda desk, order_id: place_waiting(desk, order_id, terms, now=now))
            is_more = placed + len(left) >= rule.most_orders
    return done


@contextmanager
def _alone(connection: Connection, tenant_id: int) -> Iterator[bool]:
    store = AlertStore(connection)
    is_mine = store.try_lock_batch(tenant_id)
    connection.commit()
    try:
        yield is_mine
    finally:
        if is_mine and not connection.closed:
            connection.rollback()
            store.unlock_batch(tenant_id)
            connection.commit()


def _assign(
    pool: Pool,
    connection: Connection,
    tenant_id: int,
    terms: Terms,
    left: list[tuple[int, int]],
    *,
    now: datetime,
) -> int:
    """Match and place one batch; add (order, vehicle) of those that were not placed to ``left``."""
    desk = open_desk(connection)
    desk.store.release_expired_holds(now)
    network = terms.networks.fetch(desk.network, tenant_id)
    orders = desk.store.fetch_batched(tenant_id, limit=terms.policy.batch.most_orders)
    vehicles = desk.store.fetch_vehicles([order.vehicle_id for order in orders])
    occupancy = desk.network.fetch_occupancy(network.stations, now)
    connection.commit()
    plans = match(
        _requests(orders, vehicles, network, terms, now),
        Batch(
            stations=network.stations,
            occupancy=occupancy,
            worked=network.work_times.mask,
            severities=terms.policy.severities,
            rule=terms.policy.order,
            cost=terms.policy.cost,
            parts=terms.policy.parts,
            improve_rounds=terms.policy.batch.improve_rounds,
            now=now,
        ),
        rng=Random(tenant_id),  # noqa: S311 - the same orders get the same appointments; no secret
    )
    by_station: dict[int, list[Order]] = defaultdict(list)
    for order in orders:
        if order.order_id in plans:
            by_station[plans[order.order_id].station.station_id].append(order)
    together = [
        mine[begin : begin + _WRITTEN_TOGETHER]
        for mine in by_station.values()
        for begin in range(0, len(mine), _WRITTEN_TOGETHER)
    ]
    done = _write_all(
        pool,
        connection,
        together,
        lambda writer, some: _write(writer, some, vehicles, plans, terms=terms, now=now),
    )
    left += [(order.order_id, order.vehicle_id) for order in orders if order.order_id not in done]
    _log.info("placed a batch", action="batch", orders=len(orders), placed=len(done))
    return len(done)


def _write_all(
    pool: Pool,
    connection: Connection,
    together: Sequence[Sequence[Order]],
    write: Callable[[Connection, Sequence[Order]], set[int]],
) -> set[int]:
    """Write groups of orders over a few connections, so that the database works while we prepare the next.

    A pool of one has no other connection than ``connection``, which is lent already.
    """
    spare = pool.max_size - 1
    if spare < 1:
        return set().union(*(write(connection, some) for some in together))

    def write_one(some: Sequence[Order]) -> set[int]:
        with wrap_errors(), pool.connection() as writer:
            return write(writer, some)

    with ThreadPoolExecutor(min(_WRITERS, spare), thread_name_prefix="batch") as writers:
        return set().union(*writers.map(write_one, together))


def _requests(
    orders: Sequence[Order],
    vehicles: dict[int, VehicleFacts],
    network: Network,
    terms: Terms,
    now: datetime,
) -> list[Request]:
    """Return the orders that the batch takes; one that cannot be prepared is left to be decided by itself."""
    requests = []
    for order in orders:
        try:
            request = _request(order, vehicles.get(order.vehicle_id), network, terms, now)
        except Exception as error:
            _log.warning("left out of a batch", action="batch", order=order.order_id, error=repr(error)[:200])
        else:
            if request is not None:
                requests.append(request)
    return requests


def _request(
    order: Order, vehicle: VehicleFacts | None, network: Network, terms: Terms, now: datetime
) -> Request | None:
    """Return the order as the batch takes it; None where it is to be decided by itself.

    A batch sends vehicles to stations. Its vans stay free for those that cannot be driven and for owners who
    asked for one; an owner's own station is asked by itself, too.
    """
    job = network.jobs.get(order.failure_mode)
    place = None if vehicle is None else vehicle.place(terms.policy.order)
    if vehicle is None or job is None or place is None or vehicle.preferred_station_id is not None:
        return None
    if vehicle.preferred_mode not in (None, Mode.DRIVE_IN):
        return None
    job, ways = ways_of(order, vehicle, job, place, policy=terms.policy, now=now)
    way = next((w for w in ways if w.mode is Mode.DRIVE_IN), None)
    if way is None:
        return None
    road_km = terms.roads.estimate(place.lat, place.lon, network.lats, network.lons)
    return Request(order=order, job=job, way=way, road_km=road_km)


def _write(
    connection: Connection,
    orders: Sequence[Order],
    vehicles: dict[int, VehicleFacts],
    plans: dict[int, Plan],
    *,
    terms: Terms,
    now: datetime,
) -> set[int]:
    """Hold and offer the appointments at one station in one transaction; return the orders that were placed.

    What is no longer as it was when the batch was matched is left out: an order that somebody decided
    about, a vehicle that somebody is deciding about, a time that a more urgent order took. Where one of
    them cannot be offered, all are left out: each is decided by itself then, and harms no other.
    """
    desk = open_desk(connection)
    station = plans[orders[0].order_id].station
    try:
        with connection.pipeline():
            free = desk.store.try_lock_vehicles([order.vehicle_id for order in orders])
            current = desk.store.fetch_batched(
                orders[0].tenant_id, limit=len(orders), order_ids=[order.order_id for order in orders]
            )
            desk.store.lock_planning(orders[0].tenant_id, is_exclusive=False)
            desk.network.lock_station(station.station_id)
            occupancy = desk.network.fetch_occupancy([station], now)[station.station_id]
            offers = [
                Offer(
                    order=replace(order, waiting_reason=None),
                    vehicle=vehicles[order.vehicle_id],
                    plan=plans[order.order_id],
                    place=place,
                )
                for order in current
                if order.vehicle_id in free
                and _is_free(plans[order.order_id], occupancy)
                and (place := vehicles[order.vehicle_id].place(terms.policy.order)) is not None
            ]
            if offers:
                offer_all(desk, offers, terms, now=now)
        connection.commit()
    except Exception as error:
        is_away = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        if is_away and not isinstance(error, psycopg.errors.DeadlockDetected):
            raise
        connection.rollback()
        _log.warning("a station's batch lost", action="batch", error=repr(error)[:200])
        return set()
    return {one.order.order_id for one in offers}


def _is_free(chosen: Plan, occupancy: Occupancy) -> bool:
    return not any(
        taken.start < chosen.busy[1]
        and chosen.busy[0] < taken.end
        and (
            taken.technician_id == chosen.technician.technician_id
            or (chosen.bay is not None and taken.bay_id == chosen.bay.bay_id)
        )
        for taken in occupancy.taken
    )

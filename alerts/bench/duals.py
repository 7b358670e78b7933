"""What many appointments cost at best where bays and technicians are few: a Lagrangian lower bound. Pure.

Each constraint "no more jobs at once than bays (technicians) fit for them are free" is given a price for each
station and step. Whatever the prices, the orders' cheapest choices at these prices, less what all capacity
is worth, cost no more than any schedule that is possible (weak duality); the prices are improved by
subgradient steps. Who works with whom, and that a bay cannot be changed in the middle, is left out: that only
lowers the bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Final

import numpy as np

from alerts.jobs import Job
from data.records import BoolArray, FloatArray, IntArray

_STALLED: Final = 8


@dataclass(frozen=True, slots=True)
class Kind:
    """Orders of one kind of work and urgency."""

    job: Job
    orders: IntArray  #: their numbers
    possible: BoolArray  #: where and when the job can begin; shape (stations, steps)
    start_costs: FloatArray  #: of a start at each step, without the way; shape (steps,)


@dataclass(frozen=True, slots=True)
class Capacity:
    """A limit on how many jobs of some kinds are under way at once."""

    kinds: tuple[int, ...]
    limits: FloatArray  #: shape (stations, steps)


def capacities_of(
    kinds: Sequence[Kind],
    rows: Mapping[str, Sequence[Sequence[tuple[int, ...]]]],
    free: Mapping[str, BoolArray],
) -> list[Capacity]:
    """Return the limits for each set of kinds that need the same rows, and for sets of these.

    Args:
        kinds: Of work.
        rows: ``bays`` and ``technicians`` -> kind -> station -> rows of ``free`` fit for the kind.
        free: ``bays`` and ``technicians`` -> who is free when; shape (rows, steps).
    """
    found = []
    for what, fit in rows.items():
        alike: dict[tuple[tuple[int, ...], ...], list[int]] = {}
        for kind in range(len(kinds)):
            alike.setdefault(tuple(fit[kind]), []).append(kind)
        sets = chain.from_iterable(combinations(alike, n) for n in range(1, len(alike) + 1))
        for some in sets:
            limits = [
                free[what][sorted(set(chain.from_iterable(group[station] for group in some)))].sum(axis=0)
                for station in range(len(some[0]))
            ]
            together = tuple(kind for group in some for kind in alike[group])
            found.append(Capacity(together, np.array(limits, dtype=np.float64)))
    return found


def lower_bound(
    kinds: Sequence[Kind],
    capacities: Sequence[Capacity],
    *,
    first: IntArray,
    way_costs: FloatArray,
    upper: float,
    rounds: int,
) -> float:
    """Return a lower bound on the sum of the costs of all orders.

    Args:
        kinds: Every order belongs to one.
        capacities: What is limited.
        first: The first step each order can begin at each station; shape (orders, stations).
        way_costs: Of each order to each station, infinite where it is too far; the same shape.
        upper: The sum of a schedule that is possible; steers the steps and does not enter the bound.
        rounds: Of improving the prices.
    """
    prices = [np.zeros_like(c.limits) for c in capacities]
    best, scale, stalled = -np.inf, 1.0, 0
    for _ in range(rounds):
        value, used = _cheapest(kinds, capacities, prices, first=first, way_costs=way_costs)
        value -= sum(float((p * c.limits).sum()) for p, c in zip(prices, capacities, strict=True))
        stalled = 0 if value > best + 1e-9 * abs(best) else stalled + 1
        best = max(best, value)
        if stalled >= _STALLED:
            scale, stalled = scale / 2, 0
        excess = [u - c.limits for u, c in zip(used, capacities, strict=True)]
        steps = [np.where((e < 0) & (p <= 0), 0.0, e) for e, p in zip(excess, prices, strict=True)]
        norm = sum(float((s * s).sum()) for s in steps)
        if norm == 0:
            break
        length = scale * max(upper - value, 1e-6 * abs(upper)) / norm
        prices = [np.maximum(0.0, p + length * s) for p, s in zip(prices, steps, strict=True)]
    return best


def _cheapest(
    kinds: Sequence[Kind],
    capacities: Sequence[Capacity],
    prices: Sequence[FloatArray],
    *,
    first: IntArray,
    way_costs: FloatArray,
) -> tuple[float, list[FloatArray]]:
    """Let each order take what is cheapest at these prices; return the sum and what is used of each limit."""
    total, under_way = 0.0, []
    stations = np.arange(first.shape[1])
    for number, kind in enumerate(kinds):
        steps = kind.job.step_count
        mine = [p for p, c in zip(prices, capacities, strict=True) if number in c.kinds]
        count = kind.possible.shape[1]
        levels = np.zeros((len(stations), count + 1))
        for price in mine:
            levels[:, 1:] += np.cumsum(price, axis=1)
        costs = np.full((len(stations), count), np.inf)
        costs[:, : -steps + 1 or None] = levels[:, steps:] - levels[:, :-steps]
        costs = np.where(kind.possible, costs + kind.start_costs, np.inf)
        lowest = np.minimum.accumulate(costs[:, ::-1], axis=1)[:, ::-1]
        here = np.where(costs <= lowest, np.arange(count), count)
        starts = np.minimum.accumulate(here[:, ::-1], axis=1)[:, ::-1]
        begin = np.minimum(first[kind.orders], count - 1)
        offered = np.where(
            first[kind.orders] < count, lowest[stations, begin] + way_costs[kind.orders], np.inf
        )
        chosen = offered.argmin(axis=1)
        value = offered[np.arange(len(chosen)), chosen]
        served = np.isfinite(value)
        total += float(value[served].sum())
        at = starts[chosen, begin[np.arange(len(chosen)), chosen]]
        change = np.zeros((len(stations), count + steps + 1))
        np.add.at(change, (chosen[served], at[served]), 1.0)
        np.add.at(change, (chosen[served], at[served] + steps), -1.0)
        under_way.append(np.cumsum(change, axis=1)[:, :count])
    used = [np.sum([under_way[k] for k in c.kinds], axis=0) for c in capacities]
    return total, used

"""What many appointments cost at best where bays and technicians are few: a Lagrangian lower bound. Pure.

Each constraint "no more jobs at once than bays (technicians) fit for them are free" is given a price for each
station and step. Whatever the prices, the orders' cheapest choices at these prices, less what all capacity
is worth, cost no more than any schedule that is possible (weak duality). Who works with whom, and that a bay
cannot be changed in the middle, is left out: that only lowers the bound.

Good prices are those at which nothing is wanted more than there is. All orders of one kind want the same
cheapest step, which says little about how much too dear or too cheap it is. So prices follow what would be
wanted if each order chose at random, the cheaper the likelier (probability ~ exp(-cost / heat), which smooths
the dual; Nesterov, Math. Program. 103, 2005), while the heat falls; steps are scaled for each price by what
its excess has been lately (Adam; Kingma and Ba, ICLR 2015). The bound is that of the best prices met, with
the orders' cheapest choices: how the prices were found does not matter for its truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Final

import numpy as np

from alerts.dispatch.jobs import Job
from data.records import BoolArray, FloatArray, IntArray

#: First and last heat, and step of the prices; in the unit of the costs.
_HEAT: Final = (0.05, 0.002)
_STEP: Final = (0.02, 0.001)
#: How much of the mean excess and of its mean square is kept from round to round.
_KEPT: Final = (0.9, 0.99)
#: Rounds after which the bound is looked at.
_LOOK: Final = 25
#: Stands for the logarithm of nothing.
_NOTHING: Final = -1e9


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
    """Return the limits for sets of kinds, as many as say something that the others do not (Hall's theorem).

    A set says nothing of its own where another kind fits into the same rows: with it the limit is the same
    and more is under way. Nor does it where it falls into parts that share no row: their limits say it.

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
        reach = {group: frozenset(chain.from_iterable(group)) for group in alike}
        for some in chain.from_iterable(combinations(alike, n) for n in range(1, len(alike) + 1)):
            together = frozenset(chain.from_iterable(reach[group] for group in some))
            is_whole = all(group in some or not reach[group] <= together for group in alike)
            if not is_whole or not _hang_together([reach[group] for group in some]):
                continue
            limits = [
                free[what][sorted(set(chain.from_iterable(group[station] for group in some)))].sum(axis=0)
                for station in range(len(some[0]))
            ]
            members = tuple(kind for group in some for kind in alike[group])
            found.append(Capacity(members, np.array(limits, dtype=np.float64)))
    return found


def _hang_together(sets: Sequence[frozenset[int]]) -> bool:
    """Tell whether sets cannot be parted into two groups that have nothing in common."""
    reached, left = set(sets[0]), list(sets[1:])
    while touched := [one for one in left if one & reached]:
        reached |= frozenset(chain.from_iterable(touched))
        left = [one for one in left if not one & reached]
    return not left


def lower_bound(
    kinds: Sequence[Kind],
    capacities: Sequence[Capacity],
    *,
    first: IntArray,
    way_costs: FloatArray,
    rounds: int,
) -> float:
    """Return a lower bound on the sum of the costs of all orders that have a choice at all.

    Args:
        kinds: Every order belongs to one.
        capacities: What is limited.
        first: The first step each order can begin at each station; shape (orders, stations).
        way_costs: Of each order to each station, infinite where it is too far; the same shape.
        rounds: Of improving the prices.
    """
    market = _Market(kinds, capacities, first, way_costs)
    prices = np.zeros_like(market.limits)
    mean, square = np.zeros_like(prices), np.zeros_like(prices)
    best = market.value(prices)
    for done in range(rounds if len(capacities) else 0):
        share = done / rounds
        heat, step = (low * (high / low) ** (1 - share) for high, low in (_HEAT, _STEP))
        excess = market.wanted(prices, heat) - market.limits
        excess[(excess < 0) & (prices <= 0)] = 0.0
        mean = _KEPT[0] * mean + (1 - _KEPT[0]) * excess
        square = _KEPT[1] * square + (1 - _KEPT[1]) * excess**2
        scale = np.sqrt(square / (1 - _KEPT[1] ** (done + 1))) + 1e-3
        prices = np.maximum(0.0, prices + step * mean / (1 - _KEPT[0] ** (done + 1)) / scale)
        if (done + 1) % _LOOK == 0 or done + 1 == rounds:
            best = max(best, market.value(prices))
    return best


class _Market:
    """Orders that choose station and step at given prices; steps at which nothing can go on are left out."""

    def __init__(
        self, kinds: Sequence[Kind], capacities: Sequence[Capacity], first: IntArray, way_costs: FloatArray
    ) -> None:
        steps = _steps_used(kinds)
        self._kinds, self._count = kinds, len(steps)
        self._limited = [
            [n for n, capacity in enumerate(capacities) if kind in capacity.kinds]
            for kind in range(len(kinds))
        ]
        shape = (len(capacities), first.shape[1], len(steps))
        self.limits: FloatArray = np.array([c.limits[:, steps] for c in capacities]).reshape(shape)
        self._costs = [np.where(k.possible, k.start_costs, np.inf)[:, steps] for k in kinds]
        begins = np.searchsorted(steps, first)
        self._begins = [np.minimum(begins[k.orders], len(steps) - 1) for k in kinds]
        ways = np.where(begins < len(steps), way_costs, np.inf)
        self._ways = [ways[k.orders] for k in kinds]
        self._stations = np.arange(first.shape[1])

    def value(self, prices: FloatArray) -> float:
        """Return what all orders cost that choose the cheapest, less what all capacity is worth."""
        total = -float((prices * self.limits).sum())
        for number in range(len(self._kinds)):
            costs = self._costs_at(number, prices)
            lowest = np.minimum.accumulate(costs[:, ::-1], axis=1)[:, ::-1]
            offered = lowest[self._stations, self._begins[number]] + self._ways[number]
            cheapest = offered.min(axis=1, initial=np.inf)
            total += float(cheapest[np.isfinite(cheapest)].sum())
        return total

    def wanted(self, prices: FloatArray, heat: float) -> FloatArray:
        """Return what is wanted of each limit on average when orders choose at random."""
        found = np.zeros_like(prices)
        for number, kind in enumerate(self._kinds):
            weights = np.maximum(-self._costs_at(number, prices) / heat, _NOTHING)
            later = np.logaddexp.accumulate(weights[:, ::-1], axis=1)[:, ::-1]
            begins = self._begins[number]
            offered = later[self._stations, begins] - self._ways[number] / heat
            most = offered.max(axis=1, initial=_NOTHING, keepdims=True)
            shares = np.where(most > _NOTHING / 2, np.exp(offered - most), 0.0)
            shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
            # orders that can begin from a step on, over all that they choose from
            come = np.zeros((len(self._stations), self._count))
            np.add.at(come, (np.broadcast_to(self._stations, begins.shape), begins), shares)
            with np.errstate(divide="ignore"):
                ratio = np.maximum(np.log(come) - later, _NOTHING)
            chosen = np.exp(np.minimum(np.logaddexp.accumulate(ratio, axis=1) + weights, 50.0))
            under_way = np.cumsum(chosen, axis=1)
            under_way[:, kind.job.step_count :] -= under_way[:, : -kind.job.step_count].copy()
            for capacity in self._limited[number]:
                found[capacity] += under_way
        return found

    def _costs_at(self, number: int, prices: FloatArray) -> FloatArray:
        """Return what a start of a kind of work costs with all the time it takes; shape (stations, steps)."""
        steps = self._kinds[number].job.step_count
        spent = np.zeros((len(self._stations), self._count + 1))
        np.cumsum(prices[self._limited[number]].sum(axis=0), axis=1, out=spent[:, 1:])
        costs = np.full((len(self._stations), self._count), np.inf)
        costs[:, : self._count - steps + 1] = spent[:, steps:] - spent[:, :-steps]
        return costs + self._costs[number]


def _steps_used(kinds: Sequence[Kind]) -> IntArray:
    """Return the steps that some job can be under way at, in order; those of one job follow each other."""
    used = np.zeros(kinds[0].possible.shape[1], dtype=np.bool_)
    for kind in kinds:
        begins: BoolArray = np.logical_and(kind.possible, np.isfinite(kind.start_costs)).max(axis=0)
        for later in range(kind.job.step_count):
            used[later:] |= begins[: len(begins) - later]
    return np.flatnonzero(used)

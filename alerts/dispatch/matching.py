"""Which order of a batch has which appointment, and how all of them together are made cheaper. Pure.

Each order first takes what is cheapest for it, in random order. Then rounds of *ruin and recreate* (Schrimpf
et al., J. Comput. Phys. 159, 2000; Christiaens and Vanden Berghe, Transp. Sci. 54, 2020): the appointments of
a few orders that compete, at one to three stations near each other, are given back and taken again in another
order. What is cheaper stays; what is dearer by a little stays with a probability that falls to zero, as in
simulated annealing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from alerts.dispatch.calendars import Appointment, Calendar

#: Orders that are taken out together, and the stations, near each other, they are taken from.
_TAKEN_OUT: Final = 12
_AREA: Final = 3
#: The stations nearest to an order, among which are those of its area.
_NEIGHBOURS: Final = 5
#: Share of the rounds in which chance says who chooses first.
_BY_CHANCE: Final = 0.8
#: Mean cost by which a round may be dearer, in the beginning.
_HEAT: Final = 0.4
#: Of an order without an appointment: more than any appointment costs.
_NOWHERE: Final = 1e6


class Choice(NamedTuple):
    """A station that an order may go to."""

    station: int
    cost: float  #: of going there, whenever
    first: int  #: step at which the vehicle can be there


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An order as it is matched."""

    job: int  #: as the calendars number them
    choices: tuple[Choice, ...]  #: the cheapest first
    delay_cost: float  #: of each step that it begins later
    in_time: int  #: the last step before its deadline
    last: int  #: the last step at which it may begin at all


@dataclass(frozen=True, slots=True)
class Match:
    """An order's appointment and its station."""

    station: int
    taken: Appointment


class Matching:
    """Orders of one urgency and their appointments.

    Args:
        calendars: Of all stations; what is matched is taken from them.
        wishes: Of the orders.
        late_cost: Of a beginning after the deadline.
        rng: Source of chance: the same gives the same appointments.
    """

    def __init__(
        self, calendars: Sequence[Calendar], wishes: Sequence[Wish], *, late_cost: float, rng: Random
    ) -> None:
        self._calendars, self._wishes, self._late_cost, self._rng = calendars, wishes, late_cost, rng
        self.matches: list[Match | None] = [None] * len(wishes)
        self._costs = [_NOWHERE] * len(wishes)
        #: Station -> orders there, and those without an appointment whose first choice it is.
        self._there: list[set[int]] = [set() for _ in calendars]
        self._able = [n for n, wish in enumerate(wishes) if wish.choices]
        self._choices = [wish.choices for wish in wishes]
        rng.shuffle(self._able)
        for number in self._able:
            self._place(number)

    def cost(self) -> float:
        """Return what all appointments cost together."""
        return sum(cost for cost, match in zip(self._costs, self.matches, strict=True) if match is not None)

    def improve(self, rounds: int) -> None:
        """Make the appointments cheaper by so many rounds of ruin and recreate."""
        if not self._able:
            return
        for done in range(rounds):
            some = self._some_that_compete()
            before = [(self.matches[n], self._costs[n]) for n in some]
            for number in some:
                self._take_out(number)
            after = math.fsum(self._place(number) for number in self._in_turn(some))
            heat = _HEAT * (1 - done / rounds) ** 2
            limit = math.fsum(cost for _, cost in before) + heat * self._rng.expovariate(1.0)
            if after > limit:
                self._undo(some, before)

    def _some_that_compete(self) -> list[int]:
        """Return a few orders at stations near each other: any of them, or those that follow each other."""
        rng = self._rng
        seed = self._able[int(rng.random() * len(self._able))]
        area = [self._station_of(seed)]
        count = 1 + int(rng.random() * _AREA)
        for station, _, _ in self._choices[seed][:_NEIGHBOURS]:
            if len(area) < count and station not in area:
                area.append(station)
        some = [number for station in area for number in self._there[station]]
        if len(some) <= _TAKEN_OUT:
            return some
        if rng.random() < 0.5:
            return rng.sample(some, _TAKEN_OUT)
        some.remove(seed)
        some.sort(key=self._start_of)
        begin = int(rng.random() * (len(some) - _TAKEN_OUT + 2))
        return [seed, *some[begin : begin + _TAKEN_OUT - 1]]

    def _in_turn(self, some: Sequence[int]) -> list[int]:
        """Return who chooses first, mostly by chance, else the one with the cheapest way."""
        if self._rng.random() < _BY_CHANCE:
            return self._rng.sample(some, len(some))
        return sorted(some, key=lambda number: self._choices[number][0].cost)

    def _station_of(self, number: int) -> int:
        match = self.matches[number]
        return self._choices[number][0].station if match is None else match.station

    def _start_of(self, number: int) -> int:
        match = self.matches[number]
        return self._wishes[number].last if match is None else match.taken.start

    def _place(self, number: int) -> float:
        """Take what is cheapest for an order now; return its cost."""
        wish, calendars, late_cost = self._wishes[number], self._calendars, self._late_cost
        job, delay_cost, in_time, last = wish.job, wish.delay_cost, wish.in_time, wish.last
        best, place, start = _NOWHERE, -1, -1
        for station, way_cost, first in self._choices[number]:
            if way_cost >= best:
                break
            calendar = calendars[station]
            begins = calendar.known.get(job)
            if begins is None:
                begins = calendar.begins(job)
            begins >>= first
            if not begins:
                continue
            step = first + (begins & -begins).bit_length() - 1
            if step > last:
                continue
            cost = way_cost + delay_cost * step
            if step > in_time:
                cost += late_cost
            elif calendar.waits:
                cost += late_cost * calendar.p_late(job, step)
            if cost < best:
                best, place, start = cost, station, step
        self._costs[number] = best
        if place >= 0:
            self.matches[number] = Match(place, calendars[place].take(job, start))
            self._there[place].add(number)
        else:
            self._there[self._station_of(number)].add(number)
        return best

    def _take_out(self, number: int) -> None:
        match = self.matches[number]
        self._there[self._station_of(number)].discard(number)
        if match is not None:
            self._calendars[match.station].give_back(match.taken)
            self.matches[number] = None

    def _undo(self, some: Sequence[int], before: Sequence[tuple[Match | None, float]]) -> None:
        for number in some:
            self._take_out(number)
        for number, (match, cost) in zip(some, before, strict=True):
            self.matches[number], self._costs[number] = match, cost
            self._there[self._station_of(number)].add(number)
            if match is not None:
                self._calendars[match.station].retake(match.taken)

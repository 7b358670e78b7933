"""Feeds readings of many vehicles to the live rules and says which of them are to be told of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from data.records import BoolArray, Family, FamilyRows, IntArray, VehicleSpec
from models.watch.gathering import assembled, no_values, surroundings
from models.watch.rule import LiveExplanation, LiveRisk, LiveRule, Readings, State, memory_us

#: A finding begins at the upper level and has ended at the lower one; both are told of once.
BEGIN_LEVEL, END_LEVEL = 0.7, 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule on one component of one vehicle after one reading."""

    rule: LiveRule
    vehicle_id: int
    component: str
    time_us: int
    probability: float
    severity: int
    why: LiveExplanation


@dataclass(slots=True)
class _Block:
    """Vehicles of one model."""

    spec: VehicleSpec
    vehicle_id: IntArray  #: ascending
    seen_us: dict[Family, IntArray]
    states: list[State]  #: one a rule
    is_open: list[BoolArray]  #: one a rule, shape (n_vehicles, n_components): begun and not ended


@dataclass(slots=True)
class Stream:
    """Holds the states of the rules for vehicles of any model."""

    rules: Sequence[LiveRule]
    _blocks: dict[tuple[object, ...], _Block] = field(default_factory=dict)

    @property
    def families(self) -> frozenset[Family]:
        """Families whose readings some rule takes."""
        return frozenset(rule.family for rule in self.rules)

    def columns(self, family: Family) -> tuple[str, ...]:
        """Return the aliases of a family that the rules read, those of their surroundings among them."""
        own = {alias for rule in self.rules if rule.family is family for alias in rule.columns}
        if family is Family.DRIVE:
            own |= {alias for rule in self.rules for alias in rule.context}
        return tuple(sorted(own))

    def window_us(self, family: Family) -> int:
        """Return how far back readings of a family are needed to build the states anew."""
        return max((rule.window_us for rule in self.rules if rule.family is family), default=0)

    def memory_us(self, family: Family) -> int:
        """Return how far back some rule remembers readings of a family, 0: none beyond ``window_us``."""
        return max((memory_us(rule) for rule in self.rules if rule.family is family), default=0)

    def forget(self) -> None:
        """Drop everything."""
        self._blocks.clear()

    def add(self, vehicle_ids: Sequence[int], spec: VehicleSpec) -> list[int]:
        """Make room for vehicles of one model; return those that had none."""
        block = self._block(spec)
        new = sorted(set(vehicle_ids) - set(block.vehicle_id.tolist()))
        if new:
            ids = np.sort(np.concatenate((block.vehicle_id, np.array(new, dtype=np.int64))))
            kept = np.searchsorted(ids, block.vehicle_id)
            grown = self._empty(spec, ids)
            for family, seen in block.seen_us.items():
                grown.seen_us[family][kept] = seen
            for old, state in zip(block.states, grown.states, strict=True):
                for name, values in state.items():
                    values[kept] = old[name]
            for was, is_open in zip(block.is_open, grown.is_open, strict=True):
                is_open[kept] = was
            self._blocks[_key(spec)] = grown
        return new

    def remind(self, vehicle_id: int, spec: VehicleSpec, mode: str, components: set[str]) -> None:
        """Learn which components were last told of as likely, so that their end is told of as well."""
        block = self._block(spec)
        row = int(np.searchsorted(block.vehicle_id, vehicle_id))
        for rule, is_open in zip(self.rules, block.is_open, strict=True):
            if rule.failure_mode.value == mode:
                names = [rule.component_name(spec, i) for i in range(is_open.shape[1])]
                is_open[row, [i for i, name in enumerate(names) if name in components]] = True

    def has_open(self) -> bool:
        """Tell whether any finding has begun and not ended."""
        return any(one.any() for block in self._blocks.values() for one in block.is_open)

    def take(
        self, rows: Mapping[Family, FamilyRows], spec: VehicleSpec, *, is_live: bool = False
    ) -> list[Finding]:
        """Take readings of vehicles of one model; return what is to be told, in order of time.

        Readings that are not newer than all before of their vehicle and family change nothing.

        Args:
            rows: By family, any vehicles that were added, in any order; drive rows may reach back
                ``CONTEXT_US`` for the surroundings.
            spec: Of all of them.
            is_live: Tell of what is so after the last reading of each vehicle, again with each call, and not
                at the reading with which it began: the same rows, read once more, tell the same.
        """
        block = self._block(spec)
        out: list[Finding] = []
        for family in sorted(self.families):
            for index, readings in self._readings(block, rows, family):
                out += _told(block, index, self.rules[index], readings, is_live=is_live)
                block.seen_us[family][readings.at] = readings.time_us  # ascending: the last one stays
        return sorted(out, key=lambda f: f.time_us)

    def recall(self, rows: Mapping[Family, FamilyRows], spec: VehicleSpec) -> None:
        """Let the rules that remember more than their window take older readings; nothing is told of them.

        Args:
            rows: As for ``take``, of vehicles that have taken nothing since they were added.
            spec: Of all of them.
        """
        block = self._block(spec)
        for family in sorted(self.families):
            for index, readings in self._readings(block, rows, family):
                if memory_us(self.rules[index]):
                    self.rules[index].take(block.states[index], readings, spec)

    def _readings(
        self, block: _Block, rows: Mapping[Family, FamilyRows], family: Family
    ) -> list[tuple[int, Readings]]:
        """Return, for each rule of a family by its position, the readings that are newer than all before."""
        own = rows.get(family)
        if own is None or not len(own):
            return []
        at, time_us, columns = assembled(own, block.vehicle_id, block.spec)
        is_new = time_us > block.seen_us[family][at]
        at, time_us = at[is_new], time_us[is_new]
        columns = {alias: values[is_new] for alias, values in columns.items()}
        out = []
        for index, rule in enumerate(self.rules):
            if rule.family is family and len(at):
                given = {a: columns.get(a, np.full(len(at), np.nan)) for a in rule.columns}
                drive = rows.get(Family.DRIVE)
                given |= surroundings(rule.context, at, time_us, drive, block.vehicle_id)
                out.append((index, Readings(at=at, time_us=time_us, columns=given)))
        return out

    def _block(self, spec: VehicleSpec) -> _Block:
        found = self._blocks.get(_key(spec))
        if found is None:
            found = self._blocks[_key(spec)] = self._empty(spec, np.zeros(0, dtype=np.int64))
        return found

    def _empty(self, spec: VehicleSpec, vehicle_ids: IntArray) -> _Block:
        n = len(vehicle_ids)
        nothing = Readings(
            at=np.zeros(0, dtype=np.int64),
            time_us=np.zeros(0, dtype=np.int64),
            columns={},
        )
        return _Block(
            spec=spec,
            vehicle_id=vehicle_ids,
            seen_us={family: np.zeros(n, dtype=np.int64) for family in self.families},
            states=[rule.empty(n, spec) for rule in self.rules],
            is_open=[np.zeros((n, _width(rule, spec, nothing)), dtype=np.bool_) for rule in self.rules],
        )


def _key(spec: VehicleSpec) -> tuple[object, ...]:
    return (
        spec.model_id,
        spec.chemistry,
        spec.cell_count,
        spec.probe_count,
        spec.capacity_ah,
        spec.wheels,
        spec.placard_kpa,
    )


def _width(rule: LiveRule, spec: VehicleSpec, nothing: Readings) -> int:
    """Return the number of components of a rule: what it says of no reading at all has as many columns."""
    empty = {alias: no_values(alias, spec) for alias in (*rule.columns, *rule.context)}
    asked = Readings(at=nothing.at, time_us=nothing.time_us, columns=empty)
    return int(rule.take(rule.empty(0, spec), asked, spec).probability.shape[1])


def _told(block: _Block, index: int, rule: LiveRule, readings: Readings, *, is_live: bool) -> list[Finding]:
    """Run a rule and return what began, what ended, and live what goes on."""
    state, is_open = block.states[index], block.is_open[index]
    risk = rule.take(state, readings, block.spec)
    at = readings.at
    is_last = np.append(at[1:] != at[:-1], True)
    is_first = np.append(True, is_last[:-1])
    after, before = _open(risk, is_open, at, is_first)
    if is_live:
        # as of now: what began and ended in between is told at its begin, so that nobody misses it
        known = np.where(is_last[:, None], after | is_open[at] | _any_of_vehicle(after, is_first), False)
        passed = ~_of_last(after, is_last)
        is_told = (known | (after & ~before & passed)) & np.isfinite(risk.probability)
    else:
        is_told = (after != before) & np.isfinite(risk.probability)
    is_open[at[is_last]] = after[is_last]
    return [
        Finding(
            rule=rule,
            vehicle_id=int(block.vehicle_id[at[i]]),
            component=rule.component_name(block.spec, c),
            time_us=int(readings.time_us[i]),
            probability=float(risk.probability[i, c]),
            severity=int(risk.severity[i, c]),
            why=rule.explain(state, risk, readings, (i, c), block.spec),
        )
        for i, c in np.argwhere(is_told).tolist()
    ]


def _open(
    risk: LiveRisk, is_open: BoolArray, at: IntArray, is_first: BoolArray
) -> tuple[BoolArray, BoolArray]:
    """Return whether a finding is open after each reading and before it; between the levels it stays so."""
    begins, ends = risk.probability >= BEGIN_LEVEL, risk.probability <= END_LEVEL
    row = np.arange(len(at))
    newest = np.maximum.accumulate(np.where(begins | ends, row[:, None], -1), axis=0)
    start = np.maximum.accumulate(np.where(is_first, row, 0))
    decided = np.take_along_axis(begins, np.maximum(newest, 0), axis=0)
    after = np.where(newest >= start[:, None], decided, is_open[at])
    before = is_open[at]
    before[~is_first] = after[np.flatnonzero(~is_first) - 1]
    return after, before


def _any_of_vehicle(values: BoolArray, is_first: BoolArray) -> BoolArray:
    """Return, for each reading, whether any reading of its vehicle has the value."""
    starts = np.flatnonzero(is_first)
    if not len(starts):
        return values
    return np.asarray(np.logical_or.reduceat(values, starts, axis=0)[np.cumsum(is_first) - 1])


def _of_last(values: BoolArray, is_last: BoolArray) -> BoolArray:
    """Return, for each reading, the value at the last reading of its vehicle."""
    ends = np.flatnonzero(is_last)
    return values[ends[np.searchsorted(ends, np.arange(len(values)))]]

"""What every live rule promises: new readings of many vehicles in, risk after each reading out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from data.records import BoolArray, FailureMode, Family, FloatArray, IntArray, Quantiles, Reason, VehicleSpec

#: What a rule remembers: arrays whose first axis is the vehicle, changed in place. The watch enlarges them
#: when vehicles come, and never looks into them.
State = dict[str, np.ndarray[Any, np.dtype[Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """New readings of one family of vehicles of one model, by vehicle and then ascending in time.

    Only live ones, newer than all before of their vehicle: late and repeated readings never get here.
    """

    at: IntArray  #: shape (n,), row of the vehicle in the state, ascending
    time_us: IntArray  #: shape (n,), sample time
    #: by alias: own columns (n,) or (n, k); context columns (n,), the newest value known at the sample
    columns: Mapping[str, FloatArray]

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRisk:
    """What a rule says after each reading."""

    probability: FloatArray  #: shape (n, n_components), 0-1; NaN: nothing known
    severity: IntArray  #: same shape, 0 the most urgent
    detail: Mapping[str, FloatArray]  #: what ``explain`` needs, same shape


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveExplanation:
    """Why, for one reading and component."""

    reasons: tuple[Reason, ...]
    evidence: Mapping[str, Any]  #: {"time": [ms], "series": {name: [value]}, "unit"}
    since_us: int  #: first reading of what is told of
    ttt_h: Quantiles | None


class LiveRule(Protocol):
    """One hazard. The constructor stores; everything it remembers is in the state it is handed.

    ``take`` is called with any number of readings of any vehicles at a time; the risk after a reading must
    not depend on how the readings were cut into calls. A rule judges by sample times alone: a gap makes what
    it remembers stale, and it says so by forgetting it, not by a warning.
    """

    @property
    def failure_mode(self) -> FailureMode:
        """The failure mode that it finds."""
        ...

    @property
    def model_version(self) -> str:
        """Name and number of the rule; changes with its results."""
        ...

    @property
    def horizon_h(self) -> float:
        """The period that its probability refers to, hours."""
        ...

    @property
    def family(self) -> Family:
        """Family whose readings it takes one by one."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """Aliases of that family that it reads; a missing one comes as NaN."""
        ...

    @property
    def context(self) -> tuple[str, ...]:
        """Scalar aliases of the drive family that it wants as of each reading, at most 15 min old."""
        ...

    @property
    def window_us(self) -> int:
        """How far back readings are needed to build its state anew."""
        ...

    @property
    def blind_spots(self) -> tuple[str, ...]:
        """What it cannot see, for its model card."""
        ...

    def empty(self, n_vehicles: int, spec: VehicleSpec) -> State:
        """Return a state that knows no reading."""
        ...

    def take(self, state: State, readings: Readings, spec: VehicleSpec) -> LiveRisk:
        """Take readings into the state and return the risk after each of them."""
        ...

    def explain(
        self, state: State, risk: LiveRisk, readings: Readings, place: tuple[int, int], spec: VehicleSpec
    ) -> LiveExplanation:
        """Return the reasons for a place in ``risk``, reading and component, right after ``take``."""
        ...

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return the name of a component: ``tire front-left``, ``battery``."""
        ...


def memory_us(rule: LiveRule) -> int:
    """Return how far back a rule remembers the first reading of each minute: ``memory_us`` where it has that.

    What lies farther back than ``window_us`` is asked for once, when its state is built anew.
    """
    return int(getattr(rule, "memory_us", 0))


def could_tell(rule: LiveRule, readings: Readings, spec: VehicleSpec) -> BoolArray:
    """Mark readings without which a rule tells nothing: what its ``could_tell`` marks, else all.

    A necessary condition, cheap for millions of readings at once: a vehicle none of whose readings is marked
    is never told of from an empty state on. Shape (n,).
    """
    marks = getattr(rule, "could_tell", None)
    return np.ones(len(readings), dtype=np.bool_) if marks is None else np.asarray(marks(readings, spec))


def rounds(at: IntArray) -> Iterator[IntArray]:
    """Yield indices of readings such that each vehicle occurs at most once a round, in order of time.

    Args:
        at: Rows of the vehicles, ascending; the readings of a vehicle ascending in time.
    """
    if not len(at):
        return
    starts = np.flatnonzero(np.r_[True, at[1:] != at[:-1]])
    turn = np.arange(len(at)) - np.repeat(starts, np.diff(np.r_[starts, len(at)]))
    order = np.argsort(turn, kind="stable")
    bounds = np.searchsorted(turn[order], np.arange(int(turn.max()) + 2))
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        yield order[begin:end]

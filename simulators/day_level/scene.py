"""One part of a fleet on its way through the days: who, what they do, what happens to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import VehicleSpec
from simulators.day_level.chance import Flags, Floats, Ints, PartChance
from simulators.day_level.plan import Plan
from simulators.day_level.population import Population
from simulators.day_level.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What every kind of feature is drawn from; F vehicles, D days."""

    chance: PartChance
    who: Population
    usage: Usage
    plan: Plan

    @property
    def spec(self) -> VehicleSpec:
        """Return the model that all of them share."""
        return self.who.spec

    @property
    def shape(self) -> tuple[int, int]:
        """Return (F, D)."""
        n, days = self.usage.drives.shape
        return n, days

    @property
    def since(self) -> Floats:
        """Return the whole days since the onset day, (F, D): 0 on it, negative before."""
        begin = np.minimum(np.floor(self.plan.onset_day), 1e6)
        return np.arange(float(self.shape[1]))[None, :] - begin[:, None]

    def has(self, kind: str) -> Flags:
        """Return who has a kind of fault or decoy, (F,)."""
        return np.asarray(self.plan.kind == kind)

    def picked(self, n_components: int) -> Ints:
        """Return the component that the fault or decoy is about, (F,)."""
        return np.minimum((self.plan.u[:, 1] * n_components).astype(np.int64), n_components - 1)

    def mark(self, n_components: int) -> Flags:
        """Return a mark on that component, (F, 1, n_components)."""
        return np.asarray(np.arange(n_components) == self.picked(n_components)[:, None])[:, None, :]

    def variant(self, kind: str, count: int) -> Ints:
        """Return which of ``count`` variants of a kind each vehicle has, (F,); -1 without the kind."""
        drawn = np.minimum((self.plan.u[:, 0] * count).astype(np.int64), count - 1)
        return np.where(self.has(kind), drawn, -1)

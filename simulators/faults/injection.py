"""What happens to one vehicle, hidden from whoever reads its signals, and the plan of a whole fleet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from data.records import Severity

NEVER = np.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """A fault or a decoy of one vehicle: its course in closed form; times in seconds since 1970 UTC."""

    vehicle: int  #: index in the fleet
    kind: str  #: a failure mode, ``contactor``, or the kind of decoy
    variant: str  #: which of the courses of its kind
    is_fault: bool
    component: str
    element: int  #: wheel, cell or probe from 0; -1: the vehicle itself
    at_s: float  #: onset; of a hazard: not before this, the exact instant comes with the trip or charge
    threshold_s: float = NEVER  #: it crosses the limit of its mode then, if left alone
    failure_s: float = NEVER  #: it has failed then
    magnitude: float = 0.0
    unit: str = ""
    severity: Severity | None = None  #: of a fault, once its threshold is crossed
    p: Mapping[str, float] = field(default_factory=dict)  #: parameters of its course

    @property
    def is_hazard(self) -> bool:
        """Tell whether it unfolds within minutes, at an instant that the day's trips decide."""
        return "hazard" in self.p


@dataclass(frozen=True, slots=True)
class Plan:
    """The hidden future of a fleet, in order of vehicles."""

    count: int  #: vehicles
    injections: tuple[Injection, ...]

    def of(self, kind: str, *variants: str) -> Iterator[Injection]:
        """Yield the injections of one kind, or of some of its variants."""
        for one in self.injections:
            if one.kind == kind and (not variants or one.variant in variants):
                yield one

    def part(self, begin: int, end: int) -> Plan:
        """Return the plan of the vehicles from ``begin`` to before ``end``, numbered from 0."""
        chosen = (i for i in self.injections if begin <= i.vehicle < end)
        return Plan(end - begin, tuple(replace(i, vehicle=i.vehicle - begin) for i in chosen))

    def kinds(self) -> tuple[str, ...]:
        """Return what each vehicle carries, empty where nothing; one element a vehicle."""
        out = [""] * self.count
        for one in self.injections:
            out[one.vehicle] = one.kind
        return tuple(out)

    def mask(self, kind: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return (F,) which vehicles carry a kind."""
        out = np.zeros(self.count, np.bool_)
        out[[i.vehicle for i in self.of(kind)]] = True
        return out

    def onset(self, kind: str, otherwise: float = NEVER) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return (F,) onset of a kind, ``otherwise`` where there is none."""
        out = np.full(self.count, otherwise)
        for one in self.of(kind):
            out[one.vehicle] = one.at_s
        return out


def gather(
    chosen: Sequence[Injection], name: str, shape: tuple[int, ...], otherwise: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return one parameter as an array (F,) or (F, elements).

    Args:
        chosen: Injections, at most one a place.
        name: ``at_s``, ``magnitude`` or the name of a parameter.
        shape: (F,) or (F, elements).
        otherwise: Value where nothing is injected.
    """
    out = np.full(shape, otherwise)
    for one in chosen:
        value = getattr(one, name) if name in ("at_s", "magnitude") else one.p[name]
        out[(one.vehicle, one.element) if len(shape) > 1 else one.vehicle] = value
    return out

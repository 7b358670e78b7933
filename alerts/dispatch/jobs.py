"""What a repair needs: operations, parts, time, bay, skill."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from data.warranty import Warranty

#: Planned time over the labour guide's time: cleaning, test drive, papers.
TIME_MARGIN = Decimal("1.15")
STEP_MINUTES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A labour operation with the hours of the labour guide."""

    operation: str
    name_en: str
    name_zh: str
    hours: Decimal
    skill: str  #: ``T1``, ``T2``, ``HV2``, ``HV3``
    bay_kind: str  #: ``tire``, ``lift``, ``hv``, ``quarantine``, ``any``
    warranty: Warranty | None = None  #: what it falls under; None: what the fault does


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPart:
    """A part with its price without tax."""

    sku: str
    name_en: str
    name_zh: str
    qty: int
    unit_price: Decimal
    warranty: Warranty | None = None  #: what it falls under; None: what the fault does
    substitutes: tuple[JobPart, ...] = ()  #: that do as well and say what they stand for, the best first


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything one repair needs of a station."""

    operations: tuple[Operation, ...]
    parts: tuple[JobPart, ...]
    needs_hv: bool
    mobile_fix: float | None = None  #: probability that it succeeds on the road; None: never done there
    extra_bay_kind: str | None = None  #: what the bay must be fit for besides the operations

    @property
    def step_count(self) -> int:
        """Return the planned time, hours times the margin, in steps of 15 minutes, rounded up."""
        hours = sum((o.hours for o in self.operations), Decimal(0)) * TIME_MARGIN
        return max(1, math.ceil(hours * 60 / STEP_MINUTES))

    @property
    def skills(self) -> frozenset[str]:
        """Return the skills that one technician must have together."""
        return frozenset(o.skill for o in self.operations)

    @property
    def bay_kinds(self) -> frozenset[str]:
        """Return what the bay must be fit for; empty: any bay."""
        kinds = {o.bay_kind for o in self.operations if o.bay_kind != "any"}
        return frozenset(kinds if self.extra_bay_kind is None else kinds | {self.extra_bay_kind})

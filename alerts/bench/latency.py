"""From the published reading to the owner's phone: how long each stage takes, and what got lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Each stage ends with a commit that others can see, or with the decrypted message.
STAGES = ("committed", "predicted", "ordered", "pushed")
_PERCENTS = (50, 95, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One hazard's way along the chain, seconds since 1970."""

    vin: str
    kind: str
    published: float
    committed: float | None = None  #: the batch with the decisive reading
    predicted: float | None = None  #: the live rule's finding; a vehicle's own alarm has none
    ordered: float | None = None  #: alert, order and appointment, one transaction
    pushed: float | None = None  #: decrypted by the owner's browser

    @property
    def is_whole(self) -> bool:
        """Tell whether it came to its end."""
        return None not in (self.committed, self.ordered, self.pushed)


def summarise(passages: Sequence[Passage], *, told: Collection[tuple[str, str]]) -> dict[str, Any]:
    """Return the percentiles of the whole way and of each stage.

    Args:
        passages: One for each hazard.
        told: VIN and id of everything that became an order or reached an owner: what is told of a vehicle
            without a hazard, or a second time, is extra.
    """
    whole = [p for p in passages if p.is_whole]
    struck = {p.vin for p in passages}
    seen: set[str] = set()
    extra = 0
    for vin, _ in sorted(set(told)):
        extra += vin not in struck or vin in seen
        seen.add(vin)
    total = _percentiles([_ms(p.published, p.pushed) for p in whole])
    return {
        **total,
        "stages": {name: _percentiles(spans) for name, spans in _spans(whole).items()},
        "kinds": {
            kind: _percentiles([_ms(p.published, p.pushed) for p in whole if p.kind == kind])
            for kind in sorted({p.kind for p in passages})
        },
        "hazards": len(passages),
        "missed": len(passages) - len(whole),
        "extra": extra,
    }


def _spans(whole: Sequence[Passage]) -> Mapping[str, list[float]]:
    """Return how long each stage took, ms, from the end of the one before."""
    spans: dict[str, list[float]] = {name: [] for name in STAGES}
    for passage in whole:
        before = passage.published
        for name in STAGES:
            at = getattr(passage, name)
            if at is not None:
                spans[name].append(_ms(before, at))
                before = at
    return spans


def _ms(start: float, end: float | None) -> float:
    return 1000.0 * ((end or start) - start)


def _percentiles(spans_ms: Sequence[float]) -> dict[str, float | None]:
    if not spans_ms:
        return {f"p{percent}_ms": None for percent in _PERCENTS}
    found = np.percentile(np.asarray(spans_ms), _PERCENTS)
    return {f"p{p}_ms": round(float(value), 1) for p, value in zip(_PERCENTS, found, strict=True)}

"""How far a feature of today lies from what it was when something was learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from data.records import FloatArray, IntArray

#: Population stability index from which a feature has shifted, by the usual rule of credit scoring
#: (Siddiqi 2006, Credit Risk Scorecards, ch. 8): below 0.1 stable, above 0.25 shifted.
SHIFTED = 0.25
#: Fewer vehicles than this on a side say nothing.
LEAST_VEHICLES = 20
_BINS = 10
_CONFIDENCE = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One feature on the vehicles of one model."""

    psi: float
    ks: float  #: largest distance of the cumulative shares (Kolmogorov-Smirnov)
    reference_count: int  #: vehicles
    live_count: int
    is_drifted: bool


def shift_of(
    reference: FloatArray, reference_vehicle: IntArray, live: FloatArray, live_vehicle: IntArray
) -> Shift | None:
    """Return how far live values lie from the reference; None where either has too few vehicles.

    The index alone grows with few vehicles: of n and m of the same kind it is spread like chi-square of
    bins - 1 times (1/n + 1/m) (Yurdakul 2018); what this explains is no drift. Days of one vehicle resemble
    each other, so vehicles are counted, not days.

    Args:
        reference: Shape (n,), values; NaN is missing.
        reference_vehicle: Shape (n,), whose.
        live: Shape (m,).
        live_vehicle: Shape (m,).
    """
    known, now = np.isfinite(reference), np.isfinite(live)
    n, m = len(np.unique(reference_vehicle[known])), len(np.unique(live_vehicle[now]))
    if min(n, m) < LEAST_VEHICLES:
        return None
    value = psi(reference[known], live[now], half=(0.5 * known.sum() / n, 0.5 * now.sum() / m))
    noise = float(stats.chi2.ppf(_CONFIDENCE, _BINS - 1)) * (1 / n + 1 / m)
    found = stats.ks_2samp(reference[known], live[now], method="asymp").statistic
    return Shift(
        psi=value,
        ks=float(found),
        reference_count=n,
        live_count=m,
        is_drifted=bool(value > max(SHIFTED, noise)),
    )


def psi(reference: FloatArray, live: FloatArray, *, half: tuple[float, float] = (0.5, 0.5)) -> float:
    """Return the population stability index over tenths of the reference; both without NaN.

    Equal values that fill several tenths share a bin; half an independent value is added to each, which
    ``half`` gives in values of the reference and of now.
    """
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, _BINS + 1)[1:-1]))
    bins = len(edges) + 1
    old = np.bincount(np.searchsorted(edges, reference, side="left"), minlength=bins) + half[0]
    new = np.bincount(np.searchsorted(edges, live, side="left"), minlength=bins) + half[1]
    p, q = old / old.sum(), new / new.sum()
    return float(((q - p) * np.log(q / p)).sum())

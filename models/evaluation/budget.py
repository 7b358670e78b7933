"""How much a baseline finds where it may be wrong as often as the running system, and no more."""

from __future__ import annotations

import numpy as np

from data.records import FloatArray
from models.evaluation.tally import Outcome, Tally
from models.evaluation.terms import Terms


def recall_at_rate(tally: Tally, terms: Terms, false_vehicles_per_1000: float) -> float | None:
    """Return the recall at the level at which so many healthy vehicles are alerted.

    The level is set on the very healthy vehicles that are judged, which favours the baseline. Where it says
    yes or no, or several have one score, a share of what is beyond is followed, drawn at random: the straight
    line between two points of the ROC curve (Fawcett 2006, Pattern Recogn. Lett. 27:861).

    Args:
        tally: Of the baseline.
        terms: Which faults count.
        false_vehicles_per_1000: Healthy vehicles alerted in 1,000 vehicle-days.

    Returns:
        None without an event or a healthy vehicle.
    """
    events = [
        f
        for f in tally.faults
        if f.outcome is not Outcome.UNJUDGED and not f.magnitude < terms.least_magnitude
    ]
    if not events or not tally.healthy_days:
        return None
    allowed = false_vehicles_per_1000 * tally.healthy_days / 1000
    if len(tally.peaks):
        return _beyond(np.array([f.peak for f in events]), tally.peaks, allowed)
    found = sum(f.outcome is Outcome.FOUND for f in events) / len(events)
    alerted = len({(a.seed, a.vehicle) for a in tally.false_alerts})
    return found * min(1.0, allowed / alerted) if alerted else found


def false_vehicles_per_1000(tally: Tally) -> float | None:
    """Return the healthy vehicles alerted in 1,000 vehicle-days; None without any day."""
    alerted = len({(a.seed, a.vehicle) for a in tally.false_alerts})
    return 1000 * alerted / tally.healthy_days if tally.healthy_days else None


def _beyond(faulty: FloatArray, healthy: FloatArray, allowed: float) -> float:
    """Return the share of faulty peaks beyond the level that ``allowed`` healthy ones are beyond."""
    ranked = np.sort(healthy)[::-1]
    if allowed >= len(ranked):
        return float(np.isfinite(faulty).mean())
    level = ranked[int(allowed)]
    above, ties = int((ranked > level).sum()), int((ranked == level).sum())
    share = (allowed - above) / ties
    return float((faulty > level).mean() + share * (faulty == level).mean())

"""From tallies to the figures of the report: one mode or baseline each, JSON-ready, None where unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from models.evaluation import metrics
from models.evaluation.part import Levels
from models.evaluation.tally import FaultOutcome, Outcome, Tally
from models.evaluation.terms import DAYS_OF_YEAR, Terms


def summarise(tally: Tally, terms: Terms, levels: Levels, rng: np.random.Generator) -> dict[str, Any]:
    """Return the figures of one detector over all parts.

    ``events`` are the faults of at least ``terms.least_magnitude`` whose limit lies within the run. Recall is
    theirs. Faults that reach no limit in the run (``unjudged``) are counted apart, as are those of them that
    were alerted at any time after their onset; smaller faults stand under ``below_scope``, by size under
    ``by_magnitude``. ``false_upper95`` is the exact one-sided 95 % bound; vehicle-days are those with an
    answer. Of these ``vehicle_days_ruled_out`` were counted without running a live rule, since what it needs
    to tell did not happen on them: argued. ``false_upper95_run`` is the bound from the days run alone.
    """
    judged = [f for f in tally.faults if f.outcome is not Outcome.UNJUDGED]
    events = [f for f in judged if _is_in_scope(f, terms)]
    found = [f for f in events if f.outcome is Outcome.FOUND]
    thousands = tally.healthy_days / 1000
    false = len(tally.false_alerts)
    rate = false / thousands if thousands else None
    upper = metrics.poisson_upper(false, thousands)
    recall = len(found) / len(events) if events else None
    inside, foretold = tally.interval
    return {
        "detector": tally.name,
        "events": len(events),
        "recall": rounded(recall),
        "recall_ci": _pair(metrics.wilson(len(found), len(events))),
        "recall_ci_by_vehicle": _pair(_by_vehicle(events, rng)),
        "least_magnitude": terms.least_magnitude,
        "late": sum(f.outcome is Outcome.LATE for f in events),
        "unjudged": len(tally.faults) - len(judged),
        "unjudged_alerted": sum(f.is_alerted for f in tally.faults if f.outcome is Outcome.UNJUDGED),
        "vehicle_days": tally.healthy_days,
        "vehicle_days_ruled_out": tally.ruled_out_days,
        "false_episodes": false,
        "false_per_1000_vehicle_days": rounded(rate),
        "false_upper95": rounded(upper),
        "false_upper95_run": rounded(
            metrics.poisson_upper(false, (tally.healthy_days - tally.ruled_out_days) / 1000)
        ),
        "false_vehicles": len({(a.seed, a.vehicle) for a in tally.false_alerts}),
        "decoys": tally.decoys,
        "false_by_decoy": dict(Counter(a.decoy or "none" for a in tally.false_alerts).most_common()),
        "astray": {
            "episodes": len(tally.astray),
            "per_1000_vehicle_days": _per_1000(len(tally.astray), tally.enriched_days),
        },
        "lead_h": _named(f.lead_h for f in found),
        "lead_h_deciles": _deciles(f.lead_h for f in found),
        "delay_h_p50": _median(f.delay_h for f in found),
        "coverage": rounded(_share(tally.healthy_days, tally.healthy_calendar_days)),
        "enriched_coverage": rounded(_share(tally.enriched_days, tally.enriched_calendar_days)),
        "brier": rounded(tally.scores.brier),
        "ece": rounded(tally.scores.ece),
        "pr_auc": rounded(tally.scores.average_precision),
        "prevalence": rounded(tally.scores.prevalence),
        "reliability": [{k: rounded(v) for k, v in r.items()} for r in tally.scores.reliability()],
        "ttt_interval": {
            "at_alert": _mean(f.is_inside for f in found),
            "days_inside": rounded(_share(inside, foretold)),
            "days": foretold,
        },
        "precision_in_field": _precision(recall, rate, upper, terms),
        "cost_per_vehicle_year": _cost(recall, rate, terms),
        "by_magnitude": _by_magnitude(judged, terms),
        "below_scope": _below(judged, terms),
        "confused_with": _confusion(tally),
        "by_seed": _by_seed(tally, terms),
        "soh": _soh(tally),
        "target": _target(terms),
        "tail": _tail(tally, levels),
    }


def _is_in_scope(fault: FaultOutcome, terms: Terms) -> bool:
    """Tell whether a fault is large enough to be an event; one of unknown size is."""
    return not fault.magnitude < terms.least_magnitude


def _by_vehicle(events: Sequence[FaultOutcome], rng: np.random.Generator) -> tuple[float, float] | None:
    total: Counter[tuple[int, int]] = Counter((f.seed, f.vehicle) for f in events)
    found = Counter((f.seed, f.vehicle) for f in events if f.outcome is Outcome.FOUND)
    keys = sorted(total)
    return metrics.cluster_bootstrap(
        np.array([found[k] for k in keys], dtype=np.int64),
        np.array([total[k] for k in keys], dtype=np.int64),
        rng=rng,
    )


def _precision(
    recall: float | None, rate: float | None, upper: float | None, terms: Terms
) -> dict[str, Any] | None:
    """Return the precision at the low and the high prevalence, and that at the upper bound of the rate."""
    if recall is None or rate is None or upper is None:
        return None
    low, high = (1000 * n / DAYS_OF_YEAR for n in terms.faults_per_vehicle_year)
    return {
        "faults_per_1000_vehicle_days": [rounded(low), rounded(high)],
        "low": rounded(metrics.field_precision(recall, low, rate)),
        "high": rounded(metrics.field_precision(recall, high, rate)),
        "low_at_upper95": rounded(metrics.field_precision(recall, low, upper)),
    }


def _cost(recall: float | None, rate: float | None, terms: Terms) -> dict[str, Any] | None:
    """Return the yearly cost of a vehicle at the middle prevalence, with the detector and without any."""
    if recall is None or rate is None:
        return None
    low, high = terms.faults_per_vehicle_year
    faults = float(np.sqrt(low * high))
    false = rate / 1000 * DAYS_OF_YEAR
    cost = (
        false * terms.cost_false
        + (1 - recall) * faults * terms.cost_missed
        + recall * faults * terms.cost_planned
    )
    return {"with": rounded(cost), "without": rounded(faults * terms.cost_missed)}


def _by_magnitude(judged: Sequence[FaultOutcome], terms: Terms) -> list[dict[str, Any]]:
    sizes = np.array([f.magnitude for f in judged])
    edges = terms.edges
    if not edges and len(judged) >= 30 and np.ptp(sizes) > 0:
        edges = tuple(np.quantile(sizes, [0.0, 1 / 3, 2 / 3, 1.0]).tolist())
    out = []
    for low, high in pairwise(edges):
        is_last = high == edges[-1]
        here = [f for f in judged if low <= f.magnitude < high or (is_last and f.magnitude == high)]
        if here:
            found = [f for f in here if f.outcome is Outcome.FOUND]
            out.append(
                {
                    "from": rounded(low),
                    "to": rounded(high),
                    "events": len(here),
                    "recall": rounded(len(found) / len(here)),
                    "recall_ci": _pair(metrics.wilson(len(found), len(here))),
                    "lead_h": _named(f.lead_h for f in found),
                    "delay_h_p50": _median(f.delay_h for f in found),
                }
            )
    return out


def _below(judged: Sequence[FaultOutcome], terms: Terms) -> dict[str, Any]:
    small = [f for f in judged if not _is_in_scope(f, terms)]
    return {
        "events": len(small),
        "recall": rounded(_share(sum(f.outcome is Outcome.FOUND for f in small), len(small))),
    }


def _confusion(tally: Tally) -> dict[str, dict[str, int]]:
    out: dict[str, dict[str, int]] = {}
    for (kind, is_same), vehicles in sorted(tally.confusion.items()):
        out.setdefault(kind, {})["same_component" if is_same else "elsewhere"] = vehicles
    return out


def _by_seed(tally: Tally, terms: Terms) -> dict[str, Any]:
    """Return recall and false alerts seed by seed, and how much recall varies over them."""
    rows = []
    for seed in sorted({f.seed for f in tally.faults} | {a.seed for a in tally.false_alerts}):
        events = [
            f
            for f in tally.faults
            if f.seed == seed and f.outcome is not Outcome.UNJUDGED and f.magnitude >= terms.least_magnitude
        ]
        found = sum(f.outcome is Outcome.FOUND for f in events)
        rows.append(
            {
                "seed": seed,
                "events": len(events),
                "recall": rounded(_share(found, len(events))),
                "false_episodes": sum(a.seed == seed for a in tally.false_alerts),
            }
        )
    known = [r["recall"] for r in rows if r["recall"] is not None]
    spread = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return {"seeds": rows, "recall_sd": rounded(spread)}


def _soh(tally: Tally) -> dict[str, Any] | None:
    soh = tally.soh
    if not soh.count:
        return None
    return {
        "vehicle_days": soh.count,
        "rmse_points": rounded(float(np.sqrt(soh.squared / soh.count))),
        "interval95_holds": rounded(_share(soh.inside, soh.with_interval)),
    }


def _tail(tally: Tally, levels: Levels) -> dict[str, Any] | None:
    """Argue how often a healthy vehicle would pass the raise level in a run; an extrapolation, no count."""
    level = float(np.log(levels.raise_level / (1 - levels.raise_level)))
    tail = metrics.pareto_tail(tally.peaks, level)
    vehicles = len(tally.peaks)
    if tail is None or not tally.healthy_days:
        return None
    return {
        "argued": True,
        "vehicles": vehicles,
        "exceedances": tail.exceedances,
        "shape": rounded(tail.shape),
        "scale": rounded(tail.scale),
        "crossings_per_1000_vehicle_days": rounded(tail.beyond * vehicles / tally.healthy_days * 1000),
        "note": "one day above the raise level, before any dwell; generalised Pareto fit to vehicle maxima",
    }


def _target(terms: Terms) -> dict[str, Any]:
    target = terms.target
    return {
        "recall": target.recall,
        "false_per_1000_vehicle_days": target.false_per_1000,
        "lead_p50_h": target.lead_p50_h,
        "lead_p50_h_at": [list(pair) for pair in target.lead_at],
        "precision": target.precision,
    }


def _deciles(values: Iterable[float]) -> list[float | None]:
    shares = tuple(i / 10 for i in range(11))
    return [rounded(v) for v in metrics.quantiles(np.array(list(values), dtype=np.float64), shares) or ()]


def _named(values: Iterable[float]) -> dict[str, float | None]:
    found = metrics.quantiles(np.array(list(values), dtype=np.float64))
    return dict(zip(("p10", "p50", "p90"), map(rounded, found or (None,) * 3), strict=True))


def _median(values: Iterable[float]) -> float | None:
    found = metrics.quantiles(np.array(list(values), dtype=np.float64), (0.5,))
    return rounded(found[0]) if found else None


def _mean(values: Iterable[float]) -> float | None:
    known = np.array([v for v in values if np.isfinite(v)])
    return rounded(float(known.mean())) if len(known) else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _per_1000(count: int, days: int) -> float | None:
    return rounded(1000 * count / days) if days else None


def _pair(bounds: tuple[float, float] | None) -> list[float | None] | None:
    return None if bounds is None else [rounded(b) for b in bounds]


def rounded(value: float | None) -> float | None:
    """Return four significant digits: more would claim what no simulation knows."""
    return None if value is None or not np.isfinite(value) else float(f"{value:.4g}")

"""The figures as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def table(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line a mode, with the baselines of the same events below it."""
    yield (
        f"{'':<34}{'events':>7}{'recall':>8}{'95 %':>16}{'at ours':>9}{'false/1000 d':>14}{'upper':>9}"
        f"{'lead P50':>10}{'delay':>8}{'PPV':>14}"
    )
    for mode, found in result["modes"].items():
        yield _line(mode, found)
        for name, modes in result["baselines"].items():
            if mode in modes:
                yield _line(f"  {name}", modes[mode])
    yield (
        f"{'simulated; ' if result['simulated'] else ''}false alerts per 1,000 vehicle-days with the exact"
        " 95 % upper bound; at ours: a baseline's recall where it alerts as many healthy vehicles as Anxin;"
        " PPV in the field from the low prevalence with the upper bound to the high one"
    )


def _line(name: str, found: Mapping[str, Any]) -> str:
    interval, precision = found["recall_ci"], found["precision_in_field"]
    bounds = f"{interval[0]:.3f}-{interval[1]:.3f}" if interval else "-"
    ppv = f"{_number(precision['low_at_upper95'], 2)}-{_number(precision['high'], 2)}" if precision else "-"
    at_ours = _number(found["recall_at_our_false_rate"], 3) if "recall_at_our_false_rate" in found else ""
    return (
        f"{name:<34}{found['events']:>7}{_number(found['recall'], 3):>8}{bounds:>16}{at_ours:>9}"
        f"{_number(found['false_per_1000_vehicle_days'], 4):>14}{_number(found['false_upper95'], 4):>9}"
        f"{lasting(found['lead_h']['p50']):>10}{lasting(found['delay_h_p50']):>8}{ppv:>14}"
    )


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def lasting(hours: float | None) -> str:
    """Return a time in the unit that suits it."""
    if hours is None:
        return "-"
    for unit, length_h in (("d", 24.0), ("h", 1.0), ("min", 1 / 60)):
        if abs(hours) >= 2 * length_h:
            return f"{hours / length_h:.1f} {unit}"
    return f"{hours * 3600:.0f} s"

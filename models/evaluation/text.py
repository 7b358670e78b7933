"""The figures as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def table(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line a mode, with the baselines of the same events below it."""
    yield (
        f"{'':<34}{'events':>7}{'recall':>8}{'95 %':>16}{'false/1000 d':>14}{'upper':>9}"
        f"{'lead P50':>10}{'delay':>8}{'PPV':>14}"
    )
    for mode, found in result["modes"].items():
        yield _line(mode, found)
        for name, modes in result["baselines"].items():
            if mode in modes:
                yield _line(f"  {name}", modes[mode])
    yield "simulated; leads in days; false alerts per 1,000 vehicle-days with the exact 95 % upper bound"


def _line(name: str, found: Mapping[str, Any]) -> str:
    interval, precision = found["recall_ci"], found["precision_in_field"]
    bounds = f"{interval[0]:.3f}-{interval[1]:.3f}" if interval else "-"
    ppv = f"{_number(precision['low'], 2)}-{_number(precision['high'], 2)}" if precision else "-"
    return (
        f"{name:<34}{found['events']:>7}{_number(found['recall'], 3):>8}{bounds:>16}"
        f"{_number(found['false_per_1000_vehicle_days'], 4):>14}{_number(found['false_upper95'], 4):>9}"
        f"{_days(found['lead_h']['p50']):>10}{_days(found['delay_h_p50']):>8}{ppv:>14}"
    )


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _days(hours: float | None) -> str:
    return "-" if hours is None else f"{hours / 24:.1f}"

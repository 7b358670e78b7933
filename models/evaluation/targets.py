"""What the figures are held to: each target met or missed, and whether every baseline is behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def held_against(result: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return for each mode its targets with the value measured, and the baselines that cost less.

    False rates are held to it by the point estimate; the bound stands beside it in the figures. A baseline
    is ahead when a vehicle-year costs less with it: recall and false alerts weigh in one number then. It
    finds more when its recall is higher at the level at which it alerts as many healthy vehicles as we do.

    Args:
        result: As ``figures`` returns it.
    """
    return {
        mode: {
            "targets": {
                name: {"target": target, "value": value, "met": _is_met(name, target, value)}
                for name, target, value in _asked(found)
            },
            "baselines_finding_more": sorted(
                name
                for name, modes in result["baselines"].items()
                if mode in modes and _finds(modes[mode]) > (found["recall"] or 0.0)
            ),
            "baselines_ahead": sorted(
                name
                for name, modes in result["baselines"].items()
                if mode in modes and _cost(modes[mode]) < _cost(found)
            ),
        }
        for mode, found in result["modes"].items()
    }


def _asked(found: Mapping[str, Any]) -> Iterator[tuple[str, float, float | None]]:
    target = found["target"]
    precision = found["precision_in_field"]
    for name, value in (
        ("recall", found["recall"]),
        ("false_per_1000_vehicle_days", found["false_per_1000_vehicle_days"]),
        ("lead_p50_h", found["lead_h"]["p50"]),
        ("precision", None if precision is None else precision["low"]),
    ):
        if target[name] is not None:
            yield name, target[name], value
    for magnitude, lead_h in target["lead_p50_h_at"]:
        sizes = (s for s in found["by_magnitude"] if s["from"] <= magnitude < s["to"])
        size = next(sizes, None)
        yield f"lead_p50_h_at_{magnitude:g}", lead_h, None if size is None else size["lead_h"]["p50"]


def _is_met(name: str, target: float, value: float | None) -> bool | None:
    """Tell whether a target is met; None without a value."""
    if value is None:
        return None
    return value <= target if name.startswith("false") else value >= target


def _finds(found: Mapping[str, Any]) -> float:
    recall = found.get("recall_at_our_false_rate")
    return 0.0 if recall is None else float(recall)


def _cost(found: Mapping[str, Any]) -> float:
    cost = found["cost_per_vehicle_year"]
    return float("inf") if cost is None else float(cost["with"])


def missed(held: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each target that is missed or has no value, and for each baseline that is ahead."""
    for mode, one in held.items():
        for name, asked in one["targets"].items():
            if not asked["met"]:
                value = "no value" if asked["value"] is None else f"{asked['value']:g}"
                yield f"{mode}: {name} {value}, target {asked['target']:g}"
        if one["baselines_finding_more"]:
            yield f"{mode}: more found at our false alerts by {', '.join(one['baselines_finding_more'])}"
        if one["baselines_ahead"]:
            yield f"{mode}: cheaper with {', '.join(one['baselines_ahead'])}"

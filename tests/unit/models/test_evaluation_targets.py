from __future__ import annotations

from typing import Any

from models.evaluation.targets import held_against, missed


def figures_of(recall: float, rate: float, lead_h: float | None, cost: float) -> dict[str, Any]:
    return {
        "recall": recall,
        "false_per_1000_vehicle_days": rate,
        "lead_h": {"p50": lead_h},
        "precision_in_field": {"low": 0.5},
        "cost_per_vehicle_year": {"with": cost},
        "by_magnitude": [
            {"from": 2.0, "to": 3.0, "lead_h": {"p50": 500.0}},
            {"from": 6.0, "to": 10.0, "lead_h": {"p50": 90.0}},
        ],
        "target": {
            "recall": 0.97,
            "false_per_1000_vehicle_days": 0.05,
            "lead_p50_h": None,
            "lead_p50_h_at": [[2.0, 480.0], [8.0, 96.0]],
            "precision": None,
        },
    }


def test_targets_are_held_and_those_missed_are_told() -> None:
    result = {
        "modes": {"tire_slow_leak": figures_of(0.98, 0.06, None, 10.0)},
        "baselines": {
            "cheap": {"tire_slow_leak": figures_of(0.5, 0.0, None, 9.0)},
            "dear": {"tire_slow_leak": figures_of(1.0, 9.0, None, 90.0)},
            "other": {"lv_battery": figures_of(1.0, 0.0, None, 1.0)},
        },
    }
    held = held_against(result)

    assert {name: asked["met"] for name, asked in held["tire_slow_leak"]["targets"].items()} == {
        "recall": True,
        "false_per_1000_vehicle_days": False,
        "lead_p50_h_at_2": True,
        "lead_p50_h_at_8": False,
    }
    assert held["tire_slow_leak"]["baselines_ahead"] == ["cheap"]
    assert list(missed(held)) == [
        "tire_slow_leak: false_per_1000_vehicle_days 0.06, target 0.05",
        "tire_slow_leak: lead_p50_h_at_8 90, target 96",
        "tire_slow_leak: cheaper with cheap",
    ]

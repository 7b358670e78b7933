"""What is told of a thermal event: the rise, the cell that fell, the course of the probes."""

from __future__ import annotations

import numpy as np

from data.records import Reason
from models.watch.rule import State


def thermal_reasons(rate: float, degc: float, dropped_v: float, cell: int) -> tuple[Reason, ...]:
    """Return the reasons, the strongest first.

    Args:
        rate: Of the rise, °C/s; NaN: none.
        degc: Temperature that the probe had reached.
        dropped_v: Voltage of the cell that lost a quarter of it; NaN: none did.
        cell: Its number from 1.
    """
    reasons: list[Reason] = []
    if np.isfinite(rate):
        reasons.append(
            Reason(
                feature="rise_degc_per_s",
                value=round(rate, 2),
                unit="°C/s",
                healthy_low=-0.05,
                healthy_high=0.05,
                text_en=f"the battery heats at {rate:.1f} °C/s and has reached {degc:.0f} °C; "
                "driving and charging stay below 0.05 °C/s",
                text_zh=f"动力电池以每秒 {rate:.1f} °C 升温，已达 {degc:.0f} °C；"
                "正常行驶和充电不超过每秒 0.05 °C",
            )
        )
    if np.isfinite(dropped_v):
        reasons.append(
            Reason(
                feature="cell_voltage_v",
                value=round(dropped_v, 3),
                unit="V",
                text_en=f"cell {cell} has fallen to {dropped_v:.2f} V, by more than a quarter",
                text_zh=f"{cell} 号电芯降至 {dropped_v:.2f} V，跌幅超过四分之一",
            )
        )
    reasons.append(
        Reason(
            feature="clears_by_inspection",
            value=0.0,
            unit="°C/s",
            text_en="does not clear by itself: a workshop has to inspect the battery",
            text_zh="不会自动解除：须由维修站检查电池",
        )
    )
    return tuple(reasons)


def thermal_evidence(state: State, row: int) -> dict[str, object]:
    """Return the last readings of the probes of one vehicle."""
    kept = state["seen_us"][row] > 0
    probes = state["probe_degc"][row][kept]
    heard = np.flatnonzero(np.isfinite(probes).any(0))
    return {
        "time": [int(t) // 1000 for t in state["seen_us"][row][kept]],
        "series": {
            f"probe {int(i) + 1}": [round(float(v), 1) if np.isfinite(v) else None for v in probes[:, i]]
            for i in heard[:24]
        },
        "unit": "°C",
        "title_en": "Temperatures of the battery",
        "title_zh": "动力电池温度",
    }

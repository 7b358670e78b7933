"""Reasons for an internal short: distance from the pack, growth, the leak that it amounts to."""

from __future__ import annotations

import numpy as np

from data.records import FloatArray, Reason, VehicleSpec
from models.predictors.cells import peer_range


def rest_reason(row: FloatArray, component: int) -> Reason:
    """Return the distance of a cell from the median one at rest."""
    now_mv, (low_mv, high_mv) = float(row[component]), peer_range(row, component)
    return Reason(
        feature="rested_deviation_mv",
        value=round(now_mv, 1),
        unit="mV",
        healthy_low=round(low_mv, 1),
        healthy_high=round(high_mv, 1),
        peers=0.0,
        text_en=f"cell {component + 1} rests {-now_mv:.0f} mV below the pack's median cell; "
        f"90 % of the others lie between {low_mv:+.0f} and {high_mv:+.0f} mV",
        text_zh=f"静置时 {component + 1} 号电芯比全包中位电芯低 {-now_mv:.0f} mV；"
        f"其余 90% 的电芯在 {low_mv:+.0f} 至 {high_mv:+.0f} mV 之间",
    )


def lag_reason(row: FloatArray, component: int) -> Reason:
    """Return the charge that a cell is behind at the top of a charge."""
    now, (low, high) = float(row[component]), peer_range(row, component)
    return Reason(
        feature="charge_end_lag_percent",
        value=round(now, 2),
        unit="%",
        healthy_low=round(low, 2),
        healthy_high=round(high, 2),
        peers=0.0,
        text_en=f"at the top of a charge cell {component + 1} is {now:.1f} % of capacity behind the pack's "
        f"median cell; 90 % of the others lie between {low:+.1f} and {high:+.1f} %",
        text_zh=f"充电末端 {component + 1} 号电芯比全包中位电芯少 {now:.1f}% 的电量；"
        f"其余 90% 的电芯在 {low:+.1f}% 至 {high:+.1f}% 之间",
    )


def growth_reason(deficit: float, growth: float) -> Reason:
    """Return the charge that the cell lacks, and how much more of it than in the weeks before."""
    return Reason(
        feature="charge_deficit_growth_percent",
        value=round(growth, 2),
        unit="%",
        healthy_low=-0.5,
        healthy_high=0.5,
        text_en=f"it holds {deficit:.1f} % less charge than the median cell, "
        f"{growth:.1f} % more than in the weeks before",
        text_zh=f"电量比中位电芯少 {deficit:.1f}%，比前几周多差了 {growth:.1f}%",
    )


def clear_reason(growth: float) -> Reason:
    """Return what ends the finding."""
    return Reason(
        feature="clears_below_growth_percent",
        value=growth,
        unit="%",
        text_en=f"clears when its deficit has stayed within {growth:.1f} % of the weeks before, or after "
        "the cell or its module has been replaced",
        text_zh=f"当亏电量与前几周相差不超过 {growth:.1f}%，或更换电芯（模组）后自动解除",
    )


def leak_reason(spec: VehicleSpec, rate: float, ttt_h: FloatArray, limit: float) -> Reason:
    """Return the leak that a loss of charge amounts to, and the time to the threshold."""
    leak_ma = rate / 100 * spec.capacity_ah / 24 * 1000
    leak_ohm = 3700 / leak_ma
    days = ttt_h / 24
    until_en = until_zh = ""
    if np.isfinite(days).all():
        until_en = f"; reaches {limit:.0f} % in {days[1]:.0f} days ({days[0]:.0f}–{days[2]:.0f})"
        until_zh = f"；{days[1]:.0f} 天后（{days[0]:.0f}–{days[2]:.0f}）达到 {limit:.0f}%"
    return Reason(
        feature="leak_current_ma",
        value=round(leak_ma, 1),
        unit="mA",
        healthy_low=0.0,
        healthy_high=2.0,
        text_en=f"it loses {rate:.2f} % a day more than the median cell, as a leak of {leak_ma:.0f} mA "
        f"({leak_ohm:.0f} Ω) would{until_en}",
        text_zh=f"每天比中位电芯多损失 {rate:.2f}%，"
        f"相当于 {leak_ma:.0f} mA（{leak_ohm:.0f} Ω）的漏电{until_zh}",
    )

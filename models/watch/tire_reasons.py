"""What live rules say of a tire that loses gas, in both languages, and the readings behind it."""

from __future__ import annotations

import numpy as np

from data.records import FloatArray, IntArray, Reason
from models.features.tires import SEA_LEVEL_KPA
from models.predictors.wheels import wheel_zh


def loss_over(wheel: str, *, drop_kpa: float, rate: float, minutes: float, is_by_day: bool) -> Reason:
    """Return what a wheel lost in which time.

    Args:
        wheel: Its name.
        drop_kpa: Lost, at 20 °C.
        rate: kPa/day, or kPa/min.
        minutes: In which it was lost.
        is_by_day: The rate is one a day.
    """
    unit = "kPa/day" if is_by_day else "kPa/min"
    time_en = f"{minutes / 60:.0f} h" if is_by_day else f"{minutes:.0f} min"
    time_zh = f"{minutes / 60:.0f} 小时" if is_by_day else f"{minutes:.0f} 分钟"
    per_zh = "每天" if is_by_day else "每分钟"
    return Reason(
        feature="loss_kpa_per_day" if is_by_day else "loss_kpa_per_min",
        value=round(rate, 2),
        unit=unit,
        healthy_low=0.0,
        healthy_high=0.35 if is_by_day else 0.05,
        peers=0.0,
        text_en=f"{wheel} lost {drop_kpa:.0f} kPa in {time_en} ({rate:.1f} {unit}) "
        "while the other wheels held",
        text_zh=f"{wheel_zh(wheel)}轮在 {time_zh}内漏气 {drop_kpa:.0f} kPa"
        f"（{per_zh} {rate:.1f} kPa），其余车轮正常",
    )


def pressure_left(gauge_kpa: float, placard_kpa: float) -> Reason:
    """Return what is left in a wheel, at 20 °C, against what belongs into it."""
    return Reason(
        feature="pressure_20degc_kpa",
        value=round(gauge_kpa, 1),
        unit="kPa",
        healthy_low=round(placard_kpa * 0.9, 1),
        healthy_high=round(placard_kpa * 1.15, 1),
        text_en=f"{gauge_kpa:.0f} kPa left at 20 °C; placard {placard_kpa:.0f} kPa",
        text_zh=f"20 °C 时剩余 {gauge_kpa:.0f} kPa；标准 {placard_kpa:.0f} kPa",
    )


def pressure_series(time_us: IntArray, gas_kpa: FloatArray, wheels: tuple[str, ...]) -> dict[str, object]:
    """Return readings to plot: gauge pressure at 20 °C.

    Args:
        time_us: Shape (n,).
        gas_kpa: Shape (n, n_wheels), absolute at 20 °C; NaN is missing.
        wheels: Their names.
    """
    gauge = gas_kpa.astype(np.float64) - SEA_LEVEL_KPA
    return {
        "time": [int(t) // 1000 for t in time_us],
        "series": {
            name: [round(float(v), 1) if np.isfinite(v) else None for v in gauge[:, i]]
            for i, name in enumerate(wheels)
        },
        "unit": "kPa",
        "title_en": "Pressure at 20 °C",
        "title_zh": "折算到 20 °C 的胎压",
    }

"""Brake drag: one wheel runs warmer than all others, day after day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, Reason, VehicleSpec
from models.features.change import Course, find_change
from models.predictors.base import DayPanel, Explanation, Risk
from models.predictors.foresight import Shown, time_to_limit
from models.predictors.part import clears, evidence, heard, newest, probability, weakest
from models.predictors.wheels import wheel_zh

#: A day's median of sensors of 1 °C against the warmest other wheel, K; one that stands out.
_NOISE_K: Final = 0.6
_WARM_K: Final = 0.9
_SOAK_NOISE_K: Final = 1.0
#: For so many days a brake may run hot for once: a mountain, a stone, new pads.
_STOP_DAYS: Final = 4
#: What gets warmer and warmer is told from a hot stop sooner.
_GROWTH_DAYS: Final = 2
#: Drag comes by and by; what comes at once is a stop, or work on the brakes.
_GROWTH_ODDS: Final = 10.0
#: A wheel so far above all others is no yardstick for them, K.
_HOT_K: Final = 5.0
#: A run of warm days is looked for so far back.
_RUN_DAYS: Final = 14
#: Of development fleets; see ``foresight``.
_SHOWN: Final = Shown(share=0.23, spread=0.2)


@dataclass(frozen=True, slots=True)
class BrakeDragPredictor:
    """Find the wheel whose brake does not let go.

    Held against the warmest of the other wheels while rolling, sun on one side, a hot axle and the weather
    fall out; held against the wheel's own past and its tire's pressure, a sensor's bias and the heat of an
    under-inflated tire do. A sensor that is off is off at rest too. What stays is a brake, and sooner
    what gets warmer from day to day: one hot stop is gone within days, new pads settle in some. A wheel that
    has dragged from the first day has no past: it must stand out four times as much. While one wheel is far
    above all others, they are not judged.

    Panel: ``wheel_excess_k`` of ``brake_days``, one component a wheel.
    """

    limit_k: float = 25.0
    least_k: float = 2.5
    least_strength: float = 5.0
    days: int = 6
    least_growth: float = 2.0
    urgent_h: float = 48.0
    blind_spots: tuple[str, ...] = (
        "vehicles whose tires tell no temperature",
        "two wheels of a vehicle that drag alike",
        "drag of less than some 20 N·m, and cars driven too little to warm up",
        "worn pads and discs without drag",
    )
    shown: Shown = _SHOWN
    history_days: int = 60
    failure_mode: FailureMode = FailureMode.BRAKE_DRAG
    model_version: str = "brake-drag-3"
    feature_set: str = "brake_days"
    main: str = "wheel_excess_k"
    horizon_h: float = 336.0

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of every wheel's brake as of each day."""
        n_vehicles, n_days, n_wheels = panel.value.shape

        def apart(values: FloatArray) -> FloatArray:
            return np.ascontiguousarray(values.swapaxes(1, 2)).reshape(n_vehicles * n_wheels, n_days)

        def together(values: FloatArray) -> FloatArray:
            return values.reshape(*values.shape[:-2], n_vehicles, n_wheels, len(as_of)).swapaxes(-1, -2)

        excess, soak = apart(_comparable(panel.extra["wheel_excess_k"])), apart(panel.extra["wheel_soak_k"])
        course = Course(
            window=self.history_days,
            ramps=(5, 7, 10, 14, 21, 30),
            # exact ages of steps: a hot stop, or new pads, must not pass for a drag that grows
            steps=(2, 3, 4, 5, 6, 9, 13, 20),
            least_after=2,
            growth_odds=_GROWTH_ODDS,
        )
        causes = [apart(panel.extra["wheel_pressure_percent"])]
        found = find_change(excess, causes, as_of, course, noise=_NOISE_K)
        at = (found.age, found.rate > 0)
        offset = find_change(soak, [], as_of, course, noise=_SOAK_NOISE_K, sign=0, at=at)
        moved = np.nan_to_num(np.where(np.abs(offset.strength) >= 2.5, offset.level, 0.0))
        lately = newest(excess, as_of, count=self.days)
        # one of the days may lack the heat, for want of a drive; a hot stop is gone in less
        shown = np.sort(lately, axis=0)[1] - found.usual
        is_step = found.rate == 0.0
        shown = np.where(is_step, shown, found.support)
        level = np.where(is_step & (found.age < self.days), 0.0, np.minimum(found.level, 1.5 * shown)) - moved
        # from the first to the last of them, driven or not: what grows outlasts a hot stop
        run_days, grows = warm_run(excess, found.usual, as_of)
        least_days = np.where(grows >= self.least_growth, _GROWTH_DAYS, _STOP_DAYS)
        lasted = (run_days + 1.0) / least_days
        grown = weakest(found.strength / self.least_strength, level / self.least_k, lasted)
        at_rest = newest(soak, as_of, count=1, within=self.history_days)[0]
        always = (lately.min(0) - np.maximum(np.nan_to_num(at_rest), 0.0)) / (4.0 * self.least_k)
        has_past = np.isfinite(found.level)
        score = together(np.where(has_past, grown, np.where(np.isfinite(always), always, np.nan)))
        now = np.where(has_past, level, lately.min(0))
        ttt = time_to_limit(now, found.rate, found.rate_error, self.limit_k, self.shown)
        level_k, ttt_h = together(now), together(ttt)
        # who may reach it before a workshop has time does not wait for a second look
        is_urgent = (level_k >= self.limit_k) | (ttt_h[0] <= self.urgent_h)
        return Risk(
            as_of=as_of,
            probability=probability(score, heard(panel.value, as_of)),
            severity=np.where(is_urgent, 2, 3).astype(np.int64),
            ttt_h=ttt_h,
            detail={"level": level_k, "usual": together(found.usual), "age": together(found.age)},
        )

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return how much warmer the wheel runs, what the others do, and what would clear it."""
        at = (vehicle, position, component)
        level, usual, age = (float(np.nan_to_num(risk.detail[n][at])) for n in ("level", "usual", "age"))
        last = int(risk.as_of[position])
        wheel = panel.spec.wheels[component]
        wheel_word = wheel_zh(wheel)
        pressure = newest(panel.extra["wheel_pressure_percent"][..., component], risk.as_of, count=1)[0]
        share = float(np.nan_to_num(pressure[vehicle, position]))
        reasons = (
            Reason(
                feature="wheel_excess_k",
                value=round(level, 1),
                unit="K",
                healthy_low=-3.0,
                healthy_high=3.0,
                peers=round(usual, 1),
                text_en=f"{wheel} runs {level:.0f} K warmer than it used to against the warmest of the other "
                f"wheels, for {age:.0f} days",
                text_zh=f"{wheel_word}轮相对其余最热车轮比以往高 {level:.0f} K，已 {age:.0f} 天",
            ),
            Reason(
                feature="wheel_pressure_percent",
                value=round(share, 1),
                unit="%",
                healthy_low=-5.0,
                healthy_high=5.0,
                text_en=f"its tire holds {share:+.1f} % against the others: too little to warm it so",
                text_zh=f"该轮胎压相对其余车轮 {share:+.1f}%，不足以解释温升",
            ),
            clears(
                "clears_after_days",
                float(self.days),
                "days",
                (
                    f"clears when two of {self.days} days are as before, or after a repair",
                    f"{self.days} 天内有两天恢复正常或维修后解除",
                ),
            ),
        )
        series = {name: panel.extra["wheel_rise_k"][..., i] for i, name in enumerate(panel.spec.wheels)}
        titles = ("K", "Tire temperature against the other wheels while rolling", "行驶中胎温与其余车轮之差")
        shown = evidence(panel, vehicle, last, days=30, series=series, titles=titles)
        shown["suspect"] = wheel
        return Explanation(reasons=reasons, evidence=shown, window_days=self.history_days)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``brake`` and the wheel."""
        return f"brake {spec.wheels[component]}"


def warm_run(values: FloatArray, usual: FloatArray, as_of: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the newest unbroken run of warm days: how long it is, and how it has grown.

    Args:
        values: Shape (n, n_days); NaN: not known, which breaks no run.
        usual: Shape (n, n_as_of).
        as_of: Shape (n_as_of,), indices into the day axis.

    Returns:
        Days between the first and the last of the run, and how many times the first's excess the last's is;
        each of shape (n, n_as_of), 0 where the newest known day is not warm, or there is none in two weeks.
    """
    first, last = np.zeros(usual.shape), np.zeros(usual.shape)
    begin, end = first.copy(), last.copy()
    is_over, has_last = np.zeros(usual.shape, dtype=np.bool_), np.zeros(usual.shape, dtype=np.bool_)
    for back in range(min(_RUN_DAYS, values.shape[1])):
        above = np.where(as_of >= back, values[:, np.maximum(as_of - back, 0)], np.nan) - usual
        is_over |= np.isfinite(above) & (above < _WARM_K)
        is_warm = ~is_over & np.isfinite(above)
        last, end = (np.where(is_warm & ~has_last, new, old) for new, old in ((back, last), (above, end)))
        first, begin = (np.where(is_warm, new, old) for new, old in ((back, first), (above, begin)))
        has_last |= is_warm
    return first - last, np.where(has_last, end / np.maximum(begin, _WARM_K), 0.0)


def _comparable(excess: FloatArray) -> FloatArray:
    """Return the excess of each wheel, NaN on days on which another one is far above all others."""
    hottest = np.where(np.isfinite(excess), excess, -np.inf).max(-1, keepdims=True)
    return np.where((hottest >= _HOT_K) & (excess < hottest), np.nan, excess)

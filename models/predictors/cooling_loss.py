"""Cooling loop: less flow, less coolant or a blocked plate: heat that stays, and what the pump takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from data.records import BoolArray, FailureMode, FloatArray, IntArray, Reason, VehicleSpec
from models.features.change import Course, find_change
from models.predictors.base import DayPanel, Explanation, Risk
from models.predictors.foresight import Shown, time_to_limit
from models.predictors.loop_heat import RISE_NOISE_K, coolant_causes, pack_causes, shared_heat
from models.predictors.part import (
    clears,
    daily,
    evidence,
    heard,
    newest,
    past_median,
    until,
    weakest,
)
from models.predictors.pump_current import pump_excess
from models.predictors.ways import Way, strongest_way, told_of, way_risk

#: Ways in which a loop shows it, in the order of ``Risk.detail["way"]``.
_PACK, _COOLANT, _LESS, _MORE, _STOPPED, _MOTOR = range(6)
_NOISE_LOG: Final = 0.01
_SOAK_NOISE_K: Final = 0.5
_KNOWN_BY: Final = ("pack_rise_k", "coolant_rise_k", "pump_current_a", "pump_idle_share", "motor_rise_k")
_TITLES: Final = {
    _PACK: ("K", "Pack above its coolant under load", "负载下电池相对冷却液的温升"),
    _COOLANT: ("K", "Coolant above the outside air under load", "负载下冷却液相对环境的温升"),
    _LESS: ("A", "Current of the coolant pump", "冷却泵电流"),
    _MORE: ("A", "Current of the coolant pump", "冷却泵电流"),
    _STOPPED: ("", "Share of warm driving with the pump at rest", "高温负载时水泵停转的比例"),
    _MOTOR: ("K", "Motor above its coolant while driving", "行驶中电机相对冷却液的温升"),
}
#: Part, in Chinese with what it is held against, and the same in English; what is usual, % either way.
_RISES: Final = {
    _PACK: ("pack", "电池相对冷却液", "its coolant", 15.0),
    _COOLANT: ("coolant", "冷却液相对环境", "the outside air", 15.0),
    _MOTOR: ("motor", "电机相对冷却液", "its coolant", 4.0),
}
_CAUTION: Final = (
    "; no pump signals: less flow, or a clogged jacket of the motor",
    "；无水泵信号：流量减少或电机水套堵塞",
)
_SERIES: Final = (
    "pack_rise_k",
    "coolant_rise_k",
    "pump_current_a",
    "pump_current_a",
    "pump_idle_share",
    "motor_rise_k",
)
#: Of development fleets; see ``foresight``.
_SHOWN: Final = Shown(share=2.3, spread=0.3)
_SHOWN_BY_MOTOR: Final = Shown(share=0.85, spread=0.25)


@dataclass(frozen=True, slots=True)
class CoolingLossPredictor:
    """Find the cooling loop that carries less heat away.

    Five kinds of evidence, each against the vehicle's own past, the strongest decides:

    - the pack's rise over its coolant at equal I²: heat transfer follows the flow to the power of 0.6 to 0.8
      (Dittus-Boelter), so that 30 % less flow is a rise of a quarter and more;
    - the coolant's rise over the outside air at equal power, speed and weather: dust on a radiator takes a
      tenth of it too, so more must show;
    - the pump's current at equal speed: a radial pump takes about half of its power with nothing flowing, so
      that 30 % less flow takes 15 % less current (40 % less when it runs dry), and something in its wheel
      takes more;
    - a pump that stands still while the loop is warm, and did not before;
    - where no pump tells: the motor's rise over its coolant as a share of what its work explains, unless
      pack and coolant speak for the motor's own jacket by more than loops fail more often (four times, for
      which ``least_evidence`` stands; see ``shared_heat``). What grows to its limit within days does not wait
      for a second look.

    Sensors that are off after a night of standing explain a rise away. Heat waves, hard driving and towing
    are among the causes of the fit, and a day outside of all experience widens its own error.

    Panel: ``load_h`` of ``cooling_days``.
    """

    limit_share: float = 0.25
    least_share: float = 0.08
    least_k: float = 1.0
    limit_coolant_share: float = 0.43
    least_coolant_share: float = 0.22
    limit_pump_share: float = 0.15
    least_pump_share: float = 0.08
    dry_share: float = 0.35
    idle_share: float = 0.8
    limit_motor_share: float = 0.17
    least_motor_share: float = 0.05
    least_motor_strength: float = 3.2
    urgent_motor_strength: float = 3.8
    urgent_motor_h: float = 240.0
    least_evidence: float = -1.5
    least_strength: float = 5.0
    blind_spots: tuple[str, ...] = (
        "vehicles without pump signals and without motor, coolant, pack and outside temperatures",
        "without pump signals: flow that is lost within two weeks is told late",
        "without pump signals: a jacket of the motor that clogs may pass for lost flow",
        "a loop that was weak before the first three weeks of data",
        "a leak of coolant as long as the pump still draws liquid",
        "the chiller: refrigerant is not measured",
    )
    shown: Shown = _SHOWN
    history_days: int = 120
    failure_mode: FailureMode = FailureMode.COOLING_LOSS
    model_version: str = "cooling-loss-3"
    feature_set: str = "cooling_days"
    main: str = "load_h"
    horizon_h: float = 720.0

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of the loop as of each day."""
        ways = [self._pack(panel, as_of), self._coolant(panel, as_of), *self._pump(panel, as_of)]
        motor, is_fast = self._motor(panel, as_of)
        ways += [self._stopped(panel, as_of), motor]
        best, place = strongest_way(ways)
        has_stopped = ways[_STOPPED].score >= 1.0
        is_hot = (place == _PACK) & (best.value >= 1.0)
        is_urgent = has_stopped | is_hot | ((place == _MOTOR) & is_fast)
        return way_risk(panel, as_of, (best, place), is_urgent, _KNOWN_BY)

    def _pack(self, panel: DayPanel, as_of: IntArray) -> Way:
        levels = (self.least_share, self.limit_share, 4.0)
        return self._rise(panel, as_of, "pack", pack_causes(panel), levels)

    def _coolant(self, panel: DayPanel, as_of: IntArray) -> Way:
        levels = (self.least_coolant_share, self.limit_coolant_share, 5.0)
        return self._rise(panel, as_of, "coolant", coolant_causes(panel), levels)

    def _motor(self, panel: DayPanel, as_of: IntArray) -> tuple[Way, BoolArray]:
        """Return what the motor shows of a loop whose pump tells nothing, and whether it comes fast."""
        found = shared_heat(panel, as_of, self.history_days)
        motor, per_k = found.motor, 1.0 / np.maximum(found.motor.usual_k, 3.0)
        rate, limit = motor.rate_k * per_k, self.limit_motor_share
        has_pump = heard(daily(panel, "pump_current_a"), as_of, self.history_days) > 0
        score = weakest(
            motor.strength / self.least_motor_strength,
            motor.share / self.least_motor_share,
            (motor.share + np.maximum(rate, 0.0) * self.horizon_h / 24.0) / limit,
        )
        score = np.where(found.evidence >= self.least_evidence, score, np.minimum(score, 0.5))
        score = np.where(has_pump, np.nan, score)
        ttt = time_to_limit(motor.share, rate, motor.rate_error_k * per_k, limit, _SHOWN_BY_MOTOR)
        comes_soon = motor.share + rate * self.urgent_motor_h / 24.0 >= limit
        is_fast = comes_soon & (score >= 1.0) & (motor.strength >= self.urgent_motor_strength)
        return Way(score, motor.share, motor.usual_k, motor.age, ttt), is_fast

    def _rise(
        self,
        panel: DayPanel,
        as_of: IntArray,
        part: str,
        causes: list[FloatArray],
        levels: tuple[float, float, float],
    ) -> Way:
        least, limit, least_usual_k = levels
        plain = Course(
            window=self.history_days, ramps=(14, 21, 30, 45, 60, 90), steps=(8, 13, 21, 34), least_before=21
        )
        course = replace(plain, is_share=True)
        values = daily(panel, f"{part}_rise_k")
        found = find_change(values, causes, as_of, course, noise=RISE_NOISE_K)
        offset = find_change(daily(panel, f"{part}_soak_k"), [], as_of, plain, noise=_SOAK_NOISE_K, sign=0)
        moved = np.nan_to_num(np.where(np.abs(offset.strength) >= 2.5, offset.level, 0.0))
        level_k = np.minimum(found.level, 2.0 * found.support) * found.usual - np.maximum(1.25 * moved, 0.0)
        own = level_k / np.maximum(found.usual, least_usual_k)
        days = self.horizon_h / 24.0
        score = weakest(
            found.strength / self.least_strength,
            own / least,
            level_k / self.least_k,
            (own + np.maximum(found.rate, 0.0) * days) / limit,
        )
        ttt = time_to_limit(own, found.rate, found.rate_error, limit, self.shown)
        return Way(score, own, found.usual, found.age, ttt)

    def _pump(self, panel: DayPanel, as_of: IntArray) -> list[Way]:
        excess, doubt = pump_excess(panel, as_of, self.history_days)
        # exact ages of steps: a change of scale by new software must not pass for growth
        steps = (2, 3, 4, 5, 6, 8, 10, 13, 17, 21, 28, 34)
        course = Course(window=self.history_days, steps=steps, least_after=2, has_trend=True)
        limit = float(np.log1p(self.limit_pump_share))
        out: list[Way] = []
        for sign in (-1, 1):
            fields = [
                find_change(values, [daily(panel, "outside_degc")], day, course, noise=_NOISE_LOG, sign=sign)
                for values, day in zip(excess, as_of[:, None], strict=True)
            ]
            level, support, rate, strength, rate_error, usual, age = (
                np.concatenate([getattr(f, name) for f in fields], axis=1)
                for name in (
                    "level", "support", "rate", "strength", "rate_error", "usual", "age",
                )
            )  # fmt: skip
            size = np.minimum(sign * level, 1.5 * sign * support) - doubt
            rate = np.maximum(sign * rate, 0.0)
            # wear grows; what comes overnight is a scale, unless it is as much as running dry
            is_step = (rate == 0.0) & ((sign > 0) | (size < -np.log1p(-self.dry_share)))
            score = weakest(
                sign * strength * np.clip(size / (sign * level), 0.0, 1.0) / self.least_strength,
                size / self.least_pump_share,
                (size + rate * self.horizon_h / 24.0) / limit,
            )
            score = np.where(is_step, np.minimum(score, 0.5), score)
            ttt = time_to_limit(size, rate, rate_error, limit, self.shown)
            out.append(Way(score, np.expm1(sign * size), np.exp(usual), age, ttt))
        return out

    def _stopped(self, panel: DayPanel, as_of: IntArray) -> Way:
        idle = daily(panel, "pump_idle_share")
        lately = newest(idle, as_of, count=2).min(0)
        before = past_median(idle, as_of, skip=3, window=self.history_days, least=5)
        score = np.where(before < 0.3, 1.25 * lately / self.idle_share, np.nan)
        ttt = np.where(score >= 1.0, np.zeros((3, *score.shape)), np.nan)
        return Way(score, lately, before, np.full(score.shape, 2.0), ttt)

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return what the loop shows, how fast that grows, and what would clear it."""
        at = (vehicle, position, component)
        way, value, usual, age = told_of(risk, at)
        ends = until(risk.ttt_h[:, vehicle, position, component], "a flow 30 % less", "流量减少 30%")
        reasons = (
            self._reason(way, value, usual, age, ends),
            clears(
                "clears_after_days",
                3.0,
                "days",
                (
                    "clears when three days lie within what their load explains, or after a repair",
                    "连续三天与负载相符，或维修后解除",
                ),
            ),
        )
        last = int(risk.as_of[position])
        name = _SERIES[way]
        series = {name: daily(panel, name)}
        shown = evidence(panel, vehicle, last, days=90, series=series, titles=_TITLES[way])
        return Explanation(reasons=reasons, evidence=shown, window_days=self.history_days)

    def _reason(self, way: int, value: float, usual: float, age: float, ends: tuple[str, str]) -> Reason:
        if way == _STOPPED:
            return Reason(
                feature="pump_idle_share_percent",
                value=round(100 * value),
                unit="%",
                healthy_low=0.0,
                healthy_high=30.0,
                text_en=f"the coolant pump stood still for {100 * value:.0f} % of the warm time under load; "
                f"before, {100 * usual:.0f} %",
                text_zh=f"高温负载时冷却泵有 {100 * value:.0f}% 的时间停转；此前为 {100 * usual:.0f}%",
            )
        if way in {_LESS, _MORE}:
            why_en = "as when it runs dry" if value < 0 else "as when something is in its way"
            why_zh = "类似缺液空转" if value < 0 else "类似管路受阻"
            return Reason(
                feature="pump_current_change_percent",
                value=round(100 * value),
                unit="%",
                healthy_low=-10.0,
                healthy_high=10.0,
                text_en=f"the coolant pump takes {100 * value:+.0f} % current at equal speed, {why_en} "
                f"({usual:.1f} A usual, for {age:.0f} days){ends[0]}",
                text_zh=f"同转速下冷却泵电流变化 {100 * value:+.0f}%，{why_zh}"
                f"（平时 {usual:.1f} A，已 {age:.0f} 天）{ends[1]}",
            )
        name, what, over, band = _RISES[way]
        caution = _CAUTION if way == _MOTOR else ("", "")
        return Reason(
            feature=f"{name}_rise_growth_percent",
            value=round(100 * value),
            unit="%",
            healthy_low=-band,
            healthy_high=band,
            text_en=f"the {name} rises {100 * value:+.0f} % more over {over} than its load explains "
            f"({usual:.1f} K usual, for {age:.0f} days){caution[0]}{ends[0]}",
            text_zh=f"{what}的温升比负载所能解释的高 {100 * value:+.0f}%"
            f"（平时 {usual:.1f} K，已 {age:.0f} 天）{caution[1]}{ends[1]}",
        )

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``cooling``."""
        del spec
        return "cooling" if component == 0 else f"cooling {component + 1}"

"""12 V battery: resistance that grows, charge that does not stay, something that drains it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, Reason, VehicleSpec
from models.features.change import Course, find_change
from models.predictors.base import DayPanel, Explanation, Risk
from models.predictors.foresight import ITS_LIMIT, Shown, time_to_limit
from models.predictors.part import clears, daily, evidence, heard, newest, until, weakest
from models.predictors.ways import Way, strongest_way, told_of, way_risk

#: Ways in which a battery shows it, in the order of ``Risk.detail["way"]``.
_OHM, _REST, _WAKE, _DRAIN = range(4)
_NOISE_LOG: Final = 0.03
_NOISE_V: Final = 0.02
_NOISE_WAKE_V: Final = 0.04
_NOISE_A: Final = 0.008
_KNOWN_BY: Final = ("rest_voltage_v", "wake_resistance_mohm", "wake_min_v")
_SERIES: Final = ("wake_resistance_mohm", "rest_voltage_v", "wake_min_v", "rest_current_a")
_TITLES: Final = (
    ("mΩ", "Resistance of the 12 V battery at waking up", "唤醒时 12 V 蓄电池内阻"),
    ("V", "12 V battery at rest", "静置时 12 V 蓄电池电压"),
    ("V", "Lowest voltage at waking up", "唤醒时最低电压"),
    ("A", "Current of the 12 V battery at rest", "静置时 12 V 蓄电池电流"),
)
#: Of development fleets; see ``foresight``.
_SHOWN: Final = Shown(share=4.2, spread=0.25)


@dataclass(frozen=True, slots=True)
class LvBatteryPredictor:
    """Find the 12 V battery that will not wake the vehicle.

    Four kinds of evidence against the battery's own past and the weather, the strongest decides: resistance
    at waking up (``limit_ohm_share``), voltage at rest after a day of driving (12.2 V: half empty after a
    full charge, so sulphated or short of capacity), lowest voltage at waking up (9.6 V), and current at rest
    (what would take ``limit_drain_a`` day and night). Cold slows a battery, hence the outside temperature
    among the causes. A car left standing for weeks is empty without being broken: rest counts after a day
    on which the converter charged. An offset of the voltage sensor shows with the converter on as well.

    Panel: ``rest_voltage_v`` of ``lv_days``.
    """

    limit_ohm_share: float = 0.50
    least_ohm_share: float = 0.15
    limit_rest_v: float = 12.2
    least_rest_v: float = 0.08
    limit_wake_v: float = 9.6
    least_wake_v: float = 0.3
    limit_drain_a: float = 0.06
    least_drain_days: float = 5.0
    charged_h: float = 0.3
    least_strength: float = 5.0
    blind_spots: tuple[str, ...] = (
        "vehicles that send no 12 V voltage while they sleep and wake up",
        "lithium 12 V batteries: their voltage at rest says little",
        "a cell that shorts from one night to the next",
        "resistance, where no sample falls into the second of waking up",
    )
    shown: Shown = _SHOWN
    history_days: int = 120
    failure_mode: FailureMode = FailureMode.LV_BATTERY
    model_version: str = "lv-battery-2"
    feature_set: str = "lv_days"
    main: str = "rest_voltage_v"
    horizon_h: float = 720.0

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of the battery as of each day."""
        offset = self._offset(panel, as_of)
        ways = [
            self._ohm(panel, as_of),
            self._rest(panel, as_of, offset),
            self._wake(panel, as_of, offset),
            self._drain(panel, as_of),
        ]
        found = strongest_way(ways)
        lowest = newest(daily(panel, "wake_min_v"), as_of, count=1)[0]
        with np.errstate(invalid="ignore"):
            is_urgent = (lowest < self.limit_wake_v) & (ways[_WAKE].score >= 1.0)
        return way_risk(panel, as_of, found, is_urgent, _KNOWN_BY)

    def _offset(self, panel: DayPanel, as_of: IntArray) -> FloatArray:
        """Return what the voltage with the converter on has moved by, V: the sensor's, or the converter's."""
        course = Course(window=self.history_days)
        causes = [daily(panel, "on_temperature_degc")]
        found = find_change(daily(panel, "on_voltage_v"), causes, as_of, course, noise=_NOISE_V, sign=0)
        return np.asarray(np.where(np.abs(found.strength) >= 3.5, found.level, 0.0))

    def _ohm(self, panel: DayPanel, as_of: IntArray) -> Way:
        ohm = daily(panel, "wake_resistance_mohm")
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.log(np.where(ohm > 0, ohm, np.nan))
        causes = [daily(panel, "rest_temperature_degc")]
        course = Course(window=self.history_days, has_trend=True)
        found = find_change(values, causes, as_of, course, noise=_NOISE_LOG)
        level = np.minimum(found.level, 2.0 * found.support)
        limit, least = np.log1p(self.limit_ohm_share), np.log1p(self.least_ohm_share)
        ahead = level + np.maximum(found.rate, 0.0) * self.horizon_h / 24.0
        score = weakest(found.strength / self.least_strength, level / least, ahead / limit)
        ttt = time_to_limit(level, found.rate, found.rate_error, limit, self.shown)
        return Way(score, np.expm1(level), np.exp(found.usual), found.age, ttt)

    def _rest(self, panel: DayPanel, as_of: IntArray, offset: FloatArray) -> Way:
        charged = heard(np.where(daily(panel, "on_h") >= self.charged_h, 1.0, np.nan), _all(panel), within=2)
        night = np.where(charged > 0, daily(panel, "rest_voltage_v"), np.nan)
        return self._fall(panel, as_of, night, offset, (self.limit_rest_v, self.least_rest_v, _NOISE_V))

    def _wake(self, panel: DayPanel, as_of: IntArray, offset: FloatArray) -> Way:
        lowest = daily(panel, "wake_min_v")
        return self._fall(panel, as_of, lowest, offset, (self.limit_wake_v, self.least_wake_v, _NOISE_WAKE_V))

    def _fall(
        self,
        panel: DayPanel,
        as_of: IntArray,
        values: FloatArray,
        offset: FloatArray,
        levels: tuple[float, float, float],
    ) -> Way:
        limit, least, noise = levels
        causes = [daily(panel, "rest_temperature_degc")]
        # what a week off the road did to a battery says nothing of the next month
        ramps = (14, 21, 30, 45, 60, 90)
        course = Course(window=self.history_days, ramps=ramps, has_trend=limit == self.limit_wake_v)
        found = find_change(values, causes, as_of, course, noise=noise, sign=-1)
        fall = np.minimum(-found.level, -2.0 * found.support)
        is_sensor = (offset < 0) & (-offset > 0.5 * fall)
        rate = np.maximum(-found.rate, 0.0)
        lately = newest(values, as_of)
        left = np.median(lately, axis=0) - limit
        grows = weakest(
            -found.strength / self.least_strength,
            fall / least,
            # 1 where the limit lies just within the horizon
            1.0 + (rate * self.horizon_h / 24.0 - left) / np.maximum(found.usual - limit, 0.1),
        )
        # three nights below the limit need no past; a converter that charges less is not the battery's fault
        is_low = np.where(lately.max(0) < limit, 1.25, -np.inf)
        score = np.where(is_sensor, np.minimum(grows, 0.5), np.fmax(grows, is_low))
        ttt = time_to_limit(fall, rate, found.rate_error, np.maximum(found.usual - limit, 0.1), self.shown)
        return Way(score, np.median(lately, axis=0), found.usual, found.age, ttt)

    def _drain(self, panel: DayPanel, as_of: IntArray) -> Way:
        drawn = -daily(panel, "rest_current_a")
        course = Course(window=self.history_days, steps=(5, 8, 13, 21, 34), least_after=5)
        found = find_change(drawn, [], as_of, course, noise=_NOISE_A)
        level = np.minimum(found.level, 1.5 * newest(drawn, as_of, count=4).min(0))
        score = weakest(
            found.strength / self.least_strength,
            level / self.limit_drain_a,
            found.age / self.least_drain_days,
        )
        return Way(score, level, found.usual, found.age, np.full((3, *score.shape), np.nan))

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return what the battery shows, how fast that grows, and what would clear it."""
        at = (vehicle, position, component)
        way, value, usual, age = told_of(risk, at)
        ttt = risk.ttt_h[:, vehicle, position, component]
        reasons = (
            self._reason(way, value, usual, age, ttt),
            clears(
                "clears_after_days",
                3.0,
                "days",
                (
                    "clears after three nights within its own past, or with a new battery",
                    "连续三晚恢复到自身历史水平，或更换蓄电池后解除",
                ),
            ),
        )
        last = int(risk.as_of[position])
        limit = {_REST: self.limit_rest_v, _WAKE: self.limit_wake_v}.get(way)
        series = {_SERIES[way]: daily(panel, _SERIES[way])}
        shown = evidence(panel, vehicle, last, days=90, series=series, titles=_TITLES[way], limit=limit)
        return Explanation(reasons=reasons, evidence=shown, window_days=self.history_days)

    def _reason(self, way: int, value: float, usual: float, age: float, ttt: FloatArray) -> Reason:
        if way == _OHM:
            end_en, end_zh = until(ttt, *ITS_LIMIT)
            return Reason(
                feature="resistance_growth_percent",
                value=round(100 * value),
                unit="%",
                healthy_low=-15.0,
                healthy_high=15.0,
                text_en=f"resistance at waking up {100 * value:+.0f} % against its past at equal temperature "
                f"({usual:.1f} mΩ usual){end_en}",
                text_zh=f"唤醒内阻在同温下比自身历史 {100 * value:+.0f}%（平时 {usual:.1f} mΩ）{end_zh}",
            )
        if way == _DRAIN:
            return Reason(
                feature="drain_at_rest_a",
                value=round(value, 3),
                unit="A",
                healthy_low=0.0,
                healthy_high=0.05,
                text_en=f"{1000 * value:.0f} mA more than usual are drawn while the vehicle sleeps, "
                f"for {age:.0f} days ({24 * value:.1f} Ah a day)",
                text_zh=f"静置时比平时多耗电 {1000 * value:.0f} mA，"
                f"已 {age:.0f} 天（每天 {24 * value:.1f} Ah）",
            )
        end_en, end_zh = until(ttt, *ITS_LIMIT)
        what_en = "at rest after driving" if way == _REST else "at waking up"
        what_zh = "行驶充电后静置电压" if way == _REST else "唤醒时最低电压"
        return Reason(
            feature="rest_voltage_v" if way == _REST else "wake_min_v",
            value=round(value, 2),
            unit="V",
            healthy_low=12.4 if way == _REST else 10.5,
            healthy_high=13.2,
            text_en=f"{value:.2f} V {what_en}; {usual:.2f} V usual{end_en}",
            text_zh=f"{what_zh} {value:.2f} V；平时 {usual:.2f} V{end_zh}",
        )

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``lv battery``."""
        del spec
        return "lv battery" if component == 0 else f"lv battery {component + 1}"


def _all(panel: DayPanel) -> IntArray:
    return np.arange(len(panel.day), dtype=np.int64)

"""DC/DC converter: holds another voltage than it did, leaves the load to the battery, or runs hot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, Reason, VehicleSpec
from models.features.change import Change, Course, find_change
from models.predictors.base import DayPanel, Explanation, Risk
from models.predictors.foresight import ITS_LIMIT, Shown, time_to_limit
from models.predictors.part import clears, daily, evidence, newest, past_median, until, weakest
from models.predictors.ways import Way, strongest_way, told_of, way_risk

#: Ways in which a converter shows it, in the order of ``Risk.detail["way"]``.
_LEVEL, _SAG, _DRAIN, _HOT = range(4)
_NOISE_V: Final = 0.03
_NOISE_SHARE: Final = 0.02
_NOISE_K: Final = 0.4
_KNOWN_BY: Final = ("on_voltage_v", "dcdc_rise_k")
_SERIES: Final = ("on_voltage_v", "on_low_v", "on_drain_share", "dcdc_rise_k")
_TITLES: Final = (
    ("V", "12 V with the DC/DC on", "DC/DC 工作时的 12 V 电压"),
    ("V", "12 V with the DC/DC on, lowest 5 %", "DC/DC 工作时 12 V 电压的最低 5%"),
    ("", "Share of time that the battery feeds the load", "由蓄电池供电的时间比例"),
    ("K", "DC/DC above its coolant", "DC/DC 相对冷却液的温升"),
)
#: Of development fleets; see ``foresight``.
_SHOWN: Final = Shown(share=1.28, spread=0.06)


@dataclass(frozen=True, slots=True)
class DcdcFaultPredictor:
    """Find the DC/DC converter that no longer does its work.

    Against its own past and the outside temperature (set-points follow it): the voltage it holds
    (``limit_v`` at its usual load is more at full load), the voltage under its heaviest load, the share of
    time in which the battery has to help, and its own warmth. A voltage that is off at rest by as much is
    the sensor's fault, not the converter's.

    Panel: ``on_voltage_v`` of ``lv_days``.
    """

    limit_v: float = 0.2
    limit_sag_v: float = 0.3
    limit_drain_share: float = 0.3
    limit_k: float = 10.0
    least_k: float = 3.0
    dead_v: float = 12.6
    least_strength: float = 5.0
    blind_spots: tuple[str, ...] = (
        "vehicles that send neither 12 V voltage nor DC/DC temperature while driving",
        "converters whose set-point the vehicle moves about by more than what is looked for",
        "a converter that fails from one second to the next: the vehicle's own alarm tells of it",
    )
    shown: Shown = _SHOWN
    history_days: int = 90
    failure_mode: FailureMode = FailureMode.DCDC_FAULT
    model_version: str = "dcdc-fault-2"
    feature_set: str = "lv_days"
    main: str = "on_voltage_v"
    horizon_h: float = 720.0

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of the converter as of each day."""
        rest = self._found(panel, as_of, "rest_voltage_v", _NOISE_V, 0)
        at_rest = np.where(np.abs(rest.strength) >= 3.0, rest.level, 0.0)
        ways = [
            self._voltage(panel, as_of, "on_voltage_v", at_rest, self.limit_v),
            self._voltage(panel, as_of, "on_low_v", at_rest, self.limit_sag_v),
            self._growth(panel, as_of, "on_drain_share", _NOISE_SHARE, self.limit_drain_share / 3),
            self._growth(panel, as_of, "dcdc_rise_k", _NOISE_K, self.least_k),
        ]
        volt = daily(panel, "on_voltage_v")
        usual = past_median(volt, as_of, skip=5, window=self.history_days, least=5)
        is_dead = (newest(volt, as_of).max(0) < self.dead_v) & ~(usual < self.dead_v)
        # what the sensor adds at rest as well is none of the converter's doing
        is_dead &= ~(at_rest < 0.5 * (self.dead_v - 14.0))
        ways[_LEVEL] = ways[_LEVEL].at_least(1.3, is_dead)
        return way_risk(panel, as_of, strongest_way(ways), is_dead, _KNOWN_BY)

    def _found(self, panel: DayPanel, as_of: IntArray, name: str, noise: float, sign: int) -> Change:
        causes = [daily(panel, "rest_temperature_degc" if name.startswith("rest") else "on_temperature_degc")]
        return find_change(
            daily(panel, name), causes, as_of, Course(window=self.history_days), noise=noise, sign=sign
        )

    def _voltage(self, panel: DayPanel, as_of: IntArray, name: str, at_rest: FloatArray, limit: float) -> Way:
        found = self._found(panel, as_of, name, _NOISE_V, 0 if name == "on_voltage_v" else -1)
        sign = np.sign(found.level)
        level = np.minimum(np.abs(found.level), 2.0 * sign * found.support)
        own = level - 1.5 * np.maximum(sign * at_rest, 0.0)
        rate = np.maximum(sign * found.rate, 0.0)
        days = self.horizon_h / 24.0
        score = weakest(
            np.abs(found.strength) / self.least_strength, own / (0.4 * limit), (own + rate * days) / limit
        )
        ttt = time_to_limit(own, rate, found.rate_error, limit, self.shown)
        return Way(score, sign * own, found.usual, found.age, ttt)

    def _growth(self, panel: DayPanel, as_of: IntArray, name: str, noise: float, least: float) -> Way:
        found = self._found(panel, as_of, name, noise, 1)
        limit = self.limit_k if name == "dcdc_rise_k" else self.limit_drain_share
        level = np.minimum(found.level, 2.0 * found.support)
        if name == "dcdc_rise_k":  # a sensor that is off is off after a night of standing too
            soak = find_change(
                daily(panel, "dcdc_soak_k"), [], as_of, Course(window=self.history_days), noise=0.5, sign=0
            )
            moved = np.nan_to_num(np.where(np.abs(soak.strength) >= 2.0, soak.level, 0.0))
            level = level - moved - 0.25 * np.abs(moved)
        rate = np.maximum(found.rate, 0.0)
        ahead = level + rate * self.horizon_h / 24.0
        score = weakest(found.strength / self.least_strength, level / least, ahead / limit)
        ttt = time_to_limit(level, rate, found.rate_error, limit, self.shown)
        return Way(score, level, found.usual, found.age, ttt)

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return what the converter shows, how fast that grows, and what would clear it."""
        at = (vehicle, position, component)
        way, value, usual, age = told_of(risk, at)
        limit = (self.limit_v, self.limit_sag_v, self.limit_drain_share, self.limit_k)[way]
        unit = _TITLES[way][0]
        end_en, end_zh = until(risk.ttt_h[:, vehicle, position, component], *ITS_LIMIT)
        reasons = (
            Reason(
                feature=f"{_SERIES[way]}_change",
                value=round(value, 3),
                unit=unit or "1",
                healthy_low=-limit / 3 if way in {_LEVEL, _SAG} else 0.0,
                healthy_high=limit / 3,
                text_en=f"{_TITLES[way][1]}: {value:+.2f} {unit} against {usual:.2f} {unit} usual, "
                f"for {age:.0f} days{end_en}",
                text_zh=f"{_TITLES[way][2]}：比平时的 {usual:.2f} {unit} 变化 {value:+.2f} {unit}，"
                f"已 {age:.0f} 天{end_zh}",
            ),
            clears(
                "clears_after_days",
                3.0,
                "days",
                (
                    "at rest there is no such change; clears after three days as before, or after a repair",
                    "静置电压无同样变化；连续三天恢复到自身历史水平或维修后解除",
                ),
            ),
        )
        last = int(risk.as_of[position])
        series = {_SERIES[way]: daily(panel, _SERIES[way])}
        shown = evidence(panel, vehicle, last, days=60, series=series, titles=_TITLES[way])
        return Explanation(reasons=reasons, evidence=shown, window_days=self.history_days)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``dcdc``."""
        del spec
        return "dcdc" if component == 0 else f"dcdc {component + 1}"

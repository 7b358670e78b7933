"""What vehicles and clouds do today: fixed limits and published rules, on the same days and events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, FloatArray
from models.evaluation.detectors import Detected, Detector
from models.predictors.base import DayPanel

_M = FailureMode
#: FMVSS 138 S4.2: a tire is low from 25 % under placard on.
_LEGAL_SHARE = 0.75
_KPA_PER_PSI = 6.894757
#: Slope and level of the rules in AWS' guidance for an automotive data platform, daily tire check.
_AWS_PSI_PER_DAY, _AWS_PSI, _AWS_DAYS = -0.3, 30.0, 7
_AWS_LEAST_DAYS = 3
#: Warning limits that on-board battery management commonly has; makers set their own.
_ALARM_SPREAD_MV, _ALARM_OHM_PER_V = 300.0, 100.0
_SERVICE_SPREAD_MV = {"NCM": 60.0, "LFP": 30.0}
_SERVICE_OHM_PER_V = 500.0
_COOLANT_DEGC, _MOTOR_RISE_K, _INVERTER_RISE_K = 65.0, 90.0, 50.0
_REST_V, _WAKE_V = 12.0, 9.6
_DCDC_V = (13.2, 15.0)
_SOH_PERCENT = 80.0
_WHEEL_K = 40.0

#: Above 0 the limit is broken; NaN: not known. Shape (n_vehicles, n_days, n_components).
Margin = Callable[[DayPanel], FloatArray]


@dataclass(frozen=True, slots=True)
class LimitDetector:
    """Says yes on the days on which a limit is broken."""

    name: str
    failure_mode: FailureMode
    feature_set: str
    margin: Margin
    component: str  #: ``tire``, ``cell`` or ``brake``: one each; else the only one
    horizon_h: float = 720.0

    def detect(self, panel: DayPanel) -> Detected:
        """Return 1 where the limit is broken, 0 where it holds."""
        over = self.margin(panel)
        return Detected(
            probability=np.where(np.isfinite(over), (over > 0).astype(np.float64), np.nan),
            data_us=panel.last_us,
            names=component_names(panel, self.component, over.shape[2]),
        )


def component_names(panel: DayPanel, component: str, count: int) -> tuple[str, ...]:
    """Return the names of components as truth and predictions have them."""
    if component in ("tire", "brake"):
        return tuple(f"{component} {wheel}" for wheel in panel.spec.wheels)
    if component == "cell":
        return tuple(f"cell {i + 1}" for i in range(count))
    return (component,)


def baselines() -> dict[str, list[Detector]]:
    """Return the baselines that need no training, by name."""
    rows: dict[str, Sequence[tuple[FailureMode, str, Margin, str]]] = {
        "legal_tire_threshold": [
            (_M.TIRE_SLOW_LEAK, "tire_days", under_legal, "tire"),
            (_M.TIRE_TOPPED_UP_LEAK, "tire_days", under_legal, "tire"),
        ],
        "aws_rules": [
            (_M.TIRE_SLOW_LEAK, "tire_days", aws_rule, "tire"),
            (_M.TIRE_TOPPED_UP_LEAK, "tire_days", aws_rule, "tire"),
        ],
        "gbt_alarm_bits": [
            (_M.CELL_INTERNAL_SHORT, "cell_days", alarm_spread, "cell"),
            (_M.CELL_WEAK, "cell_days", alarm_spread, "cell"),
            (_M.CELL_IMBALANCE, "cell_days", alarm_spread, "cell"),
            (_M.INSULATION_LOSS, "insulation_days", alarm_insulation, "battery"),
        ],
        "bms_fixed_limits": [
            (_M.CELL_INTERNAL_SHORT, "cell_days", service_spread, "cell"),
            (_M.CELL_WEAK, "cell_days", service_spread, "cell"),
            (_M.CELL_IMBALANCE, "cell_days", service_spread, "cell"),
            (_M.INSULATION_LOSS, "insulation_days", service_insulation, "battery"),
            (_M.BATTERY_CAPACITY_FADE, "battery_days", logged_soh, "battery"),
            (_M.COOLING_LOSS, "cooling_days", hot_coolant, "cooling"),
            (_M.MOTOR_THERMAL, "thermal_days", hot_motor, "motor 1"),
            (_M.INVERTER_THERMAL, "thermal_days", hot_inverter, "inverter 1"),
            (_M.DCDC_FAULT, "lv_days", dcdc_voltage, "dcdc"),
            (_M.LV_BATTERY, "lv_days", lv_voltage, "lv battery"),
            (_M.BRAKE_DRAG, "brake_days", hot_wheel, "brake"),
        ],
    }
    return {
        name: [
            LimitDetector(name, mode, feature_set, margin, part) for mode, feature_set, margin, part in found
        ]
        for name, found in rows.items()
    }


def under_legal(panel: DayPanel) -> FloatArray:
    """Return how far the lowest gauge pressure of the day is below 75 % of placard, kPa."""
    return _LEGAL_SHARE * np.asarray(panel.spec.placard_kpa) - panel.extra["low_gauge_kpa"]


def aws_rule(panel: DayPanel) -> FloatArray:
    """Return the worse kept of: 7-day slope below -0.3 psi/day, pressure below 30 psi; as a share.

    Least squares on uncompensated gauge pressure. The published rule takes every reading; a cold reading a
    day, where there is one, is kinder to it than hot and cold ones mixed.
    """
    cold = panel.extra["cold_gauge_kpa"]
    psi = np.where(np.isfinite(cold), cold, panel.extra["low_gauge_kpa"]) / _KPA_PER_PSI
    slope = trailing_slope(psi, _AWS_DAYS, _AWS_LEAST_DAYS)
    return np.minimum(_AWS_PSI_PER_DAY - slope, (_AWS_PSI - psi) / _AWS_PSI)


def trailing_slope(values: FloatArray, window: int, least: int) -> FloatArray:
    """Return the least-squares slope a day over the last ``window`` days, from ``least`` known days on.

    Args:
        values: Shape (n_vehicles, n_days, n_components); NaN is missing.
        window: Days, this one included.
        least: Fewest known days; NaN below.
    """
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    level = np.where(known.any(1, keepdims=True), filled.sum(1, keepdims=True), 0.0)
    level = level / np.maximum(
        known.sum(1, keepdims=True), 1
    )  # for the arithmetic only: slopes do not see it
    filled = np.where(known, values - level, 0.0)
    n, t, y, ty, tt = (np.zeros(values.shape) for _ in range(5))
    for back in range(min(window, values.shape[1])):
        here = slice(0, values.shape[1] - back)
        at = (slice(None), slice(back, None))
        n[at] += known[:, here]
        t[at] += -back * known[:, here]
        y[at] += filled[:, here]
        ty[at] += -back * filled[:, here]
        tt[at] += back**2 * known[:, here]
    spread = n * tt - t**2
    return np.where((n >= least) & (spread > 0), (n * ty - t * y) / np.maximum(spread, 1e-12), np.nan)


def alarm_spread(panel: DayPanel) -> FloatArray:
    """Return how far the worst cell is beyond the inconsistency alarm (GB/T 32960.3 flag 10), mV."""
    return _worst_cell(panel, _ALARM_SPREAD_MV)


def service_spread(panel: DayPanel) -> FloatArray:
    """Return how far the worst cell is beyond a service limit of the spread at rest, mV."""
    return _worst_cell(panel, _SERVICE_SPREAD_MV.get(panel.spec.chemistry, 60.0))


def _worst_cell(panel: DayPanel, limit_mv: float) -> FloatArray:
    """Blame the cell farthest from the median when highest less lowest is beyond a limit."""
    deviation = panel.extra["deviation_mv"]
    known = np.isfinite(deviation)
    high = np.where(known, deviation, -np.inf).max(2, keepdims=True)
    low = np.where(known, deviation, np.inf).min(2, keepdims=True)
    far = np.where(known, np.abs(deviation), -1.0)
    is_worst = far >= far.max(2, keepdims=True)
    with np.errstate(invalid="ignore"):
        over = np.where(is_worst, high - low - limit_mv, -limit_mv)
    return np.where(known, over, np.nan)


def alarm_insulation(panel: DayPanel) -> FloatArray:
    """Return how far the insulation is below 100 Ω/V, where vehicles set GB/T 32960.3 flag 11."""
    return _ALARM_OHM_PER_V - panel.extra["insulation_ohm_per_v"]


def service_insulation(panel: DayPanel) -> FloatArray:
    """Return how far the insulation is below 500 Ω/V (UN R100)."""
    return _SERVICE_OHM_PER_V - panel.extra["insulation_ohm_per_v"]


def logged_soh(panel: DayPanel) -> FloatArray:
    """Return how far the state of health that the vehicle tells is below 80 %."""
    return _SOH_PERCENT - panel.extra["soh_percent"]


def hot_coolant(panel: DayPanel) -> FloatArray:
    """Return how far the mean coolant temperature under load is above its limit, K."""
    return panel.extra["coolant_rise_k"] + panel.extra["outside_degc"] - _COOLANT_DEGC


def hot_motor(panel: DayPanel) -> FloatArray:
    """Return how far the motor's mean rise over the coolant is above its limit, K."""
    return panel.extra["motor_rise_k"] - _MOTOR_RISE_K


def hot_inverter(panel: DayPanel) -> FloatArray:
    """Return how far the inverter's mean rise over the coolant is above its limit, K."""
    return panel.extra["inverter_rise_k"] - _INVERTER_RISE_K


def dcdc_voltage(panel: DayPanel) -> FloatArray:
    """Return how far the converter's voltage is outside its range, V."""
    volts = panel.extra["on_voltage_v"]
    return np.maximum(_DCDC_V[0] - volts, volts - _DCDC_V[1])


def lv_voltage(panel: DayPanel) -> FloatArray:
    """Return how far the 12 V battery is below its limits at rest or at waking up, V."""
    return np.fmax(_REST_V - panel.extra["rest_voltage_v"], _WAKE_V - panel.extra["wake_min_v"])


def hot_wheel(panel: DayPanel) -> FloatArray:
    """Return how much hotter a wheel is than the others beyond a limit, K."""
    return panel.extra["wheel_rise_k"] - _WHEEL_K

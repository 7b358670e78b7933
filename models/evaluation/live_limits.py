"""Fixed limits on single readings that the live rules are held against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.records import FailureMode
from models.evaluation.live import MAX_DEGC, LivePart, Said

_KPA_PER_PSI, _KM_PER_MILE = 6.894757, 1.609344
_LEAST_OHM_PER_V, _LIVE_V, _LOOP_OPEN = 500.0, 60.0, 2


@dataclass(frozen=True, slots=True)
class LimitRule:
    """A fixed limit on single readings, as on-board electronics and published rules have them."""

    name: str
    failure_mode: FailureMode
    is_over: Callable[[LivePart], npt.NDArray[np.bool_]]  #: (n_readings, n_components)

    def says(self, part: LivePart) -> Said:
        """Return 1 where the limit is broken."""
        over = self.is_over(part)
        is_tire = over.shape[1] > 1
        names = tuple(f"tire {w}" for w in part.spec.wheels) if is_tire else ("battery",)
        return Said(over.astype(np.float64), names)


def live_baselines() -> Iterator[LimitRule]:
    """Yield the limits that the live rules are held against."""
    yield LimitRule("legal_tire_threshold", FailureMode.TIRE_PUNCTURE, under_legal)
    yield LimitRule("legal_tire_threshold", FailureMode.TIRE_BLOWOUT_RISK, under_legal)
    yield LimitRule("aws_rules", FailureMode.TIRE_BLOWOUT_RISK, aws_blowout)
    yield LimitRule("gbt_alarm_bits", FailureMode.BATTERY_THERMAL_EVENT, hot_battery)
    yield LimitRule("gbt_alarm_bits", FailureMode.INSULATION_LOSS, low_insulation)
    yield LimitRule("gbt_alarm_bits", FailureMode.ONBOARD_ALARM, open_loop)


def under_legal(part: LivePart) -> npt.NDArray[np.bool_]:
    """Tell where a tire is 25 % under placard (FMVSS 138 S4.2, without the 20 min that it allows)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(part.columns["tire.pressure"] < 0.75 * np.asarray(part.spec.placard_kpa))


def aws_blowout(part: LivePart) -> npt.NDArray[np.bool_]:
    """Tell where the published rule looks closer: 60 mph and more, and under 30 psi or 120 °F and more."""
    speed = part.columns["speed"][:, None]
    with np.errstate(invalid="ignore"):
        is_low = part.columns["tire.pressure"] < 30.0 * _KPA_PER_PSI
        is_hot = part.columns["tire.temperature"] >= (120.0 - 32.0) / 1.8
        return np.asarray((speed >= 60.0 * _KM_PER_MILE) & (is_low | is_hot))


def hot_battery(part: LivePart) -> npt.NDArray[np.bool_]:
    """Tell where a probe is beyond 60 °C, a common limit of the battery's over-temperature flag."""
    with np.errstate(invalid="ignore"):
        return np.asarray((part.columns["cell.temperature"] > MAX_DEGC).any(1, keepdims=True))


def low_insulation(part: LivePart) -> npt.NDArray[np.bool_]:
    """Tell where the monitor reads below 500 ohm/V (UN R100), the insulation flag of GB/T 32960."""
    with np.errstate(invalid="ignore"):
        limit_kohm = _LEAST_OHM_PER_V * part.columns["pack.voltage"] / 1000.0
        return np.asarray(part.columns["insulation"] < limit_kohm)[:, None]


def open_loop(part: LivePart) -> npt.NDArray[np.bool_]:
    """Tell where the interlock is open with the pack live, the interlock flag of GB/T 32960."""
    with np.errstate(invalid="ignore"):
        is_live = part.columns["pack.voltage"] >= _LIVE_V
        return np.asarray((part.columns["hv.interlock"] == _LOOP_OPEN) & is_live)[:, None]

"""Heat that the parts of one coolant loop keep: whose fault it is where the pump tells nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from data.records import FloatArray, IntArray
from models.features.change import Course, find_change
from models.predictors.base import DayPanel
from models.predictors.drive_heat import HeatChange, heat_change
from models.predictors.part import daily

#: A day's pack or coolant above what it gives its heat to, K.
RISE_NOISE_K: Final = 0.3
_FAN_KM_PER_H: Final = 50.0
_GROWTH_ODDS: Final = 10.0
#: By how much pack and coolant may show another share of a lost flow than the motor does, as a part of it.
_SCATTER: Final = 0.4


@dataclass(frozen=True, slots=True)
class SharedHeat:
    """What the motor shows of its loop; shape (n_vehicles, n_as_of)."""

    motor: HeatChange
    evidence: FloatArray  #: logarithm of how much likelier pack and coolant are with the loop at fault


def pack_causes(panel: DayPanel) -> list[FloatArray]:
    """Return what explains the pack's rise over its coolant, each of shape (n_vehicles, n_days)."""
    return [daily(panel, name) for name in ("current_square_a2", "pack_warming_k_per_h", "outside_degc")]


def coolant_causes(panel: DayPanel) -> list[FloatArray]:
    """Return what explains the coolant's rise over the outside air, each of shape (n_vehicles, n_days).

    A radiator gives off heat in proportion to its air: the fan's and the drive's, equal at some 50 km/h.
    """
    still = 1.0 / (1.0 + daily(panel, "speed_km_per_h") / _FAN_KM_PER_H)
    names = ("power_kw", "current_square_a2", "coolant_warming_k_per_h")
    causes = [daily(panel, "power_kw"), *(daily(panel, name) * still for name in names)]
    return [*causes, daily(panel, "outside_degc")]


def shared_heat(panel: DayPanel, as_of: IntArray, window: int) -> SharedHeat:
    """Return how much warmer the motor runs above its coolant, and how far the rest of the loop bears it out.

    Less flow takes conductance from the motor's jacket, the pack's plate and the radiator alike
    (Dittus-Boelter), a clogged jacket or a bearing warms the motor alone. The motor has by far the largest
    rise and shows it first. Pack and coolant are asked for a change of the same share, growth and age: the
    evidence is the likelihood of what they show if they share it, over that if they do not.

    Args:
        panel: Of ``cooling_days``.
        as_of: Shape (n_as_of,), indices into the day axis.
        window: Days looked back.
    """
    course = Course(
        window=window,
        ramps=(7, 10, 14, 21, 30, 45, 60, 90),
        least_before=21,
        is_share=True,
        growth_odds=_GROWTH_ODDS,
    )
    motor = heat_change(panel, as_of, "motor", course)
    evidence = np.zeros(motor.share.shape)
    for part, causes in (("pack", pack_causes(panel)), ("coolant", coolant_causes(panel))):
        rise, at = daily(panel, f"{part}_rise_k"), (motor.age, motor.rate_k > 0)
        found = find_change(rise, causes, as_of, course, noise=RISE_NOISE_K, sign=0, at=at)
        share = np.maximum(motor.share, 0.0)
        alone, along = found.level_error, np.hypot(found.level_error, _SCATTER * share)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.log(alone / along) + (found.level / alone) ** 2 / 2.0
            ratio -= ((found.level - share) / along) ** 2 / 2.0
        evidence += np.nan_to_num(ratio)
    return SharedHeat(motor=motor, evidence=evidence)

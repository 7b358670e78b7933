"""Changes in the heat balance of motor and inverter that load, weather and sensors do not explain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from data.records import BoolArray, FloatArray, IntArray
from models.features.change import Change, Course, find_change
from models.predictors.base import DayPanel, Risk
from models.predictors.part import daily, evidence, heard
from models.predictors.pump_current import pump_excess

#: What a day's mean over a hundred readings of a 1 °C sensor is good for, K.
_NOISE_K = 0.15
#: Coolant temperatures between which pumps begin to turn faster than their least speed.
_PUMP_BENDS_DEGC = (15.0, 25.0)
#: Wear grows; what comes at once is a part that was changed, or a scale.
_GROWTH_ODDS = 10.0
#: A soak offset of a 1 °C pair of sensors, K; it counts as moved from so many errors on.
_SOAK_NOISE_K = 0.5
_SOAK_STRENGTH = 2.5
#: Of an offset that is taken away, so much may be left: gains differ from cold to warm.
_OFFSET_LEFT = 0.25

#: A change counts as this many times what the newest three days show of it: not for one odd day.
_SUPPORT = 3.0
#: Standard errors from which a change of what is beside counts.
_BESIDE_STRENGTH = 2.5
#: Of a pump's current at its speed: noise of a day's logarithm, and a change that tells of the flow.
_PUMP_NOISE = 0.01
_PUMP_SHARE = 0.05

_BESIDE = {"motor": "inverter", "inverter": "motor"}
#: How much more of a lost flow one of them may show than the other.
_OWN_TIMES = 1.5
_CAUSES = {
    "motor": (
        "torque_square_n2m2",
        "speed_square_krpm2",
        "speed_krpm",
        "motor_warming_k_per_h",
        "coolant_rise_k",
    ),
    "inverter": ("torque_nm", "torque_square_n2m2", "speed_krpm", "inverter_warming_k_per_h"),
}


@dataclass(frozen=True, slots=True)
class HeatChange:
    """What changed in a part's rise over the coolant; shape (n_vehicles, n_as_of)."""

    level_k: FloatArray  #: by the as-of day, without what the sensors at rest show too
    share: FloatArray  #: the same as a share of what is expected
    rate_k: FloatArray  #: a day
    rate_error_k: FloatArray
    strength: FloatArray
    usual_k: FloatArray
    age: FloatArray


def slow_course(window: int) -> Course:
    """Return the shapes that wear of a machine takes: weeks, not days."""
    return Course(
        window=window,
        ramps=(14, 21, 30, 45, 60, 90),
        steps=(8, 13, 21, 34),
        least_after=5,
        has_trend=True,
        growth_odds=_GROWTH_ODDS,
    )


def heat_change(panel: DayPanel, as_of: IntArray, part: str, course: Course) -> HeatChange:
    """Return the change of ``motor`` or ``inverter``.

    The lumped thermal model (see ``ThermalDays``) is fitted to the vehicle's own past of ``course.window``
    days together with the change. A sensor that is off is off after a night of standing too, and has been for
    as long: that part of the change is taken away again.
    """
    rise, causes = daily(panel, f"{part}_rise_k"), [daily(panel, name) for name in _CAUSES[part]]
    # what it took in on the whole: the rate alone says too much of a short drive, where one degree is a lot
    causes.append(daily(panel, f"{part}_warming_k_per_h") * daily(panel, "drive_h"))
    if part == "motor":
        causes += _pump_causes(panel)
    found = find_change(rise, causes, as_of, course, noise=_NOISE_K)
    soak = replace(course, is_share=False)
    at_rest, at = daily(panel, f"{part}_soak_k"), (found.age, found.rate > 0)
    offset = find_change(at_rest, [], as_of, soak, noise=_SOAK_NOISE_K, sign=0, at=at)
    moved = np.where(np.abs(offset.strength) >= _SOAK_STRENGTH, offset.level, 0.0)
    unit = found.usual if course.is_share else np.ones(found.level.shape)
    shown = np.minimum(found.level, _SUPPORT * found.support) * unit
    level = shown - np.maximum(np.nan_to_num((1.0 + _OFFSET_LEFT) * moved), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        kept = np.clip(level / (found.level * unit), 0.0, 1.0)
        share = level / np.maximum(found.usual, 3.0)
    return HeatChange(
        level_k=level,
        share=share,
        rate_k=found.rate * unit * kept,
        rate_error_k=found.rate_error * unit,
        strength=found.strength * kept,
        usual_k=found.usual,
        age=found.age,
    )


def _pump_causes(panel: DayPanel) -> list[FloatArray]:
    """Return causes for a pump that turns faster for warm coolant, and the jacket's conductance with it.

    It has a least speed while all is cold; where that ends is left to the fit of a slope with a bend.
    """
    warmth, speed = daily(panel, "coolant_degc"), daily(panel, "speed_krpm")
    return [np.maximum(warmth - least, 0.0) * speed for least in _PUMP_BENDS_DEGC]


def own_level_k(part: HeatChange, other: HeatChange, coolant: Change, *, times: float) -> FloatArray:
    """Return what is left of a change once what other parts of the loop may show too is taken away.

    Less coolant flow and a coolant sensor that is off warm both parts and the coolant; a bearing or a die
    warms one.

    Args:
        part: Whose own change it is.
        other: The other part.
        coolant: Change of the coolant's rise over the outside air, as a share.
        times: How much more of a lost flow the part may show than the other: jackets lose heat transfer with
            a power of 0.6 to 0.8 of the flow (Dittus-Boelter), a module's inner resistance not at all.
    """
    counts = other.strength >= _BESIDE_STRENGTH
    shared = np.maximum(np.where(counts, np.nan_to_num(other.share), 0.0), 0.0)
    also = np.where(coolant.strength >= _BESIDE_STRENGTH, np.nan_to_num(coolant.level), 0.0)
    shared = np.maximum(shared, also)
    # a coolant sensor that is off adds the same to both
    added_k = np.where(counts, np.minimum(other.level_k, part.level_k), 0.0)
    return np.asarray(part.level_k - np.maximum(times * shared * part.usual_k, np.nan_to_num(added_k)))


def own_heat(panel: DayPanel, as_of: IntArray, part: str, window: int) -> tuple[FloatArray, HeatChange]:
    """Return what of the change of ``motor`` or ``inverter`` is its own, K, and the change as a whole.

    What the other machine, the coolant or the pump show too is the loop's.
    """
    course = slow_course(window)
    found = heat_change(panel, as_of, part, replace(course, is_share=True))
    beside = heat_change(panel, as_of, _BESIDE[part], course)
    own = own_level_k(found, beside, coolant_change(panel, as_of, course), times=_OWN_TIMES)
    return np.where(has_lost_flow(panel, as_of, window), np.minimum(own, 0.0), own), found


def told_heat(risk: Risk, at: tuple[int, int, int]) -> tuple[float, float, float, float]:
    """Return own change, rate, what is expected and age of an element of a risk, 0 for the unknown."""
    own, rate, expected, age = (
        float(np.nan_to_num(risk.detail[name][at])) for name in ("own", "rate", "expected", "age")
    )
    return own, rate, expected, age


def heat_evidence(panel: DayPanel, vehicle: int, last: int, part: str) -> dict[str, Any]:
    """Return ``motor`` or ``inverter`` beside the other one, as plotted; see ``evidence``."""
    series = {name: daily(panel, f"{name}_rise_k") for name in (part, _BESIDE[part])}
    titles = ("K", "Rise above the coolant while driving", "行驶中相对冷却液的温升")
    return evidence(panel, vehicle, last, days=90, series=series, titles=titles)


def has_lost_flow(panel: DayPanel, as_of: IntArray, window: int) -> BoolArray:
    """Tell whether the coolant pump of the drive has stopped, or draws another current than it used to.

    Then it is the loop that warms motor and inverter.
    """
    excess, doubt = pump_excess(panel, as_of, window)
    course = Course(window=window, has_trend=True)
    found = [
        find_change(values, [], day, course, noise=_PUMP_NOISE, sign=0)
        for values, day in zip(excess, as_of[:, None], strict=True)
    ]
    level, strength, support = (
        np.concatenate([getattr(f, name) for f in found], axis=1) for name in ("level", "strength", "support")
    )
    size = np.minimum(np.abs(level), 1.5 * np.abs(support)) - doubt
    is_other = (np.abs(strength) >= 4.0) & (size >= _PUMP_SHARE)
    runs, drives = daily(panel, "pump_current_a"), daily(panel, "motor_rise_k")
    has_run, runs_now = heard(runs, as_of, window) >= 10, heard(runs, as_of, 5) > 0
    return np.asarray(is_other | (has_run & ~runs_now & (heard(drives, as_of, 5) > 0)))


def coolant_change(panel: DayPanel, as_of: IntArray, course: Course) -> Change:
    """Return the change of the coolant's rise over the outside air while driving, as a share."""
    turns = daily(panel, "speed_krpm")
    load = daily(panel, "torque_nm") * turns
    causes = [load, load / (1.0 + turns / 4.0), turns]
    wanted = replace(course, is_share=True)
    return find_change(daily(panel, "coolant_rise_k"), causes, as_of, wanted, noise=_NOISE_K)

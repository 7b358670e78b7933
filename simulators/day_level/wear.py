"""How motor, inverter and cooling loop wear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, Severity
from simulators.day_level.chance import Floats, Ints
from simulators.day_level.plan import Course
from simulators.day_level.scene import Scene

#: Friction of a rubbing bearing: at first, where it is ill (some +10 K at 80 km/h), where it has failed.
_RUB_NM, _RUB_LIMIT_NM, _RUB_END_NM = 0.05, 0.5, 1.5
#: Parts that a jacket loses of its conductance, an inverter gains in thermal resistance, a flow loses.
_JACKET_LOSS, _JACKET_LIMIT = 0.4, 0.2
_SOLDER_LIMIT, _SOLDER_END = 0.2, 0.6
_FLOW_LIMIT = 0.3
_PUMP, _COOLANT, _PLATE = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wear:
    """How ill motor, inverter and cooling are; (F, D), 1 is as new unless said otherwise."""

    rub_nm: Floats  #: friction of the motor's bearings beyond the usual
    jacket: Floats  #: heat transfer of the motor to its coolant
    inverter_ohm: Floats  #: thermal resistance of the inverter
    flow: Floats  #: of the coolant
    plate: Floats  #: heat transfer of the pack to its coolant
    radiator: Floats
    pump_speed: Floats  #: of what it is told
    pump_draw: Floats  #: current at a speed
    courses: list[Course]


def run_wear(scene: Scene) -> Wear:
    """Return what wears how far.

    A bearing's friction grows exponentially; a jacket loses two fifths of its conductance, solder fatigue
    adds a fifth of thermal resistance in 60-180 days. Cooling: a pump slows with the cube of its course and
    stops after 14-40 days; coolant is lost at 1-5 % a week and below nine tenths takes air into the pump; a
    plate clogs in 30-90 days, halving the flow.
    """
    u, plan = scene.plan.u, scene.plan
    gone = np.arange(scene.shape[1])[None, :] + 0.5 - np.minimum(plan.onset_day, 1e6)[:, None]
    gone = np.maximum(gone, 0.0)
    months = 60.0 + 120.0 * u[:, 2]
    courses: list[Course] = []

    machine = scene.variant(FailureMode.MOTOR_THERMAL, 2)
    to_limit, to_end = (np.log1p(nm / _RUB_NM) for nm in (_RUB_LIMIT_NM, _RUB_END_NM))
    rate = np.where(machine == 0, to_limit / months, 0.0)
    rub = _RUB_NM * np.expm1(np.minimum(rate[:, None] * gone, 6.0))
    jacket = 1.0 - _JACKET_LOSS * np.where(machine == 1, 1.0, 0.0)[:, None] * np.minimum(
        gone / months[:, None], 1.0
    )
    for row in plan.rows(FailureMode.MOTOR_THERMAL).tolist():
        takes = float(months[row])
        if machine[row] == 0:
            marks, size = (
                (takes, takes * to_end / to_limit),
                (100.0 * 7.0 * float(rate[row]), "% of friction/week"),
            )
        else:
            marks = (takes * _JACKET_LIMIT / _JACKET_LOSS, takes)
            size = (100.0 * _JACKET_LOSS / takes, "% of conductance/day")
        courses.append(_course(scene, row, "motor 1", size, marks))

    tired = scene.has(FailureMode.INVERTER_THERMAL)[:, None]
    solder = np.where(tired, 1.0 + _SOLDER_LIMIT * (gone / months[:, None]) ** 1.5, 1.0)
    for row in plan.rows(FailureMode.INVERTER_THERMAL).tolist():
        takes = float(months[row])
        marks = (takes, takes * (_SOLDER_END / _SOLDER_LIMIT) ** (1.0 / 1.5))
        size = (100.0 * _SOLDER_LIMIT / takes, "% of thermal resistance/day")
        courses.append(_course(scene, row, "inverter 1", size, marks))

    loop = scene.variant(FailureMode.COOLING_LOSS, 3)
    whole = np.select([loop == _PUMP, loop == _PLATE], [14.0 + 26.0 * u[:, 2], 30.0 + 60.0 * u[:, 2]], 1e9)
    weekly = np.where(loop == _COOLANT, 0.01 + 0.04 * u[:, 2], 0.0)
    part = gone / whole[:, None]
    worn = np.where((loop == _PUMP)[:, None], part, 0.0)
    runs = worn < 1.0
    blocked = np.where((loop == _PLATE)[:, None], np.minimum(part, 1.0), 0.0)
    wet = np.clip(1.0 - 2.0 * np.maximum(weekly[:, None] * gone / 7.0 - 0.1, 0.0), 0.0, 1.0)
    speed = np.where(runs, 1.0 - 0.5 * np.minimum(worn, 1.0) ** 3, 0.0)
    air = np.maximum(1.0 - 0.4 * (1.0 - wet) / _FLOW_LIMIT, 0.2)
    courses += [_loop_course(scene, row, loop, whole, weekly) for row in np.flatnonzero(loop >= 0).tolist()]
    dust = np.clip(gone / 40.0, 0.0, 1.0) * (gone <= 60.0) * scene.has("radiator_in_dust")[:, None]
    return Wear(
        rub_nm=rub,
        jacket=jacket,
        inverter_ohm=np.minimum(solder, 3.0),
        flow=speed * wet * (1.0 - 0.5 * blocked),
        plate=1.0 - 0.7 * blocked,
        radiator=1.0 - 0.15 * dust,
        pump_speed=speed,
        pump_draw=np.where(runs, 1.0 + 0.6 * np.minimum(worn, 1.0), 0.0) * air * (1.0 + 0.4 * blocked),
        courses=courses,
    )


def _loop_course(scene: Scene, row: int, loop: Ints, whole: Floats, weekly: Floats) -> Course:
    """Return the course of a failing cooling loop; ill from a flow of -30 % on."""
    if loop[row] == _COOLANT:
        # a quarter of the filling lost
        takes = 7.0 * 0.25 / float(weekly[row])
        return _course(
            scene, row, "cooling", (100.0 * float(weekly[row]), "% of coolant/week"), (takes, 2 * takes)
        )
    share = (_FLOW_LIMIT / 0.5) ** (1.0 / 3.0) if loop[row] == _PUMP else _FLOW_LIMIT / 0.5
    takes = float(whole[row])
    return _course(scene, row, "cooling", (takes, "days to failure"), (share * takes, takes))


def _course(
    scene: Scene, row: int, component: str, size: tuple[float, str], marks: tuple[float, float]
) -> Course:
    onset = float(scene.plan.onset_day[row])
    return Course(
        row=row,
        component=component,
        magnitude=round(size[0], 3),
        unit=size[1],
        onset_day=onset,
        threshold_day=onset + float(marks[0]),
        failure_day=onset + float(marks[1]),
        severity=Severity.S3,
    )

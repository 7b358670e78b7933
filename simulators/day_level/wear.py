"""How motor, inverter and cooling loop wear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, Severity
from simulators.day_level.chance import Floats
from simulators.day_level.plan import Course, first_day_below
from simulators.day_level.scene import Scene

#: Growth of bearing friction and of the clogging of a cooling jacket a week.
_BEARING, _JACKET = (0.05, 0.15), (0.03, 0.08)
#: Rises that say a machine is ill: against the usual at the same load.
_MOTOR_RISE_K, _MOTOR_END_K = 8.0, 25.0
_INVERTER_LIMIT, _INVERTER_END = 0.20, 0.60
_FLOW_LIMIT, _FLOW_END = 0.30, 0.70


@dataclass(frozen=True, slots=True, kw_only=True)
class Wear:
    """How ill motor, inverter and cooling are; (F, D)."""

    friction_w: Floats  #: of the motor's bearings at 3000 rpm, beyond the usual
    jacket: Floats  #: heat transfer of the motor to its coolant over the usual
    inverter_ohm: Floats  #: thermal resistance of the inverter over the usual
    flow: Floats  #: of the coolant over the usual
    plate: Floats  #: heat transfer of the pack to its coolant over the usual
    radiator: Floats  #: heat transfer of the radiator over the usual
    pump_draw: Floats  #: current of the pump at a speed over the usual
    pump_stands: Floats  #: share of the time in which it should run and does not
    courses: list[Course]


def run_wear(scene: Scene) -> Wear:
    """Return what wears how far.

    Bearings: friction grows 5-15 % a week. Jackets clog 3-8 % a week. IGBT modules: thermal resistance grows
    0.1-0.4 % a day. Cooling: a pump that wears and stops, coolant lost 1-5 % a week, a plate that clogs.
    """
    days = scene.shape[1]
    u, plan = scene.plan.u, scene.plan
    since = np.arange(days)[None, :] + 0.5 - np.minimum(plan.onset_day, 1e6)[:, None]
    gone = np.maximum(since, 0.0)
    courses: list[Course] = []

    bearing = scene.variant(FailureMode.MOTOR_THERMAL, 2)
    weekly = _BEARING[0] + (_BEARING[1] - _BEARING[0]) * u[:, 2]
    friction = np.where(
        (bearing == 0)[:, None], 150.0 * np.expm1(np.log1p(weekly)[:, None] * gone / 7.0), 0.0
    )
    clogs = _JACKET[0] + (_JACKET[1] - _JACKET[0]) * u[:, 2]
    jacket = np.where((bearing == 1)[:, None], np.maximum((1.0 - clogs[:, None]) ** (gone / 7.0), 0.2), 1.0)

    daily = 0.001 + 0.003 * u[:, 2]
    ohm = np.where(scene.has(FailureMode.INVERTER_THERMAL)[:, None], 1.0 + daily[:, None] * gone, 1.0)
    for row in plan.rows(FailureMode.INVERTER_THERMAL).tolist():
        marks = [limit / daily[row] for limit in (_INVERTER_LIMIT, _INVERTER_END)]
        courses.append(_course(scene, row, "inverter 1", (float(100.0 * daily[row]), "%/day"), marks))

    cooling = scene.variant(FailureMode.COOLING_LOSS, 3)[:, None]
    takes = np.where(cooling[:, 0] == 1, 7.0 / (0.01 + 0.04 * u[:, 2]) * 0.35, 20.0 + 50.0 * u[:, 2])
    lost = np.clip(gone / takes[:, None], 0.0, 1.5)
    ill = np.where(cooling >= 0, np.minimum(_FLOW_LIMIT / 0.6 * lost, 0.95), 0.0)
    stops = (cooling == 0) & (lost > 1.3)
    plate = np.where(cooling == 2, np.maximum(1.0 - 0.7 * np.minimum(lost, 1.0), 0.3), 1.0)
    flow = np.where(cooling == 2, 1.0 - 0.4 * ill, 1.0 - ill)
    flow = np.where(stops, 0.08, flow)
    for row in plan.rows(FailureMode.COOLING_LOSS).tolist():
        # flow -30 %; a clogged plate: heat transfer -30 %
        limit = 0.6 if cooling[row, 0] < 2 else 0.3 / 0.7
        end = {0: 1.3, 1: 1.4, 2: 1.0}[int(cooling[row, 0])]
        marks = [limit * takes[row], end * takes[row]]
        courses.append(_course(scene, row, "cooling", (float(takes[row]), "days"), marks))
    dust = np.where(scene.has("radiator_in_dust")[:, None], 1.0 - 0.15 * np.clip(since / 40.0, 0.0, 1.0), 1.0)
    dust = np.where(since > 60.0, 1.0, dust)
    # a pump that wears or runs dry draws less, one against a clogged plate more
    draw = 1.0 + np.select(
        [cooling == 0, cooling == 1, cooling == 2], [-0.5 * ill, -0.8 * ill, 0.5 * ill], 0.0
    )
    return Wear(
        friction_w=friction,
        jacket=jacket,
        inverter_ohm=ohm,
        flow=flow,
        plate=plate * np.maximum(flow, 0.05) ** 0.6,
        radiator=dust * np.maximum(flow, 0.05) ** 0.7,
        pump_draw=np.where(stops, 0.1, draw),
        pump_stands=np.where(stops, 1.0, 0.0),
        courses=courses,
    )


def motor_courses(scene: Scene, excess_k: Floats) -> list[Course]:
    """Return the courses of motors from how much warmer they run at their usual load, (F, D) in K."""
    variant, u = scene.variant(FailureMode.MOTOR_THERMAL, 2), scene.plan.u
    out = []
    for row in scene.plan.rows(FailureMode.MOTOR_THERMAL).tolist():
        onset = float(scene.plan.onset_day[row])
        least, most = _BEARING if variant[row] == 0 else _JACKET
        marks = [
            first_day_below(-excess_k[row], -limit, onset) - onset for limit in (_MOTOR_RISE_K, _MOTOR_END_K)
        ]
        size = (float(100.0 * (least + (most - least) * u[row, 2])), "%/week")
        out.append(_course(scene, row, "motor 1", size, marks))
    return out


def _course(scene: Scene, row: int, component: str, size: tuple[float, str], marks: list[float]) -> Course:
    onset = float(scene.plan.onset_day[row])
    return Course(
        row=row,
        component=component,
        magnitude=round(size[0], 2),
        unit=size[1],
        onset_day=onset,
        threshold_day=onset + float(marks[0]),
        failure_day=onset + float(marks[1]),
        severity=Severity.S3,
    )

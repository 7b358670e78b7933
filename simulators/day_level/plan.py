"""What will go wrong with which vehicle, or only look wrong, and the truth about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from data.records import FailureMode, Severity, Truth, VehicleSpec, Vin
from simulators.day_level.chance import Flags, Floats, Ints, PartChance
from simulators.errors import FleetError

#: Failure modes that show in features of days, in the order in which an enriched fleet deals them out.
FAULTS: tuple[FailureMode, ...] = (
    FailureMode.TIRE_SLOW_LEAK,
    FailureMode.TIRE_TOPPED_UP_LEAK,
    FailureMode.CELL_INTERNAL_SHORT,
    FailureMode.CELL_WEAK,
    FailureMode.CELL_IMBALANCE,
    FailureMode.CELL_RESISTANCE,
    FailureMode.BATTERY_CAPACITY_FADE,
    FailureMode.INSULATION_LOSS,
    FailureMode.COOLING_LOSS,
    FailureMode.MOTOR_THERMAL,
    FailureMode.INVERTER_THERMAL,
    FailureMode.DCDC_FAULT,
    FailureMode.LV_BATTERY,
    FailureMode.BRAKE_DRAG,
    FailureMode.SENSOR_FAULT,
)

#: Faults that take months begin in the first third of a run.
_SLOW = (
    FailureMode.CELL_WEAK,
    FailureMode.CELL_RESISTANCE,
    FailureMode.BATTERY_CAPACITY_FADE,
    FailureMode.MOTOR_THERMAL,
    FailureMode.INVERTER_THERMAL,
    FailureMode.LV_BATTERY,
)

#: Harmless look-alikes of each of them.
TIRE_DECOYS = (
    "cold_front", "altitude_trip", "refill", "hot_set_refill", "single_top_up", "rotation", "winter_wheels",
    "sun_one_side", "hot_brake", "sensor_battery_low", "sensor_bias_step", "sticky_value", "stale_replay",
    "garage_to_outdoor",
)  # fmt: skip
CELL_DECOYS = (
    "imbalance", "loose_sense_wire", "soc_drift", "scale_change", "warm_string_end", "deep_discharge",
)  # fmt: skip
OTHER_DECOYS = (
    "insulation_rain", "heat_wave", "towing", "radiator_in_dust", "winter_lv", "long_parking",
    "forgotten_light", "lv_load", "new_brake_pads", "noise", "spikes", "gap_of_days",
)  # fmt: skip
DECOYS = TIRE_DECOYS + CELL_DECOYS + OTHER_DECOYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The hidden future of the vehicles of one part; the vehicle is the first axis."""

    kind: npt.NDArray[np.str_]  #: (F,) a failure mode, a kind of decoy, or empty
    is_fault: Flags
    onset_day: Floats  #: (F,) days since the beginning of the run, inf: never
    u: Floats  #: (F, 8) numbers spread evenly over 0-1, for the course to be drawn from
    days: int

    def rows(self, kind: str) -> Ints:
        """Return which vehicles have a kind."""
        return np.flatnonzero(self.kind == kind)


def draw_plan(
    chance: PartChance,
    vehicle: Ints,
    days: int,
    *,
    mode: str,
    kinds: Sequence[str],
    stride: int,
    share: float,
) -> Plan:
    """Return the future of a part.

    Args:
        chance: Of the part.
        vehicle: Shape (F,), indices in the fleet.
        days: Length of the run.
        mode: ``enriched``: every vehicle has a fault; ``healthy``: ``share`` of them have a decoy.
        kinds: What is dealt out in turn.
        stride: So many vehicles in a row get the same kind: one of each model.
        share: Of the vehicles of a healthy fleet that have a decoy.
    """
    u = chance.topic("plan").uniform(10).astype(np.float64)
    dealt = np.array(kinds, dtype=np.str_)[(vehicle // stride) % len(kinds)]
    is_in = np.ones(len(vehicle), np.bool_) if mode == "enriched" else u[:, 8] < share
    kind = np.where(is_in, dealt, "")
    return Plan(
        kind=kind,
        is_fault=is_in & (mode == "enriched"),
        onset_day=np.where(is_in, days * (0.1 + np.where(np.isin(kind, _SLOW), 0.25, 0.7) * u[:, 9]), np.inf),
        u=u[:, :8],
        days=days,
    )


def choose_kinds(mode: str, faults: str | Sequence[str]) -> tuple[str, ...]:
    """Return what a fleet deals out in turn.

    Raises:
        FleetError: The mode or one of the faults is unknown; names those there are.
    """
    if mode not in ("enriched", "healthy"):
        raise FleetError(f"mode {mode!r}: must be enriched or healthy")
    known: tuple[str, ...] = FAULTS if mode == "enriched" else DECOYS
    if faults == "all":
        return tuple(str(kind) for kind in known)
    asked = (faults,) if isinstance(faults, str) else tuple(str(kind) for kind in faults)
    for kind in asked:
        if kind not in known:
            raise FleetError(f"faults {kind!r}: must be all or of {', '.join(known)}")
    if not asked:
        raise FleetError("faults: must name at least one")
    return asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a part of a vehicle's physics says of its fault: when it begins, matters and ends, in days."""

    row: int  #: in the part
    component: str
    magnitude: float
    unit: str
    onset_day: float
    threshold_day: float = np.inf
    failure_day: float = np.inf
    severity: Severity = Severity.S3


def first_day_below(level: Floats, limit: float, onset_day: float) -> float:
    """Return when a level given at the middle of each day falls below a limit after the onset, in days.

    Past the run it is continued at the mean rate of the last fortnight since the onset; inf: it never does.
    """
    clock = np.arange(len(level)) + 0.5
    below = np.flatnonzero((level < limit) & (clock > onset_day))
    if len(below):
        day = int(below[0])
        if day == 0:
            return onset_day
        fall = level[day - 1] - level[day]
        part = float(np.clip((level[day - 1] - limit) / max(fall, 1e-9), 0.0, 1.0))
        return max(onset_day, float(clock[day - 1]) + part)
    first = max(int(np.ceil(onset_day)), len(level) - 15)
    if first >= len(level) - 1:
        return float("inf")
    rate = (level[first] - level[-1]) / (len(level) - 1 - first)
    return float(clock[-1] + (level[-1] - limit) / rate) if rate > 1e-6 else float("inf")


#: What the decoys that are not of one cell or one wheel are about.
_ABOUT = {
    "insulation_rain": "battery",
    "heat_wave": "motor 1",
    "towing": "motor 1",
    "radiator_in_dust": "cooling",
    "winter_lv": "lv battery",
    "long_parking": "lv battery",
    "forgotten_light": "lv battery",
    "lv_load": "dcdc",
}
_ONE_WHEEL = (
    "single_top_up",
    "hot_brake",
    "sensor_battery_low",
    "sensor_bias_step",
    "sticky_value",
    "new_brake_pads",
)
#: Those that are there from the beginning of the run.
_ALWAYS = ("insulation_rain", "sun_one_side", "winter_lv", "lv_load", "noise", "spikes", "warm_string_end")


def decoy_courses(plan: Plan, spec: VehicleSpec, *, but: Sequence[Course]) -> list[Course]:
    """Return when each decoy happens and what it is about; those in ``but`` are told already."""
    told = {course.row for course in but}
    n_wheels, n_cells = len(spec.wheels), spec.cell_count
    out = []
    for row in np.flatnonzero(~plan.is_fault & (plan.kind != "")).tolist():
        kind, u = str(plan.kind[row]), float(plan.u[row, 1])
        if row in told:
            continue
        if kind in CELL_DECOYS:
            component = f"cell {min(int(u * n_cells), n_cells - 1) + 1}"
        elif kind in _ONE_WHEEL:
            component = f"tire {spec.wheels[min(int(u * n_wheels), n_wheels - 1)]}"
        else:
            component = _ABOUT.get(kind, "tires")
        onset = 0.0 if kind in _ALWAYS else float(np.floor(plan.onset_day[row]))
        out.append(Course(row=row, component=component, magnitude=0.0, unit="", onset_day=onset))
    return out


def to_truth(
    courses: Sequence[Course], plan: Plan, vehicle: Ints, vins: Sequence[Vin], begin: datetime
) -> list[Truth]:
    """Return the truth table of a part; days count from ``begin``, the first local midnight."""

    def moment(day: float) -> datetime | None:
        return begin + timedelta(days=day) if day < 36_500.0 else None

    return [
        Truth(
            vehicle=int(vehicle[course.row]),
            vin=vins[course.row],
            component=course.component,
            kind=str(plan.kind[course.row]),
            is_fault=bool(plan.is_fault[course.row]),
            onset=begin + timedelta(days=course.onset_day),
            threshold_at=moment(course.threshold_day),
            failure_at=moment(course.failure_day),
            severity=course.severity if plan.is_fault[course.row] else None,
            magnitude=course.magnitude,
            unit=course.unit,
        )
        for course in sorted(courses, key=lambda c: (c.row, c.component))
    ]

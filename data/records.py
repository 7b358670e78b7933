"""Values that the folders exchange: frozen, typed, free of I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

import numpy as np
import numpy.typing as npt

from data.errors import VinError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Vin = NewType("Vin", str)
_VIN = re.compile(r"^[A-HJ-NPR-Z0-9]{17}$")


def parse_vin(text: str) -> Vin:
    """Return the vehicle identification number.

    Raises:
        VinError: Not 17 characters of A-Z and 0-9 without I, O and Q (ISO 3779).
    """
    if not _VIN.fullmatch(text):
        raise VinError(f"vin {text[:40]!r}: must be 17 characters of A-Z, 0-9 without I, O, Q (ISO 3779)")
    return Vin(text)


class Family(StrEnum):
    """A group of signals that share a row."""

    DRIVE = "drive"
    TIRE = "tire"
    CELL = "cell"
    SIGNAL = "signal"
    EVENT = "event"


class Origin(StrEnum):
    """Where a number comes from; shown with every number."""

    REAL = "real"
    SIMULATED = "simulated"
    REPLAYED = "replayed"


class Severity(StrEnum):
    """Urgency class (GB/T alarm levels and owner wording map onto it); S0 is the most urgent."""

    S0 = "S0"  #: stop now and leave the vehicle
    S1 = "S1"  #: stop when it is safe
    S2 = "S2"  #: service within 24 h
    S3 = "S3"  #: service within 7 days
    S4 = "S4"  #: at the next visit


class FailureMode(StrEnum):
    """Every failure mode Anxin can name; the same words in code, tables, API and settings."""

    TIRE_SLOW_LEAK = "tire_slow_leak"
    TIRE_TOPPED_UP_LEAK = "tire_topped_up_leak"
    TIRE_PUNCTURE = "tire_puncture"
    TIRE_BLOWOUT_RISK = "tire_blowout_risk"
    CELL_INTERNAL_SHORT = "cell_internal_short"
    CELL_WEAK = "cell_weak"
    CELL_IMBALANCE = "cell_imbalance"
    CELL_RESISTANCE = "cell_resistance"
    BATTERY_CAPACITY_FADE = "battery_capacity_fade"
    BATTERY_THERMAL_EVENT = "battery_thermal_event"
    INSULATION_LOSS = "insulation_loss"
    COOLING_LOSS = "cooling_loss"
    MOTOR_THERMAL = "motor_thermal"
    INVERTER_THERMAL = "inverter_thermal"
    DCDC_FAULT = "dcdc_fault"
    LV_BATTERY = "lv_battery"
    BRAKE_DRAG = "brake_drag"
    SENSOR_FAULT = "sensor_fault"
    #: The vehicle's own alarm whose cause it did not tell; joins the open order of its system.
    ONBOARD_ALARM = "onboard_alarm"


#: Wheel names in array order for two-axle vehicles, as in tire arrays.
WHEELS = ("front-left", "front-right", "rear-left", "rear-right")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One ranked reason behind a prediction, in the user's unit."""

    feature: str  #: stable code, e.g. ``loss_kpa_per_day``
    value: float
    unit: str
    healthy_low: float | None = None
    healthy_high: float | None = None
    peers: float | None = None  #: the same feature on the healthy peers (other wheels, other cells)
    text_en: str
    text_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """Time to threshold in hours: median and the 10-90 % interval."""

    p10: float
    p50: float
    p90: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a predictor says of one component of one vehicle."""

    vehicle_id: int
    component: str  #: ``tire front-left``, ``cell 82``, ``battery``, ``motor 1``
    failure_mode: FailureMode
    severity: Severity
    probability: float  #: risk index, 0-1: alerts are raised on it; grows with the physical score
    horizon_h: float
    time_to_threshold_h: Quantiles | None
    predicted_at: datetime  #: timezone-aware
    data_time: datetime  #: event time of the newest sample used
    since: datetime  #: event time from which the probability has been at its present level without a break
    window_from: datetime
    window_to: datetime
    reasons: tuple[Reason, ...]
    model_version: str
    origin: Origin
    is_fresh: bool  #: a live (not back-filled) sample stands behind it
    #: that the threshold is crossed within the horizon, at the prevalence of its fit; None: not learned
    calibrated: float | None = None
    p_value: float | None = None  #: share of healthy vehicle-days with a component as bad
    is_tail: bool = False  #: the p-value lies beyond what was seen and comes from a fitted tail
    prediction_id: int = 0  #: given by the database


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """One row of a simulated fleet's truth table: a fault or a harmless look-alike (decoy).

    Never published and never seen by a feature or a predictor: it is what their findings are judged by.
    """

    vehicle: int  #: index in the fleet, from 0
    vin: Vin
    component: str  #: named as in predictions: ``tire front-left``, ``cell 82``, ``battery``
    kind: str  #: a :class:`FailureMode` of a fault; the kind of a decoy
    is_fault: bool
    onset: datetime  #: timezone-aware; the component departs from health, the decoy happens
    threshold_at: datetime | None  #: left alone it crosses the limit of its mode then; None: never
    failure_at: datetime | None  #: left alone it stops doing its work then; None: not from this course
    severity: Severity | None  #: urgency at the end of the simulated span; None for a decoy
    magnitude: float  #: size of the fault in ``unit``, at its onset or as a rate
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyRows:
    """Decoded readings of one family, rows in no particular order, no Python object per row.

    ``columns`` maps a catalogue alias to an array whose first axis is the row: ``(n,)`` for scalars,
    ``(n, k)`` for per-wheel, per-cell and per-probe arrays. Units are the catalogue's (cells in V, probes in
    °C); NaN is missing everywhere. Scaling and integers belong to the tables, not to these arrays.
    ``sub_pack`` and ``first_cell`` are set for the cell family only and default to 1.
    """

    family: Family
    vehicle_id: npt.NDArray[np.int32]  #: shape (n,)
    time_us: IntArray  #: shape (n,), sample time, microseconds since 1970 UTC
    sent_us: IntArray  #: shape (n,)
    received_us: IntArray  #: shape (n,)
    is_hist: BoolArray  #: shape (n,), sent late from the vehicle's store
    columns: Mapping[str, npt.NDArray[np.floating]] = field(default_factory=dict)
    sub_pack: npt.NDArray[np.int16] | None = None  #: shape (n,), cell family
    first_cell: npt.NDArray[np.int16] | None = None  #: shape (n,), cell family, 1-based

    def __len__(self) -> int:
        return int(self.time_us.shape[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleSpec:
    """What the vehicle model says, as far as features and predictors need it."""

    model_id: str
    chemistry: str  #: ``NCM`` or ``LFP``
    cell_count: int
    probe_count: int
    capacity_ah: float
    wheels: tuple[str, ...]  #: array order of tire readings
    placard_kpa: tuple[float, ...]  #: gauge, cold, per wheel
    time_zone: str = "Asia/Shanghai"


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleEvent:
    """An on-board alarm, impact, receipt or life-cycle event; bypasses every quality filter."""

    vehicle_id: int
    time_us: int
    kind: str  #: ``alarm``, ``dtc``, ``impact``, ``warning_receipt``, ``birth``, ``online``, ``offline``
    source: str  #: ``event``, ``gbt32960``, ``status``
    level: int = 0  #: GB/T 32960 alarm level 0-3
    code: str = ""
    data: Mapping[str, object] = field(default_factory=dict)
    is_hist: bool = False

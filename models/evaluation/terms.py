"""What counts: how early a warning must come, how rare a fault is in the field, what being wrong costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from data.records import FailureMode

_M = FailureMode
DAYS_OF_YEAR = 365.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the project holds itself to, on simulated data; None: no target."""

    recall: float | None = None
    false_per_1000: float | None = None
    lead_p50_h: float | None = None
    precision: float | None = None
    lead_at: tuple[tuple[float, float], ...] = ()  #: (magnitude, median lead in hours)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How the alerts of one failure mode are judged.

    The prevalence is a range from published figures where there are any, else experience; it only weighs the
    precision, it changes no alert.
    """

    act_h: float  #: a warning must come so long before the limit: 60 s, 1 h tire, 24 h workshop, 7 d parts
    faults_per_vehicle_year: tuple[float, float]  #: in the field, low and high
    least_magnitude: float = 0.0  #: smaller faults are counted apart
    edges: tuple[float, ...] = ()  #: of magnitude, for recall by size
    cost_planned: float = 300.0  #: of a repair that was planned, in the currency of the price list
    cost_false: float = 150.0  #: inspection and goodwill for a false alert
    cost_missed: float = 1500.0  #: roadside help, towing and what breaks along with it
    target: Target = Target()
    is_foretold: bool = True  #: days ahead; else seconds count and only live rules tell of it


_WORKSHOP = Terms(act_h=24.0, faults_per_vehicle_year=(0.002, 0.01))
_PARTS = Terms(act_h=168.0, faults_per_vehicle_year=(0.002, 0.01), cost_planned=1500.0, cost_missed=4000.0)
_CELL = 0.00038, 0.00075

TERMS: Mapping[FailureMode, Terms] = MappingProxyType(
    {
        _M.TIRE_SLOW_LEAK: Terms(
            act_h=1.0,
            faults_per_vehicle_year=(0.04, 0.2),
            least_magnitude=2.0,
            edges=(0.0, 0.5, 1.0, 1.8, 2.2, 4.0, 7.0, 9.0, 10.0, 25.0, 100.0),
            cost_planned=60.0,
            cost_false=40.0,
            cost_missed=400.0,
            target=Target(recall=0.97, false_per_1000=0.05, lead_at=((2.0, 480.0), (8.0, 96.0))),
        ),
        _M.TIRE_TOPPED_UP_LEAK: Terms(
            act_h=1.0,
            faults_per_vehicle_year=(0.005, 0.02),
            cost_planned=60.0,
            cost_false=40.0,
            cost_missed=400.0,
        ),
        _M.TIRE_PUNCTURE: Terms(
            act_h=1.0 / 60,
            faults_per_vehicle_year=(0.02, 0.1),
            edges=(1.0, 2.0, 5.0, 10.0, 20.0, 60.0),
            cost_planned=100.0,
            cost_false=40.0,
            cost_missed=800.0,
            target=Target(recall=0.99),
            is_foretold=False,
        ),
        _M.TIRE_BLOWOUT_RISK: Terms(
            act_h=5.0 / 60,
            faults_per_vehicle_year=(0.0005, 0.005),
            cost_planned=100.0,
            cost_false=40.0,
            cost_missed=20_000.0,
            target=Target(recall=0.8, false_per_1000=0.02),
            is_foretold=False,
        ),
        _M.CELL_INTERNAL_SHORT: Terms(
            act_h=24.0,
            faults_per_vehicle_year=_CELL,
            cost_planned=3000.0,
            cost_false=400.0,
            cost_missed=30_000.0,
            target=Target(recall=0.8, false_per_1000=0.003, lead_p50_h=336.0),
        ),
        _M.CELL_WEAK: Terms(
            act_h=24.0, faults_per_vehicle_year=(0.001, 0.005), cost_planned=3000.0, cost_missed=8000.0
        ),
        _M.CELL_IMBALANCE: Terms(act_h=24.0, faults_per_vehicle_year=(0.005, 0.02), cost_missed=500.0),
        _M.CELL_RESISTANCE: Terms(
            act_h=24.0, faults_per_vehicle_year=(0.001, 0.005), cost_planned=3000.0, cost_missed=8000.0
        ),
        _M.BATTERY_CAPACITY_FADE: Terms(
            act_h=168.0, faults_per_vehicle_year=(0.005, 0.02), cost_planned=8000.0, cost_missed=12_000.0
        ),
        _M.BATTERY_THERMAL_EVENT: Terms(
            act_h=0.0,
            faults_per_vehicle_year=(0.00003, 0.0001),
            cost_planned=8000.0,
            cost_false=1000.0,
            cost_missed=200_000.0,
            target=Target(recall=0.99, false_per_1000=0.0),
            is_foretold=False,
        ),
        _M.INSULATION_LOSS: Terms(
            act_h=24.0,
            faults_per_vehicle_year=(0.002, 0.01),
            cost_planned=600.0,
            cost_missed=3000.0,
            target=Target(recall=0.9, lead_p50_h=168.0),
        ),
        _M.COOLING_LOSS: Terms(
            act_h=24.0,
            faults_per_vehicle_year=(0.005, 0.02),
            cost_planned=500.0,
            cost_missed=3000.0,
            target=Target(recall=0.9, lead_p50_h=168.0),
        ),
        _M.MOTOR_THERMAL: Terms(
            act_h=168.0,
            faults_per_vehicle_year=(0.002, 0.01),
            cost_planned=3000.0,
            cost_missed=8000.0,
            target=Target(recall=0.7, lead_p50_h=720.0),
        ),
        _M.INVERTER_THERMAL: Terms(
            act_h=168.0,
            faults_per_vehicle_year=(0.002, 0.01),
            cost_planned=3000.0,
            cost_missed=8000.0,
            target=Target(recall=0.7, lead_p50_h=720.0),
        ),
        _M.DCDC_FAULT: _PARTS,
        _M.LV_BATTERY: Terms(
            act_h=24.0,
            faults_per_vehicle_year=(0.05, 0.2),
            cost_planned=200.0,
            cost_false=60.0,
            cost_missed=500.0,
            target=Target(recall=0.85, lead_p50_h=240.0, precision=0.6),
        ),
        _M.BRAKE_DRAG: _WORKSHOP,
        _M.SENSOR_FAULT: Terms(
            act_h=0.0, faults_per_vehicle_year=(0.02, 0.1), cost_planned=120.0, cost_missed=200.0
        ),
        _M.ONBOARD_ALARM: Terms(act_h=24.0, faults_per_vehicle_year=(0.002, 0.01), is_foretold=False),
    }
)

"""Findings that are right about a decoy: a broken sensor is a fault of the sensor, of no part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from data.records import FailureMode, Truth

_SENSOR = "sensor "


@dataclass(frozen=True, slots=True, kw_only=True)
class Honest:
    """What may be said of one kind of decoy."""

    mode: FailureMode = FailureMode.SENSOR_FAULT
    about: tuple[str, ...] = ()  #: components besides its own; a first word stands for all of that kind
    reach: int = 0  #: neighbours by number that it shows in as well


_OWN = Honest()
_TIRES = Honest(about=("tire",))
#: Decoys about which another finding is right, and where: on any other component it is a false alert.
HONEST_FINDINGS: Mapping[str, Honest] = MappingProxyType(
    {
        "imbalance": Honest(mode=FailureMode.CELL_IMBALANCE),
        **dict.fromkeys(
            (
                "sensor_battery_low",
                "sensor_bias_step",
                "sticky_tire",
                "sticky_value",
                "tire_bias_step",
                "tire_sensor_battery",
            ),
            _OWN,
        ),
        **dict.fromkeys(("gateway_replay", "noise", "spikes", "stale_replay"), _TIRES),
        # one wire is the upper end of a cell and the lower end of the next
        "loose_sense_wire": Honest(reach=1),
        # charge is counted from the current: the current, or the state of charge that comes of it
        "soc_drift": Honest(about=("pack.current", "soc")),
        # of the voltages: of each cell, and of the pack
        "scale_change": Honest(about=("cell", "pack.voltage")),
        # of one signal, which the truth does not name by its component
        "software_scale": Honest(
            about=("cell", "coolant.pump.current", "insulation", "motor.torque", "pack.voltage", "tire")
        ),
    }
)


def may_be_right(decoy: Truth, mode: FailureMode) -> bool:
    """Tell whether an alert of a mode may be right about a decoy, on some component."""
    known = HONEST_FINDINGS.get(decoy.kind)
    return not decoy.is_fault and known is not None and mode is known.mode


def is_honest(decoy: Truth, mode: FailureMode, component: str) -> bool:
    """Tell whether an alert of a mode on a component is right about a decoy.

    Args:
        decoy: What happened.
        mode: Of the alert.
        component: Of the alert; that of a sensor is ``sensor`` and the name of what it measures.
    """
    if not may_be_right(decoy, mode):
        return False
    known = HONEST_FINDINGS[decoy.kind]
    subject = component.removeprefix(_SENSOR)
    first, _, number = subject.partition(" ")
    if subject in {decoy.component, *known.about} or first in known.about:
        return True
    own, _, own_number = decoy.component.partition(" ")
    is_counted = own == first and own_number.isdecimal() and number.isdecimal()
    return is_counted and abs(int(number) - int(own_number)) <= known.reach

"""Messages that standards define, for models whose DBC does not: OBD service 01 and common J1939 groups."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.can import EXTENDED
from ingest.can.database import parse_dbc
from ingest.transport.j1939 import split_ids

#: OBD answers, whichever engine sends them, stand in the standard DBC under this identifier (ISO 15765-4).
OBD_ID = 0x7E8
#: 29-bit answers to the tester (ISO 15765-4 §10.5.3), from any address.
OBD_29_BASE, OBD_29_MASK = 0x98DA_F100, 0xFFFF_FF00

STANDARDS = ("obd", "j1939")
SignalMap = Mapping[str, Mapping[str, Any]]

_OBD_MAP: Mapping[str, str] = {
    "OBD2.VehicleSpeed": "speed",
    "OBD2.Odometer": "odometer",
    "OBD2.HybridBatteryCharge": "soc",
    "OBD2.AmbientTemperature": "ambient",
    "OBD2.BarometricPressure": "barometer",
    "OBD2.CoolantTemperature": "coolant",
    "OBD2.ModuleVoltage": "lv.voltage",
    "OBD2.AcceleratorPositionD": "accelerator",
}
_J1939_MAP: Mapping[str, str] = {
    "CCVS1.VehicleSpeed": "speed",
    "VDHR.TotalDistance": "odometer",
    "HVESSD1.BatteryVoltage": "pack.voltage",
    "HVESSD2.StateOfCharge": "soc",
    "AMB.AmbientTemperature": "ambient",
    "AMB.BarometricPressure": "barometer",
    "ET1.CoolantTemperature": "coolant",
    "VEP1.BatteryVoltage": "lv.voltage",
}
#: Tires of each axle, front to back, by the vehicle's number of wheels, where one arrangement is the usual
#: one; from 6 on the rear ones are dual. Eight wheels may be 2-2-4, 2-4-2 or 4-4: the model must map them.
_AXLES: Mapping[int, tuple[int, ...]] = {2: (1, 1), 4: (2, 2), 6: (2, 4), 10: (2, 4, 4), 12: (2, 2, 4, 4)}


@cache
def read_standard(name: str) -> str:
    """Return the text of a standard DBC, ``obd`` or ``j1939``."""
    return resources.files("data").joinpath(f"dbc/standard_{name}.dbc").read_text("utf-8")


def looks_like_j1939(can_id: npt.NDArray[np.uint32]) -> bool:
    """Tell whether the identifiers of a log, shape (n,), are those of a J1939 bus.

    They are when three of the common groups are there, or one and no identifier that is not J1939's.
    """
    ids = np.unique(can_id)
    pgn = split_ids(ids).pgn
    known = split_ids(np.array(standard_groups(), np.uint32)).pgn
    common = np.intersect1d(pgn, known).size
    return common >= 3 or (common >= 1 and bool((pgn >= 0).all()))


@cache
def standard_messages(name: str) -> Mapping[str, int]:
    """Return the identifiers of a standard DBC's messages by name."""
    messages = parse_dbc(read_standard(name)).messages
    return {m.name: m.frame_id | (EXTENDED if m.is_extended_frame else 0) for m in messages}


def standard_groups() -> tuple[int, ...]:
    """Return the identifiers of the standard J1939 DBC."""
    return tuple(standard_messages("j1939").values())


def standard_map(name: str, *, wheel_count: int, taken: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the signal map of a standard DBC.

    Args:
        name: ``obd`` or ``j1939``.
        wheel_count: Tells which tire a location of PGN 65268 is: axle from the front in the high half byte,
            position from the left, facing forward, in the low one, both from 0 (SAE J1939-71, SPN 929; the
            same words in SAE J2735, Tire Location). The model's wheels must stand in this order. Of a number
            with several arrangements none is guessed: its tires stay signals of their own.
        taken: Aliases that the vehicle model's own map feeds; they are left to it.
    """
    pairs = _OBD_MAP if name == "obd" else _J1939_MAP
    found: dict[str, dict[str, Any]] = {
        signal: {"alias": alias} for signal, alias in pairs.items() if alias not in taken
    }
    if name == "obd":
        return found
    index = 0
    for axle, tires in enumerate(_AXLES.get(wheel_count, ())):
        for position in range(tires):
            for signal, alias in (("Pressure", "tire.pressure"), ("Temperature", "tire.temperature")):
                if alias not in taken:
                    found[f"TIRE.{signal}{axle}{position}"] = {"alias": alias, "index": index}
            index += 1
    return found


def split_map(
    signal_map: SignalMap, own: set[str]
) -> tuple[dict[str, Mapping[str, Any]], dict[str, dict[str, Mapping[str, Any]]]]:
    """Return the entries of the DBC's own messages, and by standard those that only it defines.

    Args:
        signal_map: ``Message.Signal`` to entry.
        own: Names of the DBC's messages.
    """
    rest: dict[str, Mapping[str, Any]] = {}
    found: dict[str, dict[str, Mapping[str, Any]]] = {name: {} for name in STANDARDS}
    for signal, entry in signal_map.items():
        message = signal.split(".")[0]
        of = [name for name in STANDARDS if message in standard_messages(name) and message not in own]
        (found[of[0]] if of else rest)[signal] = entry
    return rest, found

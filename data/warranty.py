"""What a maker warrants: the kinds of warranty, and how long one lasts. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct


class Warranty(StrEnum):
    """What parts, operations and faults fall under; in the database, too."""

    VEHICLE = "vehicle"
    BATTERY = "battery"  #: traction battery and its parts
    DRIVE = "drive"  #: motor and power electronics
    LV_BATTERY = "lv_battery"
    TIRES = "tires"
    WEAR = "wear"  #: what wears or is damaged on the road


class WarrantyTerm(Struct, frozen=True, forbid_unknown_fields=True):
    """Whichever comes first since the vehicle went into service."""

    months: Annotated[int, Meta(ge=0, le=600)]  #: 0: not covered at all
    km: Annotated[int, Meta(ge=0, le=10_000_000)] | None = None  #: None: any distance

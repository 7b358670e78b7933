"""The signal catalogue: what each signal is called, measured in, allowed to be and stored as."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Literal

from data.errors import CatalogueError
from data.records import Family

Shape = Literal["scalar", "wheel", "cell", "probe"]
SqlType = Literal["real", "double precision", "smallint"]

#: Where a vehicle is, is about a person: a station sees it for an order whose owner agreed to that.
PLACE_SIGNALS = frozenset({"latitude", "longitude", "altitude", "heading"})
#: The hypertable of each family that holds catalogue signals.
TABLES: Mapping[Family, str] = MappingProxyType(
    {Family.DRIVE: "drive_readings", Family.TIRE: "tire_readings", Family.CELL: "cell_readings"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One signal of the catalogue."""

    alias: str  #: name on the wire and in every report
    path: str  #: COVESA VSS path
    is_overlay: bool  #: VSS has no such signal; Anxin adds it
    unit: str
    low: float  #: accepted range, in ``unit``, both ends included
    high: float
    sentinels: tuple[float, ...]  #: values that mean missing
    sentinel_rule: Literal["any", "all"]  #: "all": only when every element of the array shows it
    family: Family
    column: str
    sql_type: SqlType
    scale: float  #: stored value = physical value x scale
    shape: Shape
    note: str
    equal_low: float = float("-inf")  #: elements all equal outside of these are no measurement
    equal_high: float = float("inf")
    stuck_after_s: float | None = None  #: a value that stands still for so many seconds of driving is stuck

    @property
    def is_array(self) -> bool:
        """Tell whether a row holds an array of this signal."""
        return self.shape != "scalar"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All signals, by alias and by family."""

    signals: Mapping[str, Signal]

    def of_family(self, family: Family) -> tuple[Signal, ...]:
        """Return the signals of one family in catalogue order."""
        return tuple(s for s in self.signals.values() if s.family is family)


@cache
def load_catalogue() -> Catalogue:
    """Return the catalogue shipped with Anxin."""
    return parse_catalogue(resources.files("data").joinpath("catalogue.toml").read_text("utf-8"))


def parse_catalogue(text: str) -> Catalogue:
    """Return the catalogue that a TOML text defines.

    Raises:
        CatalogueError: An entry misses a field, repeats an alias or column, or has an empty range; names it.
    """
    signals: dict[str, Signal] = {}
    columns: set[tuple[Family, str]] = set()
    for entry in tomllib.loads(text)["signal"]:
        alias = entry.get("alias", "?")
        try:
            low, high = (float(edge) for edge in entry["range"])
            equal_low, equal_high = (float(edge) for edge in entry.get("equal", ("-inf", "inf")))
            stuck_after_s = entry.get("stuck_after_s")
            signal = Signal(
                alias=entry["alias"],
                path=entry["path"],
                is_overlay=entry.get("overlay", False),
                unit=entry["unit"],
                low=low,
                high=high,
                sentinels=tuple(float(v) for v in entry.get("sentinels", ())),
                sentinel_rule=entry.get("sentinel_rule", "any"),
                family=Family(entry["family"]),
                column=entry.get("column", alias.replace(".", "_")),
                sql_type=entry.get("type", "real"),
                scale=float(entry.get("scale", 1)),
                shape=entry.get("shape", "scalar"),
                note=entry.get("note", ""),
                equal_low=equal_low,
                equal_high=equal_high,
                stuck_after_s=None if stuck_after_s is None else float(stuck_after_s),
            )
        except (KeyError, ValueError) as error:
            raise CatalogueError(f"catalogue signal {alias!r}: {error}") from error
        if low >= high:
            raise CatalogueError(f"catalogue signal {alias!r}: range {low}..{high} is empty")
        if alias in signals or (signal.family, signal.column) in columns:
            raise CatalogueError(f"catalogue signal {alias!r}: alias or column {signal.column!r} is taken")
        signals[alias] = signal
        columns.add((signal.family, signal.column))
    return Catalogue(MappingProxyType(signals))

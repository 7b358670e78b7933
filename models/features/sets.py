"""Feature sets: named daily features of one vehicle, by one function live and in a backtest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from data.records import Family, FamilyRows, FloatArray, IntArray, VehicleSpec
from models.features.sensed import SENSORS


class Axis(StrEnum):
    """What a feature has one value of."""

    VEHICLE = "vehicle"
    WHEEL = "wheel"
    CELL = "cell"
    PROBE = "probe"
    SENSOR = "sensor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """What a feature is, for whoever reads a plot, a model card or the evaluation."""

    name: str  #: stable, lower case with its unit at the end: ``gas_kpa``, ``rest_voltage_v``
    unit: str
    window: str  #: the stretch of readings behind one value: ``local day``, ``rests of 2 h and more``
    least_evidence: str  #: what must be there for a value
    missing_when: str  #: why it is NaN otherwise
    axis: Axis = Axis.VEHICLE


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFeatures:
    """Features of one vehicle, one row a local day that has data."""

    day: IntArray  #: shape (n_days,), days since 1970-01-01, ascending
    first_us: IntArray  #: shape (n_days,), oldest sample of the day
    last_us: IntArray  #: shape (n_days,), newest
    value: Mapping[str, FloatArray]  #: by feature: (n_days,) or (n_days, n_components); NaN is missing


class FeatureSet(Protocol):
    """Features that are worked out together; stateless."""

    @property
    def name(self) -> str:
        """Stable name, the key of what is stored."""
        ...

    @property
    def version(self) -> int:
        """Changes with the results: stored days of another version are computed again."""
        ...

    @property
    def columns(self) -> Mapping[Family, tuple[str, ...]]:
        """Aliases that it reads, by family; new rows of these families touch its days."""
        ...

    @property
    def context_us(self) -> int:
        """How far a day looks back beyond its local midnight; never forward."""
        ...

    @property
    def features(self) -> tuple[Feature, ...]:
        """What it yields."""
        ...

    def compute(self, rows: Mapping[Family, FamilyRows], spec: VehicleSpec) -> DayFeatures:
        """Return the features of one vehicle.

        A day depends on its own rows and those within ``context_us`` before it only: the same rows give the
        same bits, whatever other days are computed along with it.

        Args:
            rows: By family, ascending in time; a family may be absent, a column too.
            spec: The vehicle model.
        """
        ...


def width(feature: Feature, spec: VehicleSpec) -> int:
    """Return the number of components of a feature on a vehicle model, 1 for the vehicle itself."""
    return {
        Axis.VEHICLE: 1,
        Axis.WHEEL: len(spec.wheels),
        Axis.CELL: spec.cell_count,
        Axis.PROBE: max(1, spec.probe_count),
        Axis.SENSOR: len(SENSORS),
    }[feature.axis]

"""A fleet drawn day by day, in parts of vehicles of one model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from data.records import Truth, VehicleSpec, Vin
from data.reference_rows import read_reference
from data.vehicle_specs import find_spec
from simulators.day_level.chance import Flags, Ints, PartChance, Singles
from simulators.day_level.plan import choose_kinds, decoy_courses, draw_plan, to_truth
from simulators.day_level.population import draw_population
from simulators.day_level.scene import Scene
from simulators.day_level.sets import draw_sets, end_of_use
from simulators.day_level.usage import draw_usage
from simulators.day_level.weather import Weather, draw_weather
from simulators.errors import FleetError
from simulators.fleet import build_vin

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPart:
    """Some vehicles of one model: daily features and what is true; F vehicles, D days."""

    spec: VehicleSpec
    vehicle: Ints  #: (F,) index in the fleet
    vins: tuple[Vin, ...]
    day: Ints  #: (D,) local days since 1970-01-01
    first_us: Ints  #: (F, D) oldest sample of the day; 0: no data
    last_us: Ints  #: (F, D)
    sets: Mapping[str, Mapping[str, Singles]]  #: by feature set and feature: (F, D, components)
    truths: Sequence[Truth]
    states: Mapping[str, Singles]  #: what no sensor tells, (F, D): ``soh_percent``


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFleet:
    """What is needed to draw any of its vehicles; small, and the same wherever it is drawn."""

    n: int
    days: int
    seed: int
    first_day: int  #: days since 1970-01-01
    mode: str
    kinds: tuple[str, ...]
    decoy_share: float
    specs: tuple[VehicleSpec, ...]
    weather: Weather = field(repr=False)

    def blocks(self, vehicles_per_part: int = 500) -> list[Ints]:
        """Return the vehicles of each part: all of one model, at most so many.

        Raises:
            FleetError: ``vehicles_per_part`` is below 1.
        """
        if vehicles_per_part < 1:
            raise FleetError(f"vehicles_per_part {vehicles_per_part}: must be 1 or more")
        out: list[Ints] = []
        for model in range(len(self.specs)):
            rows = np.arange(model, self.n, len(self.specs), dtype=np.int64)
            out += [rows[at : at + vehicles_per_part] for at in range(0, len(rows), vehicles_per_part)]
        return out

    def parts(self, vehicles_per_part: int = 500) -> Iterator[DayPart]:
        """Yield the fleet part by part; a vehicle is the same in parts of any size."""
        for block in self.blocks(vehicles_per_part):
            yield self.part(block)

    def part(self, vehicle: Ints) -> DayPart:
        """Return some vehicles of one model.

        Args:
            vehicle: Shape (F,), indices in the fleet.

        Raises:
            FleetError: They are not of one model, or outside the fleet.
        """
        scene = self.scene(vehicle)
        who, usage, plan = scene.who, scene.usage, scene.plan
        sets, courses, health = draw_sets(scene)
        courses += decoy_courses(plan, who.spec, but=courses)
        vins = tuple(build_vin(int(v)) for v in vehicle)
        off_road = np.arange(self.days)[None, :] > end_of_use(courses, len(vehicle))[:, None]
        silent = off_road | ~usage.is_heard
        for features in sets.values():
            for name, values in features.items():
                values[silent] = np.nan
                features[name] = values if values.ndim == 3 else values[..., None]
        first_us, last_us = self._spans(scene.chance, ~silent)
        return DayPart(
            spec=who.spec,
            vehicle=vehicle,
            vins=vins,
            day=np.arange(self.first_day, self.first_day + self.days, dtype=np.int64),
            first_us=first_us,
            last_us=last_us,
            sets=sets,
            truths=to_truth(courses, plan, vehicle, vins, self._midnight(0, who.spec)),
            states={"soh_percent": (100.0 * health).astype(np.float32)},
        )

    def scene(self, vehicle: Ints) -> Scene:
        """Return who some vehicles of one model are, what they do and what will happen to them.

        Args:
            vehicle: Shape (F,), indices in the fleet.

        Raises:
            FleetError: They are not of one model, or outside the fleet.
        """
        models = np.unique(vehicle % len(self.specs))
        if len(models) != 1 or vehicle.min() < 0 or vehicle.max() >= self.n:
            raise FleetError(f"vehicles: must be of one model and from 0 to {self.n - 1}")
        chance = PartChance(self.seed, vehicle)
        who = draw_population(chance, vehicle, self.specs[int(models[0])])
        plan = draw_plan(
            chance,
            vehicle,
            self.days,
            mode=self.mode,
            kinds=self.kinds,
            stride=len(self.specs),
            share=self.decoy_share,
        )
        usage = draw_usage(chance, who, self.weather, self.first_day)
        return Scene(chance=chance, who=who, usage=usage, plan=plan)

    def midnights_us(self) -> Ints:
        """Return when each local day begins, and when the run ends; (D + 1,), microseconds since 1970."""
        begin = (self._midnight(day, self.specs[0]).timestamp() for day in range(self.days + 1))
        return np.array([round(1e6 * moment) for moment in begin], dtype=np.int64)

    def _midnight(self, day: int, spec: VehicleSpec) -> datetime:
        local = _EPOCH + timedelta(days=self.first_day + day)
        return datetime.combine(local, time(), ZoneInfo(spec.time_zone)).astimezone(UTC)

    def _spans(self, chance: PartChance, is_heard: Flags) -> tuple[Ints, Ints]:
        """Return oldest and newest sample of each day: within the first and last hour, where heard."""
        u = chance.topic("spans").uniform(2, self.days).astype(np.float64)
        begin = np.array([self._midnight(day, self.specs[0]).timestamp() for day in range(self.days + 1)])
        first = np.rint((begin[:-1] + 3600.0 * u[:, 0]) * 1e3).astype(np.int64) * 1000
        last = np.rint((begin[1:] - 3600.0 * u[:, 1] - 1.0) * 1e3).astype(np.int64) * 1000
        return np.where(is_heard, first, 0), np.where(is_heard, last, 0)


def draw_fleet(
    n: int,
    days: int,
    *,
    seed: int,
    start: date = date(2026, 1, 1),
    mode: str = "enriched",
    faults: str | Sequence[str] = "all",
    decoy_share: float = 0.6,
    models: Sequence[str] | None = None,
) -> DayFleet:
    """Return a fleet to be drawn in parts.

    Args:
        n: Number of vehicles.
        days: Length of the run.
        seed: The same seed gives the same vehicles, whatever the size of the parts.
        start: First local day; the season follows from it.
        mode: ``enriched``: every vehicle has one fault; ``healthy``: ``decoy_share`` of them
            only look ill.
        faults: ``all``, or which failure modes (``healthy``: which decoys) are dealt out in turn.
        decoy_share: Of the vehicles of a healthy fleet.
        models: Vehicle models by id; default all of the reference data.

    Raises:
        FleetError: An argument is out of range; names it.
        ReferenceDataError: A vehicle model is unknown.
    """
    if n < 1:
        raise FleetError(f"vehicles {n}: must be 1 or more")
    if not 30 <= days <= 1500:
        raise FleetError(f"days {days}: must be from 30 to 1500")
    if not 0 <= decoy_share <= 1:
        raise FleetError(f"decoy_share {decoy_share}: must be from 0 to 1")
    ids = [model.model_id for model in read_reference().models] if models is None else list(models)
    first_day = (start - _EPOCH).days
    return DayFleet(
        n=n,
        days=days,
        seed=seed,
        first_day=first_day,
        mode=mode,
        kinds=choose_kinds(mode, faults),
        decoy_share=decoy_share,
        specs=tuple(find_spec(model_id) for model_id in ids),
        weather=draw_weather(seed, first_day, days),
    )

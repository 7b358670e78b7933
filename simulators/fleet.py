"""The vehicles of a simulated fleet: who they are, where they live, what will happen to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from data.records import WHEELS, Truth, VehicleSpec, Vin, parse_vin
from simulators.chance import Floats
from simulators.climate import CITIES, DAY_S, City, Climate
from simulators.errors import FleetError
from simulators.faults import Orders, Plan, Timing, build_plan, truth_rows
from simulators.vehicle_models import VehicleModel, load_all_models, load_models

_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = (
    "伟",
    "芳",
    "娜",
    "敏",
    "静",
    "丽",
    "强",
    "磊",
    "军",
    "洋",
    "勇",
    "艳",
    "杰",
    "涛",
    "明",
    "霞",
    "平",
    "刚",
)
_PROTOCOLS = ("cbor", "cbor", "cbor", "json", "can", "gbt32960-2016", "cbor", "gbt32960-2025")
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_VIN_VALUES = {**{str(d): d for d in range(10)}, **dict(zip("ABCDEFGH", range(1, 9), strict=True))}
_VIN_VALUES |= dict(zip("JKLMNPR", (1, 2, 3, 4, 5, 7, 9), strict=True))
_VIN_VALUES |= dict(zip("STUVWXYZ", range(2, 10), strict=True))
_PLATE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """What the operator knows of one vehicle."""

    vin: Vin
    model_id: str
    city: str
    home_lat: float  #: WGS-84
    home_lon: float
    owner_name: str
    plate: str
    time_zone: str
    placard_kpa: tuple[float, ...]
    protocol: str  #: what it speaks live: ``cbor``, ``json``, ``can``, ``gbt32960-2016`` or ``gbt32960-2025``
    firmware: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Vehicles, their hidden future and their weather; arrays are indexed like ``vehicles``."""

    seed: int
    start_s: float  #: seconds since 1970 UTC
    days: int
    vehicles: tuple[Vehicle, ...]
    models: tuple[VehicleModel, ...]
    model_index: np.ndarray[tuple[int], np.dtype[np.int64]]  #: shape (F,), into ``models``
    city_index: np.ndarray[tuple[int], np.dtype[np.int64]]  #: shape (F,)
    home: Floats  #: shape (F, 2), latitude and longitude
    home_altitude_m: Floats  #: shape (F,)
    work: Floats  #: shape (F, 2)
    plan: Plan
    climate: Climate
    first: int = 0  #: number of the first vehicle in the fleet that this is a part of

    def __len__(self) -> int:
        return len(self.vehicles)

    @property
    def end_s(self) -> float:
        """Return the end of the back-fill in seconds since 1970 UTC."""
        return self.start_s + self.days * DAY_S

    @property
    def truth(self) -> list[Truth]:
        """Return what is planned to be wrong, or only to look wrong; never published."""
        return truth_rows(self.plan, [v.vin for v in self.vehicles], end_s=self.end_s, first=self.first)

    def model_of(self, row: int) -> VehicleModel:
        """Return the model of one vehicle."""
        return self.models[int(self.model_index[row])]

    def spec_of(self, row: int) -> VehicleSpec:
        """Return what features and predictors may know of one vehicle."""
        model = self.model_of(row)
        return VehicleSpec(
            model_id=model.model_id,
            chemistry=model.chemistry,
            cell_count=model.cell_count,
            probe_count=model.probe_count,
            capacity_ah=model.capacity_ah,
            wheels=WHEELS,
            placard_kpa=model.placard_kpa,
            time_zone=self.vehicles[row].time_zone,
        )

    def part(self, begin: int, end: int) -> Fleet:
        """Return the vehicles from ``begin`` to before ``end``: the same lives as in the whole fleet."""
        return replace(
            self,
            vehicles=self.vehicles[begin:end],
            model_index=self.model_index[begin:end],
            city_index=self.city_index[begin:end],
            home=self.home[begin:end],
            home_altitude_m=self.home_altitude_m[begin:end],
            work=self.work[begin:end],
            plan=self.plan.part(begin, end),
            first=self.first + begin,
        )


def build_fleet(
    n: int,
    *,
    seed: int,
    start: datetime,
    days: int = 14,
    faults: Orders | str | None = None,
    decoys: Orders | str | int | None = None,
    models: Sequence[str] | str | None = None,
    timing: Timing | None = None,
) -> Fleet:
    """Return ``n`` vehicles in four Chinese cities, seeded.

    Args:
        n: Number of vehicles.
        seed: The same seed gives the same fleet, readings and faults.
        start: Timezone-aware beginning of the simulated span.
        days: Length of the span.
        faults: How many vehicles by failure mode (a count, or a share below 1), ``mode:course`` for one
            course; ``"all"``: nearly half of the fleet, every mode; None: what the demo tells, one slow leak
            in twenty vehicles and one internal short in thirty, at least one of each.
        decoys: Likewise for what only looks ill; a number is spread over all kinds; None: a third of the
            fleet, never fewer than the faults where there is room.
        models: Ids of vehicle models, in turn; ``"all"``: those of the reference data and two more that are
            only simulated; None: those of the reference data.
        timing: ``ahead``: thresholds lie beyond the span, hazards begin right after it (live); ``within``:
            inside it. Default: ahead for the demo's faults, within otherwise.

    Raises:
        FleetError: An argument is out of range, or faults and decoys exceed the vehicles; names it.
    """
    if not 1 <= n <= 90_000:
        raise FleetError(f"vehicles {n}: must be from 1 to 90000")
    if start.tzinfo is None:
        raise FleetError("start: must carry a time zone")
    if not 1 <= days <= 730:
        raise FleetError(f"days {days}: must be from 1 to 730")
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0xF1EE7]))
    start_s = start.timestamp()
    kinds = _choose_models(models)
    model_index = np.arange(n, dtype=np.int64) % len(kinds)
    city_index = (np.arange(n, dtype=np.int64) // len(kinds) + np.arange(n, dtype=np.int64)) % len(CITIES)
    centre = np.array([[c.lat, c.lon] for c in CITIES])[city_index]
    home = offset_position(centre, 25.0 * np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n))
    work = offset_position(home, rng.uniform(4.0, 12.0, n), rng.uniform(0, 2 * np.pi, n))
    altitude = np.array([c.altitude_m for c in CITIES])[city_index] + rng.uniform(0.0, 25.0, n)
    climate = Climate(seed, start_s=start_s, days=days)
    plan = build_plan(
        seed,
        models=[kinds[i] for i in model_index],
        city_index=city_index,
        climate=climate,
        start_s=start_s,
        days=days,
        faults=faults,
        decoys=decoys,
        timing=timing or ("ahead" if faults is None else "within"),
    )
    vehicles = tuple(
        Vehicle(
            vin=build_vin(row),
            model_id=kinds[model_index[row]].model_id,
            city=CITIES[city_index[row]].name,
            home_lat=round(float(home[row, 0]), 6),
            home_lon=round(float(home[row, 1]), 6),
            owner_name=_SURNAMES[rng.integers(len(_SURNAMES))] + _GIVEN[rng.integers(len(_GIVEN))],
            plate=build_plate(CITIES[city_index[row]], row),
            time_zone="Asia/Shanghai",
            placard_kpa=kinds[model_index[row]].placard_kpa,
            protocol=_PROTOCOLS[row % len(_PROTOCOLS)],
            firmware=f"1.{row % 4}.{row % 7}",
        )
        for row in range(n)
    )
    return Fleet(
        seed=seed,
        start_s=start_s,
        days=days,
        vehicles=vehicles,
        models=kinds,
        model_index=model_index,
        city_index=city_index,
        home=home,
        home_altitude_m=altitude,
        work=work,
        plan=plan,
        climate=climate,
    )


def _choose_models(models: Sequence[str] | str | None) -> tuple[VehicleModel, ...]:
    known = load_models() if models is None else load_all_models()
    if models is None or models == "all":
        return tuple(known.values())
    wanted = [models] if isinstance(models, str) else list(models)
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise FleetError(f"models {unknown or wanted}: must be some of {', '.join(known)}")
    return tuple(known[name] for name in wanted)


def offset_position(origin: Floats, distance_km: Floats, bearing: Floats) -> Floats:
    """Return the points at a distance and bearing (radians from north); shapes (..., 2), (...), (...)."""
    north = distance_km * np.cos(bearing) / 111.195
    east = distance_km * np.sin(bearing) / (111.195 * np.cos(np.radians(origin[..., 0])))
    return origin + np.stack([north, east], axis=-1)


def distance_between(origin: Floats, target: Floats) -> Floats:
    """Return metres between near points; shapes (..., 2), latitude and longitude."""
    north, east = (target - origin)[..., 0], (target - origin)[..., 1] * np.cos(np.radians(origin[..., 0]))
    return np.asarray(111_195.0 * np.hypot(north, east))


def build_plate(city: City, number: int) -> str:
    """Return a plate of a new-energy vehicle: city, D or F, letter and four digits."""
    return f"{city.plate}{'D' if number % 2 else 'F'}{_PLATE_LETTERS[number % 24]}{1000 + number % 9000:04d}"


def build_vin(number: int) -> Vin:
    """Return the identification number of a simulated vehicle, with its check digit (ISO 3779)."""
    text = f"LAXSM{number % 10}A0{0}V{'A' if number < 10_000 else 'B'}{number % 1_000_000:06d}"
    total = sum(_VIN_VALUES[c] * w for c, w in zip(text, _VIN_WEIGHTS, strict=True))
    check = "X" if total % 11 == 10 else str(total % 11)
    return parse_vin(text[:8] + check + text[9:])

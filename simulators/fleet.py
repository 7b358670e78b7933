"""The vehicles of a simulated fleet: who they are, where they live, what will happen to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from data.records import Truth, Vin, parse_vin
from simulators.chance import Floats
from simulators.climate import CITIES, DAY_S, City, Climate
from simulators.errors import FleetError
from simulators.faults import Plan, build_plan, truth_rows
from simulators.vehicle_models import VehicleModel, load_models

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

    def __len__(self) -> int:
        return len(self.vehicles)

    @property
    def end_s(self) -> float:
        """Return the end of the back-fill in seconds since 1970 UTC."""
        return self.start_s + self.days * DAY_S

    @property
    def truth(self) -> list[Truth]:
        """Return what is really wrong, or only looks wrong; never published."""
        placard = np.array([v.placard_kpa for v in self.vehicles])
        return truth_rows(self.plan, [v.vin for v in self.vehicles], placard, end_s=self.end_s)


def build_fleet(
    n: int,
    *,
    seed: int,
    start: datetime,
    days: int = 14,
    leaks: int | None = None,
    cell_shorts: int | None = None,
    decoys: int | None = None,
) -> Fleet:
    """Return ``n`` vehicles in four Chinese cities, seeded.

    Args:
        n: Number of vehicles.
        seed: The same seed gives the same fleet, readings and faults.
        start: Timezone-aware beginning of the back-fill.
        days: Length of the back-fill.
        leaks: Vehicles with a slow tire leak; default one in twenty, at least one.
        cell_shorts: Vehicles with a growing internal short of one cell; default one in thirty, at least one.
        decoys: Vehicles that only look ill; default a third, never fewer than the faults where there is room.

    Raises:
        FleetError: An argument is out of range, or faults and decoys exceed the vehicles; names it.
    """
    if not 1 <= n <= 90_000:
        raise FleetError(f"vehicles {n}: must be from 1 to 90000")
    if start.tzinfo is None:
        raise FleetError("start: must carry a time zone")
    if not 1 <= days <= 365:
        raise FleetError(f"days {days}: must be from 1 to 365")
    leaks = min(max(1, n // 20), n) if leaks is None else leaks
    cell_shorts = min(max(1, n // 30), n - leaks) if cell_shorts is None else cell_shorts
    if decoys is None:
        decoys = min(max(n // 3, leaks + cell_shorts), max(n - leaks - cell_shorts, 0))
    if min(leaks, cell_shorts, decoys) < 0 or leaks + cell_shorts + decoys > n:
        raise FleetError(
            f"leaks {leaks} + cell_shorts {cell_shorts} + decoys {decoys}: must be from 0 to {n}"
        )
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0xF1EE7]))
    start_s = start.timestamp()
    models = tuple(load_models().values())
    model_index = np.arange(n, dtype=np.int64) % len(models)
    city_index = (np.arange(n, dtype=np.int64) // len(models) + np.arange(n, dtype=np.int64)) % len(CITIES)
    centre = np.array([[c.lat, c.lon] for c in CITIES])[city_index]
    home = offset_position(centre, 25.0 * np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n))
    work = offset_position(home, rng.uniform(4.0, 12.0, n), rng.uniform(0, 2 * np.pi, n))
    altitude = np.array([c.altitude_m for c in CITIES])[city_index] + rng.uniform(0.0, 25.0, n)
    climate = Climate(seed, start_s=start_s, days=days)
    plan = build_plan(
        rng,
        models=[models[i] for i in model_index],
        city_index=city_index,
        climate=climate,
        start_s=start_s,
        days=days,
        counts=(leaks, cell_shorts, decoys),
    )
    vehicles = tuple(
        Vehicle(
            vin=build_vin(row),
            model_id=models[model_index[row]].model_id,
            city=CITIES[city_index[row]].name,
            home_lat=round(float(home[row, 0]), 6),
            home_lon=round(float(home[row, 1]), 6),
            owner_name=_SURNAMES[rng.integers(len(_SURNAMES))] + _GIVEN[rng.integers(len(_GIVEN))],
            plate=build_plate(CITIES[city_index[row]], row),
            time_zone="Asia/Shanghai",
            placard_kpa=models[model_index[row]].placard_kpa,
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
        models=models,
        model_index=model_index,
        city_index=city_index,
        home=home,
        home_altitude_m=altitude,
        work=work,
        plan=plan,
        climate=climate,
    )


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

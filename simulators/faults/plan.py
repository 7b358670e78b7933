"""Who gets which fault and which decoy: orders by kind become the plan of a fleet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from data.records import FailureMode
from simulators.climate import Climate
from simulators.errors import FleetError
from simulators.faults import battery, powertrain, sensor, tire
from simulators.faults.decoys import DECOYS, PLAIN_DECOYS, draw_decoy
from simulators.faults.injection import Injection, Plan
from simulators.faults.setting import Setting, Timing
from simulators.vehicle_models import VehicleModel

#: How many vehicles by kind; a whole number counts them, a fraction below 1 is a share of the fleet.
#: A fault may name its course after a colon: ``cooling_loss:coolant_leak``.
Orders = Mapping[str, int | float]

#: Every fault, its courses and how often each is drawn where the order names none.
FAULTS: dict[str, dict[str, float]] = {
    FailureMode.TIRE_SLOW_LEAK: {"capillary": 0.6, "orifice": 0.15, "valve_fast": 0.13, "valve_cold": 0.12},
    FailureMode.TIRE_TOPPED_UP_LEAK: {"capillary": 1.0},
    FailureMode.TIRE_PUNCTURE: {"nail": 1.0},
    FailureMode.TIRE_BLOWOUT_RISK: {"belt": 1.0},
    FailureMode.CELL_INTERNAL_SHORT: {"growing": 0.5, "collapsing": 0.2, "healing": 0.3},
    FailureMode.CELL_WEAK: {"capacity": 1.0},
    FailureMode.CELL_RESISTANCE: {"growth": 1.0},
    FailureMode.CELL_IMBALANCE: {"module": 1.0},
    FailureMode.BATTERY_CAPACITY_FADE: {"knee": 1.0},
    FailureMode.BATTERY_THERMAL_EVENT: {"charged": 0.6, "driving": 0.4},
    FailureMode.INSULATION_LOSS: {"moisture": 1.0},
    "contactor": {"burnt": 1.0},
    FailureMode.COOLING_LOSS: {"pump_wear": 0.3, "coolant_leak": 0.4, "blocked_plate": 0.3},
    FailureMode.MOTOR_THERMAL: {"jacket": 0.5, "bearing": 0.5},
    FailureMode.INVERTER_THERMAL: {"solder": 1.0},
    FailureMode.DCDC_FAULT: {"derate": 1.0},
    FailureMode.LV_BATTERY: {"ageing": 0.7, "drain": 0.3},
    FailureMode.BRAKE_DRAG: {"caliper": 1.0},
    FailureMode.SENSOR_FAULT: dict.fromkeys(sensor.SENSOR_SHAPES, 1.0 / len(sensor.SENSOR_SHAPES)),
}
_DRAWS: dict[str, Callable[[Setting, str], Injection]] = {
    **tire.DRAWS,
    **battery.DRAWS,
    **powertrain.DRAWS,
    **sensor.DRAWS,
}
#: Share of the fleet that is ill when every fault is asked for.
_ENRICHED = 0.45


def build_plan(
    seed: int,
    *,
    models: Sequence[VehicleModel],
    city_index: npt.NDArray[np.int64],
    climate: Climate,
    start_s: float,
    days: int,
    faults: Orders | str | None,
    decoys: Orders | str | int | None,
    timing: Timing,
) -> Plan:
    """Return who has which fault and who only looks ill; no vehicle carries two.

    Args:
        seed: Of the fleet; each vehicle's course is drawn from a stream of its own.
        models: One a vehicle.
        city_index: (F,) whose weather each vehicle has.
        climate: For the cold fronts.
        start_s: Beginning of the span, seconds since 1970 UTC.
        days: Length of the span.
        faults: Orders, ``"all"``, or None: one slow leak in twenty and one internal short in thirty vehicles.
        decoys: Orders, ``"all"``, a number spread over all kinds, or None: as many as faults and a third of
            the fleet, where there is room.
        timing: Whether thresholds lie beyond the span or in it.

    Raises:
        FleetError: An order names no known kind, is negative or exceeds the fleet.
    """
    n = len(models)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0xFA17]))
    is_plain = faults is None
    ill = _count_orders(_fault_orders(faults, n), n, FAULTS, "fault")
    if sum(ill.values()) > n:
        raise FleetError(f"faults {sum(ill.values())}: must be from 0 to {n}, the vehicles there are")
    odd = _decoy_counts(decoys, n, sum(ill.values()), is_plain=is_plain)
    if sum(ill.values()) + sum(odd.values()) > n:
        total = f"{sum(ill.values())} + decoys {sum(odd.values())}"
        raise FleetError(f"faults {total}: must be from 0 to {n}, the vehicles there are")
    order = rng.permutation(n)
    settings = [
        Setting(
            vehicle=row,
            model=models[row],
            start_s=start_s,
            days=days,
            timing=timing,
            rng=np.random.default_rng(np.random.SeedSequence([seed, 0xFA17, row])),
            front_at_s=climate.first_front_s(int(city_index[row])),
        )
        for row in range(n)
    ]
    free = order.tolist()
    placed: list[Injection] = []
    for kind, count in ill.items():
        mode, _, variant = kind.partition(":")
        if mode == FailureMode.CELL_INTERNAL_SHORT and timing == "ahead":
            free.sort(key=lambda row: models[row].chemistry != "NCM")
        for row in free[:count]:
            course = variant or _choose_course(mode, rng, is_plain=is_plain)
            placed.append(_DRAWS[mode](settings[row], course))
        free = free[count:]
    for kind, count in odd.items():
        if kind == "cold_front":
            free.sort(key=lambda row: settings[row].front_at_s is None)
        placed += [draw_decoy(settings[row], kind) for row in free[:count]]
        free = free[count:]
    return Plan(n, tuple(sorted(placed, key=lambda i: i.vehicle)))


def parse_orders(texts: Sequence[str]) -> Orders | str | None:
    """Return orders written as ``KIND=NUMBER``, ``KIND:COURSE=NUMBER`` or ``all``; None for no text.

    Raises:
        FleetError: A text is neither; names it.
    """
    if not texts:
        return None
    if list(texts) == ["all"]:
        return "all"
    out: dict[str, int | float] = {}
    for text in texts:
        kind, _, number = text.partition("=")
        try:
            out[kind] = float(number) if "." in number else int(number)
        except ValueError:
            raise FleetError(f"fault {text!r}: must be KIND=NUMBER, KIND:COURSE=NUMBER or all") from None
    return out


def _choose_course(mode: str, rng: np.random.Generator, *, is_plain: bool) -> str:
    courses = FAULTS[mode]
    if is_plain:
        return next(iter(courses))
    return str(rng.choice(list(courses), p=list(courses.values())))


def _fault_orders(faults: Orders | str | None, n: int) -> Orders:
    if faults is None:
        leaks = min(max(1, n // 20), n)
        shorts = min(max(1, n // 30), n - leaks)
        return {FailureMode.CELL_INTERNAL_SHORT: shorts, FailureMode.TIRE_SLOW_LEAK: leaks}
    if isinstance(faults, str):
        if faults != "all":
            raise FleetError(f"faults {faults!r}: must be 'all' or numbers by kind")
        return _spread(max(1, round(_ENRICHED * n)), tuple(FAULTS))
    return faults


def _decoy_counts(
    decoys: Orders | str | int | None, n: int, faults: int, *, is_plain: bool
) -> dict[str, int]:
    room = n - faults
    kinds = PLAIN_DECOYS if is_plain else tuple(DECOYS)
    if decoys is None:
        return _spread(min(max(n // 3, faults), room), kinds)
    if isinstance(decoys, str):
        if decoys != "all":
            raise FleetError(f"decoys {decoys!r}: must be 'all', a number, or numbers by kind")
        return _spread(min(max(n // 2, faults), room), tuple(DECOYS))
    if isinstance(decoys, int):
        if decoys < 0:
            raise FleetError(f"decoys {decoys}: must not be negative")
        return _spread(decoys, kinds)
    return _count_orders(decoys, n, DECOYS, "decoy")


def _spread(total: int, kinds: tuple[str, ...]) -> dict[str, int]:
    return {kind: len(range(place, total, len(kinds))) for place, kind in enumerate(kinds)}


def _count_orders(orders: Orders, n: int, known: Mapping[str, object], what: str) -> dict[str, int]:
    out: dict[str, int] = {}
    for key, value in orders.items():
        kind, _, variant = str(key).partition(":")
        courses = known.get(kind)
        if courses is None:
            raise FleetError(f"{what} {key!r}: must be one of {', '.join(known)}")
        if variant and not (isinstance(courses, Mapping) and variant in courses):
            names = ", ".join(courses) if isinstance(courses, Mapping) else "none"
            raise FleetError(f"{what} {key!r}: the course must be one of {names}")
        if not value >= 0 or (isinstance(value, float) and value >= 1 and value != int(value)):
            raise FleetError(f"{what} {key!r} {value}: must be a count or a share below 1")
        out[str(key)] = round(value * n) if isinstance(value, float) and value < 1 else int(value)
    return out

"""Faults and their harmless look-alikes: what happens to which vehicle, and the truth about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from data.records import WHEELS, FailureMode, Severity, Truth, Vin
from simulators.chance import Floats
from simulators.climate import DAY_S, Climate
from simulators.vehicle_models import VehicleModel

DECOYS = ("cold_front", "altitude_trip", "refill", "hot_stop")
ATMOSPHERE_KPA = 101.325
_NEVER = np.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The hidden future of a fleet; every array has the vehicle as its first axis."""

    leak_k: Floats  #: (F, 4) capillary constant, 1/(kPa·s); 0: tight
    leak_at_s: Floats  #: (F,) seconds since 1970
    leak_rate_kpa_per_day: Floats  #: (F,) at placard
    short_cell: npt.NDArray[np.int64]  #: (F,) index from 0; -1: none
    short_at_s: Floats  #: (F,)
    short_ohm: Floats  #: (F,) at the beginning
    short_decades_per_s: Floats  #: (F,) fall of log10 of the resistance
    decoy: tuple[str, ...]  #: (F,) one of DECOYS or empty
    decoy_at_s: Floats  #: (F,)


def build_plan(
    rng: np.random.Generator,
    *,
    models: Sequence[VehicleModel],
    city_index: npt.NDArray[np.int64],
    climate: Climate,
    start_s: float,
    days: int,
    counts: tuple[int, int, int],
) -> Plan:
    """Return who leaks, whose cell shorts and who only looks ill.

    Leaks lose 2-8 kPa/day (capillary: dP/dt = -k (P² - P_air²)) and begin so that the 25 % threshold is still
    ahead at the end of the back-fill. Shorts fall log-linearly in resistance.
    """
    n, (leaks, shorts, decoys) = len(models), counts
    end_s = start_s + days * DAY_S
    order = rng.permutation(n)
    is_ncm = np.array([m.chemistry == "NCM" for m in models])
    cell_count = np.array([m.cell_count for m in models])
    capacity = np.array([m.capacity_ah for m in models])
    placard = np.array([m.placard_kpa for m in models])
    order = np.concatenate([order[is_ncm[order]], order[~is_ncm[order]]])
    short_rows, others = order[:shorts], rng.permutation(order[shorts:])
    leak_rows, rest = others[:leaks], others[leaks:]
    in_front = climate.front_depth_degc[city_index[rest]] > 0
    rest = np.concatenate([rest[in_front], rest[~in_front]])
    kinds = np.array([DECOYS[i % len(DECOYS)] for i in range(decoys)])
    decoy_rows = np.full(decoys, -1)
    fronted = min(int(np.sum(kinds == "cold_front")), int(in_front.sum()))
    kinds = np.concatenate([["cold_front"] * fronted, kinds[kinds != "cold_front"]])
    kinds = np.concatenate([kinds, np.array([DECOYS[1 + i % 3] for i in range(decoys - len(kinds))])])
    decoy_rows = np.concatenate([rest[:fronted], rng.permutation(rest[fronted:])[: decoys - fronted]])

    leak_k = np.zeros((n, 4))
    leak_at = np.full(n, _NEVER)
    rate = np.zeros(n)
    if leaks:
        rate[leak_rows] = rng.permutation(np.linspace(2.5, 7.5, leaks)) + rng.uniform(-0.4, 0.4, leaks)
        wheel = rng.integers(0, 4, leaks)
        absolute = placard[leak_rows, wheel] + ATMOSPHERE_KPA
        leak_k[leak_rows, wheel] = rate[leak_rows] / DAY_S / (absolute**2 - ATMOSPHERE_KPA**2)
        used = rng.uniform(0.5, 0.65, leaks) * 0.25 * placard[leak_rows, wheel] / rate[leak_rows]
        leak_at[leak_rows] = np.maximum(end_s - used * DAY_S, start_s + min(1.0, 0.1 * days) * DAY_S)

    short_cell = np.full(n, -1)
    short_at, ohm, decades = np.full(n, _NEVER), np.zeros(n), np.zeros(n)
    if shorts:
        short_cell[short_rows] = (rng.random(shorts) * cell_count[short_rows]).astype(int)
        short_at[short_rows] = start_s + rng.uniform(0.04, 0.12, shorts) * days * DAY_S
        ohm[short_rows] = rng.uniform(700.0, 1100.0, shorts) * 150.0 / capacity[short_rows]
        at_end = rng.uniform(35.0, 50.0, shorts) * 150.0 / capacity[short_rows]
        decades[short_rows] = np.log10(ohm[short_rows] / at_end) / (end_s - short_at[short_rows])

    decoy = np.full(n, "", dtype=object)
    decoy_at = np.full(n, _NEVER)
    decoy[decoy_rows] = kinds
    decoy_at[decoy_rows] = start_s + rng.uniform(0.4, 0.85, decoys) * days * DAY_S
    front = decoy == "cold_front"
    decoy_at[front] = climate.front_at_s[city_index[front]]
    return Plan(
        leak_k=leak_k,
        leak_at_s=leak_at,
        leak_rate_kpa_per_day=rate,
        short_cell=short_cell,
        short_at_s=short_at,
        short_ohm=ohm,
        short_decades_per_s=decades,
        decoy=tuple(str(kind) for kind in decoy),
        decoy_at_s=decoy_at,
    )


def short_charge_ah(plan: Plan, time_s: Floats, cell_v: float = 3.75) -> Floats:
    """Return what has leaked through the internal short up to ``time_s``, Ah, shape like ``time_s`` (F, ...).

    The integral of V/R with R = R0·10^(-d·t), closed form.
    """
    shape = (-1,) + (1,) * (np.ndim(time_s) - 1)
    at, ohm = plan.short_at_s.reshape(shape), plan.short_ohm.reshape(shape)
    slope = plan.short_decades_per_s.reshape(shape) * np.log(10.0)
    is_short = (plan.short_cell >= 0).reshape(shape)
    since = np.where(
        is_short, np.maximum(np.where(is_short, time_s - np.where(is_short, at, 0.0), 0.0), 0.0), 0.0
    )
    safe_ohm, safe_slope = np.where(is_short, ohm, 1.0), np.where(slope > 0, slope, 1.0)
    grown = np.expm1(np.minimum(safe_slope * since, 50.0)) / safe_slope
    return np.asarray(np.where(is_short, cell_v / safe_ohm * grown / 3600.0, 0.0))


def leak_crossing_s(plan: Plan, row: int, placard_kpa: float) -> float:
    """Return when a leaking tire reaches 75 % of placard at 20 °C, seconds since 1970.

    Closed form of the capillary law from placard; permeation, some 0.2 kPa/day, is left out.
    """
    k = float(plan.leak_k[row].max())

    def level(gauge: float) -> float:
        absolute = gauge + ATMOSPHERE_KPA
        return float(np.log((absolute - ATMOSPHERE_KPA) / (absolute + ATMOSPHERE_KPA)))

    return float(plan.leak_at_s[row]) + (level(placard_kpa) - level(0.75 * placard_kpa)) / (
        2 * k * ATMOSPHERE_KPA
    )


def truth_rows(plan: Plan, vins: Sequence[Vin], placard_kpa: Floats, *, end_s: float) -> list[Truth]:
    """Return the truth table of a plan; ``placard_kpa`` has the shape (F, 4)."""
    rows: list[Truth] = []
    for row in np.flatnonzero(plan.leak_k.max(axis=1) > 0).tolist():
        wheel = int(plan.leak_k[row].argmax())
        crossing = leak_crossing_s(plan, row, float(placard_kpa[row, wheel]))
        rows.append(
            Truth(
                vehicle=row,
                vin=vins[row],
                component=f"tire {WHEELS[wheel]}",
                kind=FailureMode.TIRE_SLOW_LEAK,
                is_fault=True,
                onset=_moment(float(plan.leak_at_s[row])),
                threshold_at=_moment(crossing),
                failure_at=None,
                severity=Severity.S2 if crossing - end_s < 2 * DAY_S else Severity.S3,
                magnitude=float(plan.leak_rate_kpa_per_day[row]),
                unit="kPa/day",
            )
        )
    for row in np.flatnonzero(plan.short_cell >= 0).tolist():
        onset = float(plan.short_at_s[row])
        at_ten_ohm = onset + float(np.log10(plan.short_ohm[row] / 10.0) / plan.short_decades_per_s[row])
        now_ohm = plan.short_ohm[row] * 10 ** (-plan.short_decades_per_s[row] * (end_s - onset))
        rows.append(
            Truth(
                vehicle=row,
                vin=vins[row],
                component=f"cell {int(plan.short_cell[row]) + 1}",
                kind=FailureMode.CELL_INTERNAL_SHORT,
                is_fault=True,
                onset=_moment(onset),
                threshold_at=_moment(at_ten_ohm),
                failure_at=None,
                severity=Severity.S2 if now_ohm < 100.0 else Severity.S3,
                magnitude=float(plan.short_ohm[row]),
                unit="Ω",
            )
        )
    for row, kind in enumerate(plan.decoy):
        if kind:
            rows.append(
                Truth(
                    vehicle=row,
                    vin=vins[row],
                    component="tires",
                    kind=kind,
                    is_fault=False,
                    onset=_moment(float(plan.decoy_at_s[row])),
                    threshold_at=None,
                    failure_at=None,
                    severity=None,
                    magnitude=0.0,
                )
            )
    return rows


def _moment(time_s: float) -> datetime:
    return datetime.fromtimestamp(time_s, UTC)

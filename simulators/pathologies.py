"""What happens to data between a sensor and a table: everything that field data suffer from, by rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from data.records import Family, FamilyRows
from simulators.batches import join_rows, select_rows
from simulators.climate import DAY_S
from simulators.errors import FleetError

DAY_US = round(DAY_S * 1e6)
#: What a bus sends instead of a value, by alias: GB/T 32960 sentinels after their scaling, all bits set.
SENTINELS = {"soc": 254.0, "pack.voltage": 6553.5, "motor.temperature": 215.0, "insulation": 65535.0}
#: What a raw 0 becomes after the offset of GB/T 32960.
RAW_ZEROS = {
    "motor.temperature": -40.0,
    "motor.torque": -2000.0,
    "cell.temperature": -40.0,
    "pack.current": 1000.0,
}
#: A unit mixed up: what the value is multiplied by (kPa told as psi, km as miles, kilo-ohm as ohm).
UNIT_ERRORS = {"tire.pressure": 0.1450377, "odometer": 0.6213712, "insulation": 1000.0}
_VALUES = ("soc", "pack.voltage", "coolant", "motor.temperature", "insulation", "tire.pressure", "lv.voltage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pathologies:
    """How often each happens; shares of rows, or probabilities per vehicle and day; 0: never.

    The defaults are none at all; :meth:`field` are those of the road, :meth:`harsh` those of a stress test
    (entries missing 10 %, out of order 30 %, as the Time Series Benchmark Suite's disorder).
    """

    missing: float = 0.0  #: share of rows that never come
    out_of_order: float = 0.0  #: share of rows that come after later ones
    duplicate: float = 0.0  #: share of rows that come twice
    spike: float = 0.0  #: share of rows with one value far off
    sentinel_day: float = 0.0  #: a burst of values that mean "abnormal"
    raw_zero_day: float = 0.0  #: a signal that tells its raw 0 for an hour
    stuck_day: float = 0.0  #: a signal that stands still for hours
    hold_day: float = 0.0  #: a day of values that change every fifth row only
    noise_day: float = 0.0  #: a day of five times the noise
    bias_day: float = 0.0  #: a day with an offset
    late_day: float = 0.0  #: hours that are sent from the store, minutes to days later
    gap_day: float = 0.0  #: a day and up to three of nothing
    skew_s: float = 0.0  #: standard deviation of the vehicle's clock
    clock_jump_day: float = 0.0  #: an hour stamped a day ahead
    unit_error_life: float = 0.0  #: from some instant on, per vehicle
    odometer_reset_life: float = 0.0  #: likewise: a new instrument cluster

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            most = 60.0 if one.name == "skew_s" else 1.0
            if not 0.0 <= value <= most:
                raise FleetError(f"{one.name} {value}: must be from 0 to {most:g}")

    @classmethod
    def field(cls) -> Pathologies:
        """Return the rates of an ordinary fleet."""
        return cls(
            missing=0.01, out_of_order=0.02, duplicate=0.01, spike=0.0002, sentinel_day=0.01,
            raw_zero_day=0.005, stuck_day=0.002, hold_day=0.005, noise_day=0.002, bias_day=0.002,
            late_day=0.05, gap_day=0.01, skew_s=2.0, clock_jump_day=0.001, unit_error_life=0.002,
            odometer_reset_life=0.005,
        )  # fmt: skip

    @classmethod
    def harsh(cls) -> Pathologies:
        """Return the rates of a stress test."""
        return cls(missing=0.10, out_of_order=0.30, duplicate=0.02, spike=0.002, late_day=0.2, skew_s=2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One thing that was done to the data of a vehicle."""

    kind: str  #: field of :class:`Pathologies`
    alias: str  #: empty: whole rows
    begin_us: int
    end_us: int


def disturb(
    rows: Mapping[Family, FamilyRows], rates: Pathologies, rng: np.random.Generator
) -> tuple[dict[Family, FamilyRows], tuple[Mark, ...]]:
    """Return the rows of one vehicle as they come in, and what was done to them.

    Args:
        rows: By family, ascending in time; not changed.
        rates: How often what happens.
        rng: Chance.

    Returns:
        Rows in order of arrival, late ones marked as such; duplicates are there twice.
    """
    times = np.concatenate([r.time_us for r in rows.values()])
    if not times.size:
        return dict(rows), ()
    begin_us, end_us = int(times.min()), int(times.max()) + 1
    marks = _draw_marks(rates, rng, begin_us, end_us)
    out: dict[Family, FamilyRows] = {}
    skew_us = round(rng.normal(0.0, 1.0) * rates.skew_s * 1000.0) * 1000
    for family, found in rows.items():
        columns = {alias: np.array(values, np.float64) for alias, values in found.columns.items()}
        for mark in marks:
            if mark.alias in columns:
                here = (found.time_us >= mark.begin_us) & (found.time_us < mark.end_us)
                _spoil(columns[mark.alias], here, mark, rng)
        _spike(columns, rates.spike, rng)
        out[family] = _transport(replace(found, columns=columns), rates, marks, skew_us, rng)
    return out, marks


def as_stored(rows: FamilyRows) -> FamilyRows:
    """Return the rows of one vehicle as its table holds them: by sample time, the first of equal ones."""
    kept = np.unique(rows.time_us, return_index=True)[1]
    return select_rows(rows, kept.astype(np.int64))


def _draw_marks(rates: Pathologies, rng: np.random.Generator, begin_us: int, end_us: int) -> tuple[Mark, ...]:
    days = np.arange(begin_us, end_us, DAY_US)
    marks: list[Mark] = []
    lasts_h = {"sentinel_day": (0.05, 1.0), "raw_zero_day": (0.5, 2.0), "stuck_day": (4.0, 24.0)}
    lasts_h |= {"late_day": (0.5, 12.0), "gap_day": (24.0, 72.0), "clock_jump_day": (1.0, 1.0)}
    for kind in (f.name for f in fields(rates) if f.name.endswith("_day")):
        for day in days[rng.random(days.size) < getattr(rates, kind)].tolist():
            at = int(day + rng.random() * DAY_US)
            lasts = round(rng.uniform(*lasts_h.get(kind, (24.0, 24.0))) * 3.6e9)
            known = {"sentinel_day": tuple(SENTINELS), "raw_zero_day": tuple(RAW_ZEROS)}.get(kind, _VALUES)
            is_row = kind in ("late_day", "gap_day", "clock_jump_day")
            alias = "" if is_row else str(rng.choice(known))
            marks.append(Mark(kind=kind, alias=alias, begin_us=at, end_us=at + lasts))
    for kind, known in (("unit_error_life", tuple(UNIT_ERRORS)), ("odometer_reset_life", ("odometer",))):
        if rng.random() < getattr(rates, kind):
            at = int(rng.uniform(begin_us, end_us))
            marks.append(Mark(kind=kind, alias=str(rng.choice(known)), begin_us=at, end_us=end_us))
    return tuple(marks)


def _spoil(
    values: npt.NDArray[np.float64], here: npt.NDArray[np.bool_], mark: Mark, rng: np.random.Generator
) -> None:
    if not here.any():
        return
    chosen = values[here]
    match mark.kind:
        case "sentinel_day":
            chosen[:] = SENTINELS[mark.alias]
        case "raw_zero_day":
            chosen[:] = RAW_ZEROS[mark.alias]
        case "stuck_day":
            chosen[:] = chosen[0]
        case "hold_day":
            chosen = chosen[np.arange(len(chosen)) // 5 * 5]
        case "noise_day":
            chosen += 5.0 * _noise_of(chosen) * rng.standard_normal(chosen.shape)
        case "bias_day":
            chosen += 10.0 * _noise_of(chosen)
        case "unit_error_life":
            chosen *= UNIT_ERRORS[mark.alias]
        case "odometer_reset_life":
            chosen -= chosen[0]
    values[here] = chosen


def _noise_of(values: npt.NDArray[np.float64]) -> float:
    """Return the scale of a signal's noise: the median step between readings, at least a thousandth."""
    steps = np.abs(np.diff(values, axis=0))
    steps = steps[steps > 0]
    return float(max(np.median(steps) if steps.size else 0.0, 1e-3 * np.abs(np.nanmean(values))))


def _spike(columns: Mapping[str, npt.NDArray[np.float64]], share: float, rng: np.random.Generator) -> None:
    for alias in _VALUES:
        values = columns.get(alias)
        if values is not None:
            hit = rng.random(len(values)) < share
            values[hit] *= rng.uniform(0.2, 3.0, (int(hit.sum()), *(1,) * (values.ndim - 1)))


def _transport(
    rows: FamilyRows,
    rates: Pathologies,
    marks: tuple[Mark, ...],
    skew_us: int,
    rng: np.random.Generator,
) -> FamilyRows:
    """Return rows as they arrive: lost, doubled, late, overtaken, stamped by a wrong clock."""
    count = len(rows)
    time_us = rows.time_us + skew_us
    sent, received = rows.sent_us + skew_us, rows.received_us.copy()
    is_hist = rows.is_hist.copy()
    is_kept = rng.random(count) >= rates.missing
    for mark in marks:
        here = (rows.time_us >= mark.begin_us) & (rows.time_us < mark.end_us)
        if mark.kind == "gap_day":
            is_kept &= ~here
        elif mark.kind == "clock_jump_day":
            time_us, sent = np.where(here, time_us + DAY_US, time_us), np.where(here, sent + DAY_US, sent)
        elif mark.kind == "late_day":
            late_us = round(np.exp(rng.uniform(np.log(300.0), np.log(5.0 * DAY_S))) * 1e6)
            received = np.where(here, mark.end_us + late_us, received)
            is_hist |= here
    overtaken = rng.random(count) < rates.out_of_order
    received = received + np.where(overtaken, rng.uniform(1e6, 300e6, count), 0.0).astype(np.int64)
    told = replace(rows, time_us=time_us, sent_us=sent, received_us=received, is_hist=is_hist)
    chosen = np.flatnonzero(is_kept)
    chosen = np.concatenate([chosen, chosen[rng.random(chosen.size) < rates.duplicate]])
    return select_rows(told, chosen[np.argsort(received[chosen], kind="stable")])


def swap_vehicles(
    one: FamilyRows, other: FamilyRows, *, begin_us: int, end_us: int
) -> tuple[FamilyRows, FamilyRows]:
    """Return the rows of two vehicles of one model whose identities were swapped for a while.

    Args:
        one: Rows of a vehicle, ascending.
        other: Rows of the other, the same family and columns.
        begin_us: From then on each tells what the other measures.
        end_us: Until then.
    """

    def of(own: FamilyRows, strange: FamilyRows) -> FamilyRows:
        keep = (own.time_us < begin_us) | (own.time_us >= end_us)
        take = (strange.time_us >= begin_us) & (strange.time_us < end_us)
        number = np.full(int(take.sum()), own.vehicle_id[0] if len(own) else 0, np.int32)
        parts = [select_rows(own, keep), replace(select_rows(strange, take), vehicle_id=number)]
        order = np.argsort(np.concatenate([p.time_us for p in parts]), kind="stable")
        return select_rows(join_rows(parts), order)

    return of(one, other), of(other, one)

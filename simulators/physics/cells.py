"""The cells of every pack: constants, charge, capacity, ageing, balancing, shorts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.records import FailureMode
from simulators.chance import Floats, VehicleChance
from simulators.climate import DAY_S
from simulators.faults.battery import LIMIT_OHM
from simulators.faults.injection import NEVER, Plan, gather
from simulators.fleet import Fleet

YEAR_S = 365.25 * DAY_S
COLLAPSED_OHM = 0.3
#: Balancing leaves cells alone that are within this much charge of the lowest.
_BALANCED = 0.004

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """Internal shorts; (F,), at most one a vehicle; ``cell`` is -1 where there is none."""

    cell: Ints
    at_s: Floats
    ohm: Floats
    slope_per_s: Floats  #: fall of the natural logarithm of the resistance
    volts: Floats
    heals_s: Floats
    collapse_s: Floats
    collapse_slope_per_s: Floats

    @classmethod
    def of(cls, plan: Plan) -> Short:
        """Return the shorts of a plan."""
        chosen = list(plan.of(FailureMode.CELL_INTERNAL_SHORT))
        cell = np.full(plan.count, -1)
        cell[[i.vehicle for i in chosen]] = [i.element for i in chosen]
        shape = (plan.count,)
        return cls(
            cell=cell,
            at_s=gather(chosen, "at_s", shape, NEVER),
            ohm=gather(chosen, "ohm", shape, 1.0),
            slope_per_s=np.log(10.0) * gather(chosen, "decades_per_s", shape, 1.0),
            volts=gather(chosen, "volts", shape, 0.0),
            heals_s=gather(chosen, "heals_s", shape, NEVER),
            collapse_s=gather(chosen, "collapse_s", shape, NEVER),
            collapse_slope_per_s=np.log(10.0) * gather(chosen, "collapse_decades_per_s", shape, 1.0),
        )

    def leaked_ah(self, who: Ints, time_s: Floats) -> Floats:
        """Return what has leaked since the onset, Ah; ``who`` and ``time_s`` have the same shape.

        Closed form: V/R with R falling log-linearly to 10 Ω and staying there, or collapsing on to 0.3 Ω.
        """
        at, slope = np.where(np.isfinite(self.at_s), self.at_s, 0.0)[who], self.slope_per_s[who]
        until = np.minimum(time_s, self.heals_s[who])
        first_s = np.log(np.maximum(self.ohm / LIMIT_OHM, 1.0))[who] / slope
        ramp = np.clip(until - at, 0.0, first_s)
        done = np.expm1(slope * ramp) / slope / self.ohm[who]
        down, fall = self.collapse_s[who], self.collapse_slope_per_s[who]
        held = np.maximum(np.minimum(until, down) - at - first_s, 0.0) / LIMIT_OHM
        fall_s = np.log(LIMIT_OHM / COLLAPSED_OHM) / fall
        since = np.where(
            np.isfinite(down), np.maximum(until - np.where(np.isfinite(down), down, 0.0), 0.0), 0.0
        )
        deep = np.expm1(fall * np.minimum(since, fall_s)) / fall / LIMIT_OHM
        last = np.maximum(since - fall_s, 0.0) / COLLAPSED_OHM
        begun = (self.cell[who] >= 0) & (time_s > at)
        return np.asarray(np.where(begun, self.volts[who] * (done + held + deep + last) / 3600.0, 0.0))


@dataclass(slots=True, kw_only=True)
class Cells:
    """The cells of a fleet; (F, N) with N the largest cell count; some change from day to day."""

    is_real: npt.NDArray[np.bool_]  #: (F, N)
    is_lfp: npt.NDArray[np.bool_]  #: (F,)
    count: Floats  #: (F,)
    nominal_ah: Floats  #: (F,) when new
    resistance_ohm: Floats  #: (F,) of one cell at 25 °C when new
    capacity_factor: Floats  #: (F, N)
    resistance_part: Floats  #: (F, N) around 1
    self_discharge_per_s: Floats  #: (F, N)
    channel_error_v: Floats  #: (F, N) constant error of the measuring channel
    probe_offset_degc: Floats  #: (F, M)
    is_probe: npt.NDArray[np.bool_]  #: (F, M)
    balance_a: Floats  #: (F,)
    short: Short
    base_soc: Floats  #: (F, N) at ``base_s``
    base_s: Floats  #: (F,)
    base_ah: Floats  #: (F,) what the pack's counter stood at then
    soh: Floats  #: (F,) 0-1
    balanced_s: Floats  #: (F,) time of balancing since ``base_s``

    @property
    def capacity_ah(self) -> Floats:
        """Return (F,) what the mean cell holds now."""
        return self.nominal_ah * self.soh

    def soc(self, who: Ints, time_s: Floats, charge_ah: Floats) -> Floats:
        """Return the charge of every cell, 0-1.

        Args:
            who: Shape (R,), vehicles.
            time_s: Shape (R,), at or after ``base_s``.
            charge_ah: Shape (R,), the pack's counter.

        Returns:
            Shape (R, N).
        """
        capacity = self.capacity_ah[who][:, None] * self.capacity_factor[who]
        lost = self.self_discharge_per_s[who] * (time_s - self.base_s[who])[:, None]
        out = self.base_soc[who] + (charge_ah - self.base_ah[who])[:, None] / capacity - lost
        has_short = np.flatnonzero(self.short.cell[who] >= 0)
        if has_short.size:
            ill = who[has_short]
            leaked = self.short.leaked_ah(ill, time_s[has_short])
            leaked -= self.short.leaked_ah(ill, self.base_s[ill])
            cell = self.short.cell[ill]
            out[has_short, cell] -= leaked / capacity[has_short, cell]
        return np.asarray(out)


def build_cells(fleet: Fleet, chance: VehicleChance, first_soc: Floats, soh: Floats) -> Cells:
    """Return cells spread like those of a good pack: capacity 0.7 %, resistance 4 %, charge 0.4 %.

    Args:
        fleet: With the models and the plan.
        chance: One stream a vehicle.
        first_soc: (F,) of the mean cell at the start.
        soh: (F,) capacity over that when new.
    """
    models = [fleet.model_of(row) for row in range(len(fleet))]
    count = np.array([m.cell_count for m in models], np.float64)
    probes = np.array([m.probe_count for m in models])
    capacity = np.array([m.capacity_ah for m in models])
    width, probe_width = max(m.cell_count for m in fleet.models), max(m.probe_count for m in fleet.models)
    drawn = np.clip(chance.normal(5, width), -3.0, 3.0).astype(np.float64)
    own = chance.uniform(2)
    base_soc = first_soc[:, None] + 0.004 * drawn[:, 0]
    for one in fleet.plan.of(FailureMode.CELL_IMBALANCE):
        if one.at_s <= fleet.start_s:
            base_soc[one.vehicle, one.element] -= one.p["missing"]
    capacity_factor, resistance_part = 1.0 + 0.007 * drawn[:, 1], 1.0 + 0.04 * drawn[:, 2]
    for part, kind, size in (
        (capacity_factor, FailureMode.CELL_WEAK, "loss"),
        (resistance_part, FailureMode.CELL_RESISTANCE, "rise"),
    ):
        for one in fleet.plan.of(kind):
            change = one.p[size] * (-1.0 if size == "loss" else 1.0)
            part[one.vehicle, one.element] *= _course(
                fleet.start_s, one.at_s, one.at_s, one.p["takes_s"], change
            )
    return Cells(
        is_real=np.arange(width) < count[:, None],
        is_lfp=np.array([m.chemistry == "LFP" for m in models]),
        count=count,
        nominal_ah=capacity,
        resistance_ohm=(0.6 + 0.4 * own[:, 0]) * 1e-3 * 150.0 / capacity,
        capacity_factor=capacity_factor,
        resistance_part=resistance_part,
        self_discharge_per_s=0.02 / 30.0 / DAY_S * (1.0 + 0.2 * drawn[:, 3]),
        channel_error_v=0.001 * np.clip(drawn[:, 4], -2.0, 2.0),
        probe_offset_degc=0.6 * np.clip(chance.normal(probe_width), -2.5, 2.5).astype(np.float64),
        is_probe=np.arange(probe_width) < probes[:, None],
        balance_a=0.02 + 0.08 * own[:, 1],
        short=Short.of(fleet.plan),
        base_soc=base_soc,
        base_s=np.full(len(fleet), fleet.start_s),
        base_ah=np.zeros(len(fleet)),
        soh=soh,
        balanced_s=np.zeros(len(fleet)),
    )


class Ageing:
    """What changes in the cells from one day to the next: capacity, resistance, charge, balance."""

    def __init__(self, fleet: Fleet, chance: VehicleChance) -> None:
        """Draw how fast each pack ages: 1.5-2.5 % per root of a year, 0.6-1.0 % per 100 full cycles."""
        plan, n = fleet.plan, len(fleet)
        own = chance.uniform(3)
        self._calendar = 0.015 + 0.01 * own[:, 0]
        self._cycles = (0.006 + 0.004 * own[:, 1]) / 100.0
        self._age_s = (0.3 + 4.0 * own[:, 2]) * YEAR_S
        self._fades = list(plan.of(FailureMode.BATTERY_CAPACITY_FADE))
        self._fade_per_s = gather(self._fades, "per_s", (n,), 0.0)
        self._fade_at_s = plan.onset(FailureMode.BATTERY_CAPACITY_FADE)
        self._weak = list(plan.of(FailureMode.CELL_WEAK))
        self._stiff = list(plan.of(FailureMode.CELL_RESISTANCE))
        self._modules = [i for i in plan.of(FailureMode.CELL_IMBALANCE) if i.at_s > fleet.start_s]
        self._throughput_ah = np.zeros(n)

    def close_day(
        self, cells: Cells, *, time_s: Floats, charge_ah: Floats, moved_ah: Floats, degc: Floats
    ) -> None:
        """Bring the cells to the end of a day.

        Args:
            cells: Changed in place.
            time_s: (F,) the end of the day.
            charge_ah: (F,) the pack's counter.
            moved_ah: (F,) charge through the pack since the start, both ways added up.
            degc: (F,) mean temperature of the pack.
        """
        everyone = np.arange(len(time_s))
        begin_s, passed = cells.base_s.copy(), time_s - cells.base_s
        soc = cells.soc(everyone, time_s, charge_ah)
        lowest = np.min(soc, axis=1, where=cells.is_real, initial=np.inf)
        bleed = (cells.balance_a * cells.balanced_s / 3600.0 / cells.capacity_ah)[:, None]
        excess = np.maximum(soc - lowest[:, None] - _BALANCED, 0.0)
        cells.base_soc = soc - np.minimum(bleed, excess)
        cells.base_s, cells.base_ah = time_s.copy(), charge_ah.copy()
        cells.balanced_s = np.zeros_like(cells.balanced_s)

        mean = np.mean(soc, axis=1, where=cells.is_real)
        heat = np.exp(28_000.0 / 8.314 * (1.0 / 298.15 - 1.0 / (degc + 273.15)))
        before, after = np.sqrt(self._age_s / YEAR_S), np.sqrt((self._age_s + passed) / YEAR_S)
        faded = self._calendar * (after - before) * heat * (0.6 + 0.8 * np.clip(mean, 0.0, 1.0))
        cycles = np.maximum(moved_ah - self._throughput_ah, 0.0) / 2.0 / cells.nominal_ah
        faded += self._cycles * cycles
        ill_s = np.maximum(time_s - np.maximum(begin_s, self._fade_at_s), 0.0)
        cells.soh = np.maximum(cells.soh - faded - self._fade_per_s / 100.0 * ill_s, 0.3)
        self._age_s = self._age_s + passed
        self._throughput_ah = moved_ah.copy()

        for one in self._weak:
            cells.capacity_factor[one.vehicle, one.element] *= _course(
                time_s[one.vehicle], begin_s[one.vehicle], one.at_s, one.p["takes_s"], -one.p["loss"]
            )
        for one in self._stiff:
            cells.resistance_part[one.vehicle, one.element] *= _course(
                time_s[one.vehicle], begin_s[one.vehicle], one.at_s, one.p["takes_s"], one.p["rise"]
            )
        for one in self._modules:
            if begin_s[one.vehicle] <= one.at_s < time_s[one.vehicle]:
                cells.base_soc[one.vehicle, one.element] -= one.p["missing"]

    def resistance_growth(self, cells: Cells) -> Floats:
        """Return (F,) resistance over that when new: it grows by half as much again as capacity fades."""
        return np.asarray(1.0 + 1.5 * (1.0 - cells.soh))


def _course(now_s: float, before_s: float, at_s: float, takes_s: float, change: float) -> float:
    """Return by what a quantity multiplies from one day to the next when it changes linearly in all."""
    now, before = (np.clip((t - at_s) / takes_s, 0.0, 1.0) for t in (now_s, before_s))
    return float((1.0 + change * now) / (1.0 + change * before))

"""Thermal runaway of one cell and what it does to its neighbours, quarter second by quarter second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.chance import Floats

STEP_S = 0.25
LASTS_S = 1500.0
#: Activation energy over the gas constant in K, frequency in 1/s, heat of reaction over heat capacity in K.
KINETICS = {"NCM": (119_000.0 / 8.314, 3.7e10, 800.0), "LFP": (119_600.0 / 8.314, 6.6e9, 400.0)}
COLLAPSE_DEGC, VENT_DEGC = 130.0, 180.0
#: A failing separator shorts the whole cell: voltage falls with this time constant, and so much of the
#: stored energy turns into heat before the electrodes part.
COLLAPSE_S, COLLAPSE_PART = 40.0, 0.18
#: A cell that heats this fast for so long runs away.
RUNAWAY_K_PER_S, RUNAWAY_S = 1.0, 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Runaway:
    """The course of one runaway, every second from its beginning."""

    vehicle: int
    begin_s: float
    cell_degc: Floats  #: (T, N)
    cell_share: Floats  #: (T, N) of the voltage that each cell still has
    probe_degc: Floats  #: (T, M) what the probes read, NaN: burnt
    insulation: Floats  #: (T,) share of the insulation that is left
    runs_s: float  #: when the first cell runs away, seconds since 1970; infinite: it does not
    silent_s: float  #: nothing is heard of the vehicle from then on

    def index(self, time_s: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """Return the row of the course at an instant, from 0."""
        return np.clip(np.floor(time_s - self.begin_s), 0, len(self.insulation) - 1).astype(np.int64)


def run_away(
    rng: np.random.Generator,
    *,
    vehicle: int,
    begin_s: float,
    cell: int,
    short_ohm: float,
    volts: float,
    cell_count: int,
    probe_count: int,
    capacity_ah: float,
    chemistry: str,
    degc: float,
) -> Runaway:
    """Return the course of a runaway that a hard internal short sets off.

    C dT/dt = V²/R + C H A x exp(-Ea/RT) - G (T - neighbours) - hA (T - plate); x, the reactants, burn off
    at the same rate. Above 130 °C the separator fails and the voltage collapses; above 180 °C the cell
    vents, and what it vents ruins the insulation. A probe sits on one cell of its group, lags by 20-60 s
    and reads 40-90 % of the rise.

    Args:
        rng: Of this vehicle: conduction, the probes.
        vehicle: Index in the fleet.
        begin_s: Beginning of the short, seconds since 1970.
        cell: From 0.
        short_ohm: Of the short.
        volts: Of the cell.
        cell_count: N.
        probe_count: M.
        capacity_ah: Of a cell; heat capacity is 2.7 kJ/K at 150 Ah.
        chemistry: ``NCM`` or ``LFP``.
        degc: Temperature of everything at the beginning.
    """
    heat_j_per_k = 2700.0 * capacity_ah / 150.0
    stored_j = capacity_ah * 3600.0 * volts
    energy_k, frequency, rise_k = KINETICS[chemistry]
    conduct, to_plate = rng.uniform(0.3, 1.0) * capacity_ah / 150.0, 0.4 * capacity_ah / 150.0
    on = np.minimum(
        (np.arange(probe_count) + rng.random(probe_count)) * cell_count / probe_count, cell_count - 1
    )
    away = np.abs(np.arange(cell_count)[None, :] - on.astype(np.int64)[:, None])
    weight = np.where(away <= 4, 0.75**away, 0.0) * rng.uniform(0.4, 0.9, (probe_count, 1))
    lag_s = rng.uniform(20.0, 60.0, probe_count)
    warm, left = np.full(cell_count, degc), np.ones(cell_count)
    share, reads = np.ones(cell_count), np.full(probe_count, degc)
    steps, every = round(LASTS_S / STEP_S), round(1.0 / STEP_S)
    count = steps // every
    out_degc, out_share = np.zeros((count, cell_count)), np.zeros((count, cell_count))
    out_probe, fast_s, runs_s, vents_s = np.zeros((count, probe_count)), 0.0, np.inf, np.inf
    insulation = np.ones(count)
    for step in range(steps):
        if step % every == 0:
            row = step // every
            out_degc[row], out_share[row], out_probe[row] = warm, share, reads
            since = max(row - vents_s, 0.0) if np.isfinite(vents_s) else 0.0
            insulation[row] = max(np.exp(-since / 15.0), 0.002)
        rate = frequency * np.exp(-energy_k / (warm + 273.15))
        burnt = left * -np.expm1(-rate * STEP_S)
        power = np.zeros(cell_count)
        power[cell] = (volts * share[cell]) ** 2 / short_ohm
        flow = np.zeros(cell_count)
        flow[1:] += warm[:-1] - warm[1:]
        flow[:-1] += warm[1:] - warm[:-1]
        change = (power + conduct * flow - to_plate * (warm - degc)) / heat_j_per_k * STEP_S + rise_k * burnt
        collapses = share * -np.expm1(-STEP_S / COLLAPSE_S) * (warm > COLLAPSE_DEGC)
        change += collapses * COLLAPSE_PART * stored_j / heat_j_per_k
        fast_s = fast_s + STEP_S if change.max() / STEP_S >= RUNAWAY_K_PER_S else 0.0
        if fast_s >= RUNAWAY_S and not np.isfinite(runs_s):
            runs_s = begin_s + (step + 1) * STEP_S - RUNAWAY_S
        warm, left = warm + change, left - burnt
        share = np.where(warm > COLLAPSE_DEGC, share * np.exp(-STEP_S / COLLAPSE_S), share)
        if warm.max() > VENT_DEGC and not np.isfinite(vents_s):
            vents_s = step * STEP_S
        seen = degc + (weight * (warm - degc)).max(axis=1)
        reads = reads + (seen - reads) * (STEP_S / lag_s)
    silent = runs_s + rng.uniform(240.0, 600.0) if np.isfinite(runs_s) else np.inf
    return Runaway(
        vehicle=vehicle,
        begin_s=begin_s,
        cell_degc=out_degc,
        cell_share=out_share,
        probe_degc=out_probe,
        insulation=insulation,
        runs_s=runs_s,
        silent_s=min(silent, begin_s + LASTS_S),
    )

"""What the battery management says of every cell and probe."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulators.chance import Floats, VehicleChance
from simulators.physics.chemistry import open_circuit_v, resistance_factor
from simulators.physics.runaway import Runaway
from simulators.physics.trace import Trace
from simulators.physics.vehicle import VehicleState

#: A loose sense wire swings in so many of the stretches of this length, while the vehicle shakes.
_WIRE_SHARE, _WIRE_S = 0.35, 600.0


def cell_columns(
    state: VehicleState,
    trace: Trace,
    chance: VehicleChance,
    at: tuple[npt.NDArray[np.int64], ...],
    runaways: tuple[Runaway, ...],
) -> dict[str, Floats]:
    """Return cell voltages to 1 mV with channel errors and probes to 1 °C; NaN where there is none.

    Every cell is its open-circuit voltage and two RC pairs; its charge follows the pack's in proportion to
    its own capacity, less self-discharge and, for the faulty cell, the internal short.
    """
    who, cells = at[0], state.cells
    width, probes = cells.is_real.shape[1], cells.is_probe.shape[1]
    counts = np.bincount(who, minlength=len(state.fleet))
    noise, probe_noise = chance.normal_rows(counts, width), chance.normal_rows(counts, probes)
    time_s = trace.take("time_s", at)
    soc = cells.soc(who, time_s, trace.take("charge_ah", at))
    open_v = open_circuit_v(soc, cells.is_lfp[who][:, None])
    drive_a = trace.take("current_a", at) + 0.6 * (trace.take("fast_a", at) + 0.3 * trace.take("slow_a", at))
    growth = state.ageing.resistance_growth(cells)[who]
    ohm = (
        cells.resistance_ohm[who]
        * growth
        * resistance_factor(trace.take("soc", at), trace.take("pack_degc", at))
    )
    volts = open_v + (ohm * drive_a)[:, None] * cells.resistance_part[who]
    degc = trace.pack_degc[at][:, None] + cells.probe_offset_degc[who]
    place = np.linspace(-0.5, 0.5, max(probes, 2))[:probes]
    degc = degc + trace.pack_k[at][:, None] * place
    degc = degc + trace.plate_k[at][:, None] * (np.arange(probes) < max(1, probes // 3))
    for fire in runaways:
        _burn(fire, who, time_s, volts, degc)
    volts += cells.channel_error_v[who] + 0.0007 * noise
    _swing(state, trace, at, chance, volts)
    degc += 0.1 * probe_noise
    return {
        "cell.voltage": np.where(cells.is_real[who], np.round(np.clip(volts, 0.0, 6.0), 3), np.nan),
        "cell.temperature": np.where(cells.is_probe[who], np.clip(np.round(degc), -50.0, 249.0), np.nan),
    }


def _burn(fire: Runaway, who: npt.NDArray[np.int64], time_s: Floats, volts: Floats, degc: Floats) -> None:
    """Put the course of a runaway over the rows of its vehicle."""
    mine = np.flatnonzero((who == fire.vehicle) & (time_s >= fire.begin_s))
    if not mine.size:
        return
    row = fire.index(time_s[mine])
    volts[mine, : fire.cell_share.shape[1]] *= fire.cell_share[row]
    rise = fire.probe_degc[row] - fire.probe_degc[0]
    degc[mine, : rise.shape[1]] += rise


def _swing(
    state: VehicleState,
    trace: Trace,
    at: tuple[npt.NDArray[np.int64], ...],
    chance: VehicleChance,
    volts: Floats,
) -> None:
    """Let loose sense wires move the tap between two cells: what one gains, the other loses."""
    for wire in state.fleet.plan.of("loose_sense_wire"):
        mine = np.flatnonzero(at[0] == wire.vehicle)
        if not mine.size:
            continue
        time_s = trace.take("time_s", at)[mine]
        rng = chance.of(wire.vehicle)
        stretch = ((time_s - time_s[0]) // _WIRE_S).astype(np.int64)
        is_loose = (rng.random(int(stretch.max()) + 1) < _WIRE_SHARE)[stretch]
        shakes = is_loose & (trace.take("speed_mps", at)[mine] > 0) & (time_s >= wire.at_s)
        swing = np.where(shakes, wire.magnitude / 1000.0 * rng.standard_normal(mine.size), 0.0)
        volts[mine, wire.element] += swing
        volts[mine, wire.element + 1] -= swing

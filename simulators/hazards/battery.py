"""Cells that run away, second by second, and packs with which nothing is wrong."""

from __future__ import annotations

import numpy as np

from data.records import FailureMode, VehicleSpec
from simulators.errors import FleetError
from simulators.hazards.stream import START_US, Floats, Stream

RUNAWAY = FailureMode.BATTERY_THERMAL_EVENT.value
HEALTHY = "healthy"
DECOYS = (
    "probe_sentinel", "probe_spike", "probe_step", "loose_wire", "cells_missing", "slept", "fast_charge",
    "probe_noise",
)  # fmt: skip
_KELVIN = 273.15
_GAS = 8.314
#: Ea J/mol, A 1/s, H/c K: 0.02 K/min at 95 °C for NCM, later for LFP (accelerating-rate calorimetry).
_CHEMISTRY = {"NCM": (119e3, 3.7e10, 800.0), "LFP": (119.6e3, 6.6e9, 400.0)}
_HEAT_J_PER_K = 2700.0  #: of a cell of 150 Ah
_LOSS_W_PER_K = 1.0
_NEIGHBOUR_W_PER_K = 0.6
_SUB = 10
_MOST_DEGC = 210.0
#: The separator is gone: the cell is a short inside.
_COLLAPSE_DEGC = 130.0


def battery_stream(
    kind: str, n: int, spec: VehicleSpec, *, seed: int, minutes: float = 20.0, decoy_share: float = 0.02
) -> Stream:
    """Return ``n`` packs at one reading a second.

    A runaway begins with a hard internal short whose resistance falls from 1 ohm to 3-20 mohm within minutes;
    the cell heats as C dT/dt = V²/R + H A x exp(-Ea/RT) - losses, hands heat on to its neighbours, and loses
    its voltage past 130 °C. Probes follow the nearest cell with 20-60 s and 40-90 % of its rise, to 1 °C.
    Healthy packs drive or charge; some with a fault of a measurement or a hot hour that looks like one.

    Args:
        kind: ``battery_thermal_event`` or ``healthy``.
        n: Vehicles.
        spec: Of all of them.
        seed: The same seed gives the same packs.
        minutes: Of each.
        decoy_share: Of healthy packs with a decoy.

    Raises:
        FleetError: The kind is unknown, or the vehicle has no probes.
    """
    if kind not in (RUNAWAY, HEALTHY):
        raise FleetError(f"kind {kind!r}: must be {RUNAWAY} or {HEALTHY}")
    if spec.probe_count < 1:
        raise FleetError("probe_count 0: must be 1 or more")
    rng = np.random.default_rng([seed, 2, kind == HEALTHY])
    seconds = int(minutes * 60)
    if kind == RUNAWAY:
        volts, probes, cell, onset, begun_s = _runaway(n, seconds, spec, rng)
        decoy = np.full(n, "")
    else:
        volts, probes, decoy = _healthy(n, seconds, spec, rng, decoy_share)
        cell, onset, begun_s = np.full(n, -1), np.full(n, np.nan), np.full(n, -1.0)
    # what a vehicle that slept sends afterwards is hours old
    time_s = np.broadcast_to(np.arange(seconds, dtype=np.float64), (n, seconds)).copy()
    time_s[decoy == "slept", seconds // 2 :] += 8 * 3600.0
    begun = np.where(begun_s >= 0, START_US + (begun_s * 1e6).astype(np.int64), -1)
    return Stream(
        kind=kind,
        seed=seed,
        spec=spec,
        row=np.repeat(np.arange(n, dtype=np.int64), seconds),
        time_us=START_US + (time_s.ravel() * 1e6).astype(np.int64),
        columns={
            "cell.voltage": np.rint(volts.reshape(n * seconds, -1) * 1000.0) / 1000.0,
            "cell.temperature": np.rint(probes.reshape(n * seconds, -1)),
        },
        component=tuple("battery" if c >= 0 else "" for c in cell),
        decoy=tuple(str(d) for d in decoy),
        magnitude=onset,
        shown_us=np.full(n, -1, dtype=np.int64),
        limit_us=begun,  # the separator is gone
        hours=n * minutes / 60.0,
    )


def _runaway(
    n: int, seconds: int, spec: VehicleSpec, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return cell voltages, probe readings, the cell, seconds to the hard short, and when it took over."""
    n_cells, n_probes = spec.cell_count, spec.probe_count
    activation, rate, rise = _CHEMISTRY.get(spec.chemistry, _CHEMISTRY["NCM"])
    size = spec.capacity_ah / 150.0
    heat = _HEAT_J_PER_K * size
    cell = rng.integers(0, n_cells, n)
    me = np.arange(n)
    temperature = np.broadcast_to(rng.uniform(15.0, 45.0, (n, 1)), (n, n_cells)).copy()
    coolant = temperature[:, 0].copy()
    fuel = np.ones((n, n_cells))
    start_s, fall_s = rng.uniform(30.0, 90.0, n), rng.uniform(60.0, 420.0, n)
    hard = rng.uniform(np.log10(0.003), np.log10(0.02), n)
    charge_j = rng.uniform(0.5, 1.0, n) * spec.capacity_ah * 3600.0 * 3.7
    base_v = rng.uniform(3.6, 4.1, (n, 1)) if spec.chemistry != "LFP" else rng.uniform(3.25, 3.34, (n, 1))
    offset = rng.normal(0, 0.002, (n, n_cells))
    gone_s = np.full((n, n_cells), np.inf)
    begun_s = np.full(n, -1.0)
    lag, gain = rng.uniform(20.0, 60.0, (n, n_probes)), rng.uniform(0.4, 0.9, (n, n_probes))
    place = np.linspace(0, n_cells - 1, n_probes).round().astype(np.int64)
    probe = temperature[:, place].copy()
    first = probe.copy()
    volts, probes = np.empty((n, seconds, n_cells)), np.empty((n, seconds, n_probes))
    for second in range(seconds):
        grown = np.clip((second - start_s) / fall_s, 0.0, 1.0)
        ohm = np.where(second >= start_s, 10.0 ** (hard * grown), np.inf)
        power = np.where(charge_j > 0, np.minimum(base_v[:, 0] ** 2 / ohm, 5000.0), 0.0)
        charge_j = charge_j - power
        for _ in range(_SUB):
            kelvin = temperature + _KELVIN
            burn = np.minimum(rate * fuel * np.exp(-activation / (_GAS * kelvin)), fuel * _SUB)
            step = -_LOSS_W_PER_K * (temperature - coolant[:, None])
            step[:, 1:] += _NEIGHBOUR_W_PER_K * (temperature[:, :-1] - temperature[:, 1:])
            step[:, :-1] += _NEIGHBOUR_W_PER_K * (temperature[:, 1:] - temperature[:, :-1])
            step[me, cell] += power
            temperature += (step / heat + rise * burn) / _SUB
            fuel = fuel - burn / _SUB
        fresh = (temperature > _COLLAPSE_DEGC) & np.isinf(gone_s)
        gone_s = np.where(fresh, second, gone_s)
        begun_s = np.where((begun_s < 0) & fresh.any(1), second, begun_s)
        probe += (first + gain * (temperature[:, place] - first) - probe) / lag
        sag = np.clip((second - gone_s) / 5.0, 0.0, 1.0)
        now = base_v * (1.0 - 0.95 * sag) + offset
        now[me, cell] -= base_v[:, 0] * 0.002 / np.maximum(ohm, 0.02) * (sag[me, cell] < 1)
        volts[:, second] = now + rng.normal(0, 0.0007, now.shape)
        probes[:, second] = np.where(probe > _MOST_DEGC, np.nan, probe)
    return volts, probes, cell.astype(np.float64), fall_s, begun_s


def _healthy(
    n: int, seconds: int, spec: VehicleSpec, rng: np.random.Generator, decoy_share: float
) -> tuple[Floats, Floats, np.ndarray[tuple[int], np.dtype[np.str_]]]:
    """Return cell voltages, probe readings and decoys of driving and charging packs."""
    n_cells, n_probes = spec.cell_count, spec.probe_count
    decoy = np.where(rng.random(n) < decoy_share, np.array(DECOYS)[rng.integers(0, len(DECOYS), n)], "")
    t = np.arange(seconds)
    slope = np.where(decoy == "fast_charge", rng.uniform(0.02, 0.045, n), rng.uniform(-0.003, 0.01, n))
    start = rng.uniform(-10.0, 40.0, n)
    start = np.where(decoy == "fast_charge", 20.0, start)
    pack = np.minimum(start[:, None] + slope[:, None] * t, 58.0)
    spread = rng.normal(0, 1.0, (n, 1, n_probes))
    noise = (
        rng.normal(0, 0.1, (n, seconds, n_probes))
        * np.where(decoy == "probe_noise", 10.0, 1.0)[:, None, None]
    )
    probes = pack[:, :, None] + spread + noise
    level = 3.75 if spec.chemistry != "LFP" else 3.30
    current = np.cumsum(rng.normal(0, 0.004, (n, seconds)), axis=1)
    current = np.clip(current - current.mean(1, keepdims=True), -0.15, 0.12)
    volts = np.repeat((level + current)[:, :, None], n_cells, axis=2)
    volts += rng.normal(0, 0.005, (n, 1, n_cells)) + rng.normal(0, 0.0007, volts.shape)
    for vehicle in np.flatnonzero(decoy != "").tolist():
        at, length = int(rng.integers(60, seconds - 120)), int(rng.integers(1, 60))
        probe, cell = int(rng.integers(0, n_probes)), int(rng.integers(0, n_cells))
        span = slice(at, at + length)
        match decoy[vehicle]:
            case "probe_sentinel":
                probes[vehicle, span, probe] = -40.0
            case "probe_spike":
                probes[vehicle, at, probe] += 80.0
            case "probe_step":
                probes[vehicle, at:, probe] += 25.0
            case "loose_wire":
                swing = rng.uniform(0.5, 3.0) * (rng.random(length) < 0.5)
                volts[vehicle, span, cell] -= swing
                volts[vehicle, span, max(0, cell - 1)] += np.minimum(swing, 1.0)
            case "cells_missing":
                volts[vehicle, span] = np.nan
            case "slept":
                probes[vehicle, seconds // 2 :] += rng.uniform(-20.0, 25.0)
            case _:
                continue
    return volts, probes, decoy

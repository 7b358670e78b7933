"""Packs that drive or charge with nothing wrong, and the harmless things that happen to their measurement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.records import VehicleSpec
from simulators.hazards.stream import Flags, Floats, Ints, largest_errors

#: Decoys that are over within a minute, and those that last.
BRIEF = (
    "probe_sentinel", "probe_spike", "probe_step", "loose_wire", "loose_plug", "cells_missing", "slept",
)  # fmt: skip
DECOYS = (*BRIEF, "fast_charge", "probe_noise")
LONGEST_S = 60
_NOISE_K, _NOISY_K = 0.1, 1.0
_CHARGED_DEGC = 58.0
_OPEN_DEGC = -40.0


@dataclass(frozen=True, slots=True)
class Packs:
    """What is drawn once for each healthy pack, shape (n,)."""

    decoy: npt.NDArray[np.str_]
    slope: Floats  #: of its temperature, K/s
    start: Floats  #: °C

    @property
    def noise_k(self) -> Floats:
        """Standard deviation of one reading of a probe."""
        return np.where(self.decoy == "probe_noise", _NOISY_K, _NOISE_K)

    def some(self, which: Flags) -> Packs:
        """Return some of them."""
        return Packs(self.decoy[which], self.slope[which], self.start[which])


@dataclass(frozen=True, slots=True)
class Told:
    """Readings of some packs."""

    packs: Packs
    volts: Floats  #: shape (n, seconds, n_cells)
    probes: Floats  #: shape (n, seconds, n_probes)
    time_s: Floats  #: shape (n, seconds)


def draw_packs(n: int, rng: np.random.Generator, decoy_share: float) -> Packs:
    """Return packs, so many of them with a decoy."""
    decoy = np.where(rng.random(n) < decoy_share, np.array(DECOYS)[rng.integers(0, len(DECOYS), n)], "")
    slope = np.where(decoy == "fast_charge", rng.uniform(0.02, 0.045, n), rng.uniform(-0.003, 0.01, n))
    start = np.where(decoy == "fast_charge", 20.0, rng.uniform(-10.0, 40.0, n))
    return Packs(decoy, slope, start)


def most_rise_k(
    slope: Floats, noise_k: Floats, rng: np.random.Generator, *, count: int, within_s: float
) -> Floats:
    """Return a bound on the rise of any reading over any earlier one within some seconds, for each pack.

    Args:
        slope: Shape (n,), of the pack, K/s.
        noise_k: Shape (n,), standard deviation of one reading.
        rng: Chance.
        count: Readings of all probes.
        within_s: Seconds.

    Returns:
        K: readings are whole degrees, so two differ by at most 1 K more than what they round.
    """
    return np.maximum(slope, 0.0) * within_s + 2.0 * largest_errors(noise_k, count, rng) + 1.0


def healthy_packs(
    packs: Packs, seconds: int, struck_s: Ints, *, spec: VehicleSpec, rng: np.random.Generator
) -> Told:
    """Return readings of driving and charging packs; decoys strike at some second, shape (n,)."""
    n, n_cells, n_probes = len(packs.decoy), spec.cell_count, spec.probe_count
    decoy, t = packs.decoy, np.arange(seconds)
    pack = np.minimum(packs.start[:, None] + packs.slope[:, None] * t, _CHARGED_DEGC)
    spread = rng.normal(0, 1.0, (n, 1, n_probes))
    noise = rng.normal(0, 1.0, (n, seconds, n_probes)) * packs.noise_k[:, None, None]
    probes = pack[:, :, None] + spread + noise
    level = 3.75 if spec.chemistry != "LFP" else 3.30
    current = np.cumsum(rng.normal(0, 0.004, (n, seconds)), axis=1)
    current = np.clip(current - current.mean(1, keepdims=True), -0.15, 0.12)
    volts = np.repeat((level + current)[:, :, None], n_cells, axis=2)
    volts += rng.normal(0, 0.005, (n, 1, n_cells)) + rng.normal(0, 0.0007, volts.shape)
    # what a vehicle that slept sends afterwards is hours old
    time_s = np.broadcast_to(t.astype(np.float64), (n, seconds)).copy()
    for vehicle in np.flatnonzero(decoy != "").tolist():
        at, length = int(struck_s[vehicle]), int(rng.integers(1, LONGEST_S))
        probe, cell = int(rng.integers(0, n_probes)), int(rng.integers(0, n_cells))
        span = slice(at, at + length)
        match decoy[vehicle]:
            case "probe_sentinel":
                probes[vehicle, span, probe] = _OPEN_DEGC
            case "probe_spike":
                probes[vehicle, at, probe] += 80.0
            case "probe_step":
                probes[vehicle, at:, probe] += 25.0
            case "loose_wire":
                _loosen(volts[vehicle, span], cell, rng)
            case "loose_plug":
                _loosen(volts[vehicle, span], cell, rng)
                probes[vehicle, at:, probe] = _cut_off(probes[vehicle, at:, probe], length, rng)
            case "cells_missing":
                volts[vehicle, span] = np.nan
            case "slept":
                probes[vehicle, at:] += rng.uniform(-20.0, 25.0)
                time_s[vehicle, at:] += 8 * 3600.0
            case _:
                continue
    return Told(packs, volts, probes, time_s)


def _loosen(volts: Floats, cell: int, rng: np.random.Generator) -> None:
    """Take a cell's voltage away now and then, and give some of it to its neighbour; (seconds, n_cells)."""
    swing = rng.uniform(0.5, 3.0) * (rng.random(len(volts)) < 0.5)
    volts[:, cell] -= swing
    volts[:, max(0, cell - 1)] += np.minimum(swing, 1.0)


def _cut_off(probe: Floats, length: int, rng: np.random.Generator) -> Floats:
    """Return a probe whose contact opens now and then for some seconds, behind the filter of its input.

    An open thermistor reads as cold as there is; the filter makes a fall and a return of every cut.
    """
    is_open = np.zeros(len(probe), dtype=np.bool_)
    is_open[:length] = np.repeat(rng.random(length) < 0.5, 3)[:length]
    lag_s = rng.uniform(0.3, 5.0)
    share = 1.0 - np.exp(-1.0 / lag_s)
    out, value = np.empty(len(probe)), float(probe[0])
    for second, (true, cut) in enumerate(zip(probe.tolist(), is_open.tolist(), strict=True)):
        value += share * ((_OPEN_DEGC if cut else true) - value)
        out[second] = value
    return out

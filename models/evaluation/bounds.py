"""What no detector can beat: how soon a puncture can be told at all from what tire sensors send."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.stats import norm

from data.records import FloatArray

#: Resolutions of sensors, kPa, as often as each other.
GRIDS_KPA = (1.373, 2.5, 4.0)
#: A sensor sends so often until it has seen a change of ``HURRY_KPA``, then every few seconds.
PERIOD_S, HURRY_KPA = 62.0, 21.0
#: Of one reading: electrical noise, and the rounding of the temperature to 1 °C at 1.15 kPa/K.
_NOISE_KPA, _ROUNDING_KPA = 0.8, 1.15 / np.sqrt(12.0)
#: Variance of the median of three others, and of a level known from nine readings, over that of one reading.
_OTHERS, _LEVEL = 0.449, 1 / 9
#: 0.05 false alerts per 1,000 vehicle-days of 1.2 h, four wheels heard once a minute.
_FALSE_A_LOOK = 0.05 / 1000 / (4 * 1.2 * 3600 / PERIOD_S)
#: One sensor in a hundred that jumps may be taken for a puncture.
_JUMPS_TAKEN = 0.01
_PHASES, _RATES = 64, 16


def puncture_bound(
    rate_kpa_per_min: FloatArray, grid_kpa: float, *, within_s: float = 90.0
) -> tuple[FloatArray, FloatArray]:
    """Return the share of punctures that any detector could tell in time at most.

    The clock starts with the first reading after a loss of one step of the sensor; readings come every
    ``PERIOD_S``, so that this one and the next are all there is within 90 s. With independent normal
    errors of standard deviation s, the most powerful test of known losses x_k against none (Neyman and
    Pearson) finds Phi(sqrt(sum x_k^2) / s - z) of them, z the quantile of the false alerts allowed. A
    sensor that jumps and stays looks the same: if it jumped before the first of the two readings the loss
    does not grow between them, if after it there was none before. What tells a puncture from it is the
    weaker of the two, Phi(min(x_1 / s, growth / (sqrt(2) s')) - z_j), s' without the level. Both hold for
    the rate known beforehand and nothing else going on: real detectors stay below. From ``HURRY_KPA`` on
    sensors send in a hurry and the bounds are taken as 1.

    Args:
        rate_kpa_per_min: Shape (n,).
        grid_kpa: Resolution of the sensor.
        within_s: After the first changed reading.

    Returns:
        Against noise, and against sensors that jump; shape (n,) each, 0-1.
    """
    period_min = PERIOD_S / 60.0
    step = rate_kpa_per_min[:, None] * period_min
    phase = (np.arange(_PHASES)[None, :] + 0.5) / _PHASES
    # losses at the readings are (phase + k) x step; the first of them that is a step of the sensor or more
    first = (phase + np.ceil(np.maximum(grid_kpa / step - phase, 0.0))) * step
    later = np.arange(int(within_s // PERIOD_S) + 1)[:, None, None]
    losses = first[None] + later * step[None]
    one = _NOISE_KPA**2 + grid_kpa**2 / 12.0 + _ROUNDING_KPA**2
    error = np.sqrt(one * (1.0 + _OTHERS + _LEVEL))
    strength = np.sqrt((losses**2).sum(0)) / error
    apart = np.sqrt(2.0 * one * (1.0 + _OTHERS))
    is_hurried = losses[-1] >= HURRY_KPA
    noise = norm.cdf(strength - norm.isf(_FALSE_A_LOOK))
    weaker = np.minimum(losses[0] / error, (losses[-1] - losses[0]) / apart)
    jumps = norm.cdf(weaker - norm.isf(_JUMPS_TAKEN))
    against_noise, against_jumps = (
        np.where(is_hurried, 1.0, share).mean(1) for share in (noise, np.minimum(noise, jumps))
    )
    return against_noise, against_jumps


def puncture_bounds(edges: Sequence[float]) -> list[dict[str, Any]]:
    """Return the bounds by size, over rates spread evenly in logarithm and all resolutions; argued.

    Args:
        edges: kPa/min, ascending.
    """
    out = []
    for low, high in pairwise(edges):
        rates = np.exp(np.log(low) + np.log(high / low) * (np.arange(_RATES) + 0.5) / _RATES)
        found = np.mean([puncture_bound(rates, grid) for grid in GRIDS_KPA], axis=(0, 2))
        noise, jumps = (round(float(share), 3) for share in found)
        out.append({"from": low, "to": high, "against_noise": noise, "against_jumps": jumps})
    return out

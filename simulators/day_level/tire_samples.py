"""A day's transmissions of tire sensors, quantised as they are sent, and the medians over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.day_level.chance import Floats, Singles, TopicChance
from simulators.day_level.tire_gas import Gas

REFERENCE_K = 293.15
#: One transmission: electrical noise of pressure and of temperature, resolution of temperature.
_NOISE_KPA, _NOISE_K = 0.8, 0.4
#: A morning's transmissions, the last of them held while parked; the same in the evening.
_ORDER = np.array([*range(10), 9, 9, *range(10, 21), 20])
_DRAWN, _KEPT = 21, len(_ORDER)
_THIRD = _KEPT // 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DayMedians:
    """What a day's readings come to; (F, D, W) in kPa."""

    gas: Singles
    begin: Singles  #: of the first third
    end: Singles
    contrast: Singles
    begin_contrast: Singles
    end_contrast: Singles
    spread: Singles  #: robust standard deviation of the contrast
    gauge_span: Singles


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Where the sensors measure; (F, D, 1) or (F, D, W)."""

    air_kpa: Floats
    cool_degc: Floats  #: of the gas when the day begins
    warms_k: Floats  #: how far it warms
    bias_kpa: Floats
    bias_k: Floats
    grid_kpa: Floats
    noise: Floats  #: over the usual
    is_still: Floats  #: 1 where one transmission is held all day
    transmissions: Floats  #: independent ones of the day


def draw_medians(chance: TopicChance, gas: Gas, at: Conditions) -> DayMedians:
    """Return medians over a day's readings, as readings are compensated: P (293 K) / T, absolute.

    Two dozen readings stand for the day; where there were more transmissions, the error of the medians
    shrinks with the root of their number.
    """
    _, days, n_wheels = gas.amount_kpa.shape
    shape = (days, n_wheels, _DRAWN)
    phase = chance.uniform(days, 1, _DRAWN)
    cool, warms, air, grid, bias_kpa, bias_k, noise = (
        values[..., None].astype(np.float32)
        for values in (
            at.cool_degc + 273.15,
            at.warms_k,
            at.air_kpa,
            at.grid_kpa,
            at.bias_kpa,
            at.bias_k,
            at.noise,
        )
    )
    kelvin = cool + warms * phase
    amount = np.empty((*gas.amount_kpa.shape, _DRAWN), np.float32)
    third = _DRAWN // 3
    for place, values in enumerate((gas.begin_kpa, gas.amount_kpa, gas.end_kpa)):
        amount[..., place * third : (place + 1) * third] = values[..., None]
    gauge = amount * kelvin / np.float32(REFERENCE_K) - air + bias_kpa
    gauge += np.float32(_NOISE_KPA) * noise * chance.normal(*shape)
    gauge = np.rint(gauge / grid) * grid
    degc = np.rint(kelvin - np.float32(273.15) + bias_k + np.float32(_NOISE_K) * chance.normal(*shape))
    sent = (gauge + air) * np.float32(REFERENCE_K) / (degc + np.float32(273.15))
    held = np.where(at.is_still[..., None] > 0, sent[..., :1], sent)
    read: Singles = np.asarray(held[..., _ORDER], np.float32)
    others = median_of_others(read)
    against: Singles = np.asarray(read - others, np.float32)
    # what endless readings would come to, for days that have many more than two dozen
    ideal = _ideal(gas.amount_kpa, at)
    few = np.sqrt(np.minimum(_DRAWN / np.maximum(at.transmissions, 1.0), 1.0)).astype(np.float32)
    middle = ideal + (_median(read) - ideal) * few
    ideal_against = ideal - median_of_others(ideal[..., None])[..., 0]
    contrast = _median(against)
    first, last = slice(0, _THIRD), slice(2 * _THIRD, None)
    span = np.sort(gauge, axis=-1)
    return DayMedians(
        gas=np.asarray(middle, np.float32),
        begin=_median(read[..., first]),
        end=_median(read[..., last]),
        contrast=np.asarray(ideal_against + (contrast - ideal_against) * few, np.float32),
        begin_contrast=_median(against[..., first]),
        end_contrast=_median(against[..., last]),
        spread=np.asarray(
            1.4826 * _median(np.asarray(np.abs(against - contrast[..., None]), np.float32)), np.float32
        ),
        gauge_span=np.asarray(span[..., -1] - span[..., 0], np.float32),
    )


def median_of_others(values: Singles) -> Singles:
    """Return the median of the other wheels at the same instant; shape (..., W, K), no value missing."""
    out = np.empty_like(values)
    wheels = values.shape[-2]
    for wheel in range(wheels):
        others = [values[..., other, :] for other in range(wheels) if other != wheel]
        if len(others) == 3:
            a, b, c = others
            out[..., wheel, :] = np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
        else:
            out[..., wheel, :] = np.median(np.stack(others), axis=0)
    return out


def _ideal(amount_kpa: Floats, at: Conditions) -> Singles:
    kelvin = at.cool_degc + 273.15 + 0.5 * at.warms_k
    shown = (amount_kpa * kelvin / REFERENCE_K + at.bias_kpa) * REFERENCE_K / (kelvin + at.bias_k)
    return np.asarray(shown, np.float32)


def _median(values: Singles) -> Singles:
    """Return the median along the last axis, of an even number of values."""
    ranked = np.sort(values, axis=-1)
    half = values.shape[-1] // 2
    return np.asarray((ranked[..., half - 1] + ranked[..., half]) * np.float32(0.5), np.float32)

"""Insulation that gives way and plugs that open, second by second, and packs of which neither is true."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from data.records import FailureMode, VehicleSpec
from simulators.errors import FleetError
from simulators.hazards.stream import START_US, Flags, Floats, Stream, largest_errors

INSULATION, INTERLOCK = FailureMode.INSULATION_LOSS.value, FailureMode.ONBOARD_ALARM.value
HEALTHY = "healthy"
DECOYS = (
    "rain", "splash", "closing_contactor", "terminal_zero", "voltage_spikes", "stuck_measurement",
    "rough_road", "service_plug", "workshop", "loop_unknown",
)  # fmt: skip
#: The monitor measures by turns against both poles: a new value so often, with an error of its share.
_PERIOD_S: Final = 5
_ERROR: Final = 0.04
_MOST_KOHM: Final = 10_000.0
#: Of the voltage with charge and load, either way.
_SWING: Final = 0.06
_CLOSED, _OPEN = 1.0, 2.0
_CELL_V: Final = {"LFP": 3.3}


@dataclass(frozen=True, slots=True)
class _Packs:
    """What is drawn once for each, shape (n,)."""

    decoy: npt.NDArray[np.str_]
    volts: Floats
    kohm: Floats  #: dry and whole

    def some(self, which: Flags) -> _Packs:
        return _Packs(self.decoy[which], self.volts[which], self.kohm[which])


def high_voltage_stream(
    kind: str, n: int, spec: VehicleSpec, *, seed: int, minutes: float = 20.0, decoy_share: float = 0.1
) -> Stream:
    """Return ``n`` vehicles that tell of insulation, voltage and interlock once a second.

    A monitor tells a new value every 5 s and follows the resistance with 5-30 s, for it charges the
    capacitors between the poles and the body; it errs by 4 % and ends at 10 MOhm. Insulation gives way
    within seconds (a cable rubs through) or minutes (coolant leaks) to 20-450 Ohm/V. An interlock opens
    for good, or again and again for 15 s to 5 min, with the pack live.

    Args:
        kind: ``insulation_loss``, ``onboard_alarm`` (the interlock) or ``healthy``.
        n: Vehicles.
        spec: Of all of them.
        seed: The same seed gives the same vehicles.
        minutes: Of each.
        decoy_share: Of healthy vehicles with a decoy.

    Raises:
        FleetError: The kind is unknown.
    """
    if kind not in (INSULATION, INTERLOCK, HEALTHY):
        raise FleetError(f"kind {kind!r}: must be {INSULATION}, {INTERLOCK} or {HEALTHY}")
    rng = np.random.default_rng([seed, 3, (INSULATION, INTERLOCK, HEALTHY).index(kind)])
    packs = _draw_packs(n, spec, rng, decoy_share if kind == HEALTHY else 0.0)
    return _stream(kind, packs, spec, rng, seed=seed, seconds=int(minutes * 60), hours=n * minutes / 60.0)


def high_voltage_days(
    n: int,
    spec: VehicleSpec,
    *,
    seed: int,
    ohm_per_v: float,
    minutes: float = 72.0,
    decoy_share: float = 0.07,
) -> Stream:
    """Return of ``n`` vehicle-days those on which the insulation may be read below a level, or a loop open.

    Days are drawn as those of ``high_voltage_stream``. On a day without a decoy no loop opens, and the lowest
    value read is the resistance less the largest of the day's errors (drawn as the extreme of so many): where
    that stays above the level no reading is written, the day counts in ``unread_hours``.

    Args:
        n: Vehicle-days.
        spec: Of all of them.
        seed: The same seed gives the same days.
        ohm_per_v: Level that matters to whoever asks.
        minutes: Of a day in which the vehicle sends.
        decoy_share: Of days with a decoy.

    Raises:
        FleetError: There is no day to draw.
    """
    if n < 1:
        raise FleetError(f"n {n}: must be 1 or more")
    rng = np.random.default_rng([seed, 3, 3])
    packs = _draw_packs(n, spec, rng, decoy_share)
    seconds = int(minutes * 60)
    worst = largest_errors(np.full(n, _ERROR), seconds // _PERIOD_S + 1, rng)
    lowest = 1000.0 * (packs.kohm * (1.0 - worst) - 0.5) / (packs.volts * (1.0 + _SWING))
    is_read = (packs.decoy != "") | (lowest < ohm_per_v)
    some = packs.some(is_read)
    stream = _stream(HEALTHY, some, spec, rng, seed=seed, seconds=seconds, hours=n * minutes / 60.0)
    return replace(stream, unread_hours=float((~is_read).sum()) * minutes / 60.0)


def _draw_packs(n: int, spec: VehicleSpec, rng: np.random.Generator, decoy_share: float) -> _Packs:
    decoy = np.where(rng.random(n) < decoy_share, np.array(DECOYS)[rng.integers(0, len(DECOYS), n)], "")
    volts = max(1, spec.cell_count) * _CELL_V.get(spec.chemistry, 3.7) * rng.uniform(0.93, 1.1, n)
    whole = np.exp(rng.normal(np.log(5000.0), 0.6, n))
    return _Packs(decoy, volts, np.clip(whole, 2.0 * volts, None))


def _stream(
    kind: str,
    packs: _Packs,
    spec: VehicleSpec,
    rng: np.random.Generator,
    *,
    seed: int,
    seconds: int,
    hours: float,
) -> Stream:
    n = len(packs.decoy)
    t = np.arange(seconds)
    onset_s = rng.integers(seconds // 6, seconds // 2, n)
    kohm = np.repeat(packs.kohm[:, None], seconds, axis=1)
    swing = np.clip(np.cumsum(rng.normal(0, 1.5e-4, (n, seconds)), axis=1), -_SWING, _SWING)
    volts = packs.volts[:, None] * (1.0 + swing)
    loop = np.full((n, seconds), _CLOSED)
    magnitude = np.full(n, np.nan)
    if kind == INSULATION:
        magnitude = np.exp(rng.uniform(np.log(20.0), np.log(450.0), n))
        falls_s = np.exp(rng.uniform(np.log(2.0), np.log(400.0), n))
        share = np.clip((t - onset_s[:, None]) / falls_s[:, None], 0.0, 1.0)
        bottom = magnitude * packs.volts / 1000.0
        kohm = packs.kohm[:, None] * (bottom / packs.kohm)[:, None] ** share
    elif kind == INTERLOCK:
        for row, begun in enumerate(onset_s.tolist()):
            loop[row] = _loop_of_fault(begun, seconds, rng)
    else:
        for row in np.flatnonzero(packs.decoy != "").tolist():
            _wet(str(packs.decoy[row]), kohm[row], packs.volts[row], int(onset_s[row]), rng)
            _unplug(str(packs.decoy[row]), loop[row], volts[row], int(onset_s[row]), rng)
    told = _measured(kohm, rng)
    for row in np.flatnonzero(packs.decoy != "").tolist():
        _mistake(str(packs.decoy[row]), told[row], volts[row], int(onset_s[row]), rng)
    is_hazard = kind != HEALTHY
    shows = told * 1000.0 / np.maximum(volts, 1.0) < 500.0 if kind == INSULATION else loop == _OPEN
    first_s = np.where(shows.any(1), shows.argmax(1), -1)
    return Stream(
        kind=kind,
        seed=seed,
        spec=spec,
        row=np.repeat(np.arange(n, dtype=np.int64), seconds),
        time_us=START_US + np.tile(t.astype(np.int64) * 1_000_000, n),
        columns={
            "insulation": told.ravel(),
            "pack.voltage": np.rint(volts.ravel() * 10.0) / 10.0,
            "hv.interlock": loop.ravel(),
        },
        component=("battery" if is_hazard else "",) * n,
        decoy=tuple(str(d) for d in packs.decoy),
        magnitude=magnitude,
        shown_us=np.where(is_hazard & (first_s >= 0), START_US + first_s * 1_000_000, -1),
        limit_us=np.full(n, -1, dtype=np.int64),
        hours=hours,
    )


def _measured(kohm: Floats, rng: np.random.Generator) -> Floats:
    """Return what the monitor tells of the true resistance, (n, seconds), kΩ."""
    n, seconds = kohm.shape
    share = 1.0 - np.exp(-_PERIOD_S / rng.uniform(5.0, 30.0, n))
    value = kohm[:, 0].copy()
    told = np.empty_like(kohm)
    for at in range(0, seconds, _PERIOD_S):
        value += share * (kohm[:, at] - value)
        error = np.clip(1.0 + rng.normal(0, _ERROR, n), 0.0, None)
        told[:, at : at + _PERIOD_S] = np.minimum(value * error, _MOST_KOHM)[:, None]
    return np.rint(told)


def _loop_of_fault(begun: int, seconds: int, rng: np.random.Generator) -> Floats:
    loop = np.full(seconds, _CLOSED)
    if rng.random() < 0.5:
        loop[begun:] = _OPEN
        return loop
    at = begun
    while at < seconds:
        length = int(rng.uniform(15, 300))
        loop[at : at + length] = _OPEN
        at += length + int(rng.uniform(5, 120))
    return loop


def _wet(decoy: str, kohm: Floats, volts: float, at: int, rng: np.random.Generator) -> None:
    """Let the resistance of one vehicle fall for what harms nothing, (seconds,)."""
    if decoy == "rain":  # hours of it, but never so low that it is to be inspected
        low = rng.uniform(600.0, 2000.0) * volts / 1000.0
        kohm[at:] = np.minimum(kohm[at:], low)
    elif decoy == "splash":  # a puddle dries off a plug that is hot
        length = int(rng.lognormal(np.log(15.0), 0.5))
        kohm[at : at + length] = rng.uniform(50.0, 450.0) * volts / 1000.0


def _unplug(decoy: str, loop: Floats, volts: Floats, at: int, rng: np.random.Generator) -> None:
    """Open the loop of one vehicle where nobody is in danger, (seconds,)."""
    if decoy == "rough_road":  # the contact bounces
        for _ in range(int(rng.integers(5, 40))):
            begun = at + int(rng.integers(0, 600))
            loop[begun : begun + int(rng.integers(1, 4))] = _OPEN
    elif decoy == "service_plug":  # pulled: contactors open, capacitors empty within seconds
        loop[at:] = _OPEN
        since = np.arange(len(volts) - at)
        volts[at:] *= np.exp(-np.maximum(since - 0.5, 0.0) / rng.uniform(0.5, 3.0))
    elif decoy == "workshop":
        length = int(rng.integers(300, 1200))
        loop[at : at + length] = _OPEN
        volts[max(0, at - 60) : at + length + 60] = 0.0
    elif decoy == "loop_unknown":
        loop[at : at + int(rng.integers(30, 600))] = np.nan


def _mistake(decoy: str, told: Floats, volts: Floats, at: int, rng: np.random.Generator) -> None:
    """Change what is told of one vehicle with which nothing is wrong, (seconds,)."""
    length = int(rng.integers(3, 25))
    if decoy == "closing_contactor":  # the first measurement after switching on charges the capacitors
        told[:length] = np.rint(rng.uniform(0.0, 200.0))
    elif decoy == "terminal_zero":  # sends before it knows a value
        told[: int(rng.integers(5, 900))] = 0.0
    elif decoy == "voltage_spikes":
        hit = at + rng.integers(0, 600, 30)
        volts[hit[hit < len(volts)]] = rng.uniform(900.0, 6000.0)
    elif decoy == "stuck_measurement":  # held low over a turn of the bridge or two
        told[at : at + length] = np.rint(rng.uniform(1.0, 150.0))

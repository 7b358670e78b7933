"""Punctures, tires that heat up until they burst, and drives on which nothing is wrong with a tire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data.records import FailureMode, VehicleSpec
from simulators.errors import FleetError
from simulators.hazards.sensors import WheelSensors
from simulators.hazards.stream import START_US, Flags, Floats, Ints, Stream

PUNCTURE, BLOWOUT = FailureMode.TIRE_PUNCTURE.value, FailureMode.TIRE_BLOWOUT_RISK.value
HEALTHY = "healthy"
DECOYS = (
    "hot_stop", "zero_drop", "sentinel", "spike", "bias_step", "hot_brake", "mountain", "from_garage",
    "refill", "air_release", "silent_sensor", "towing",
)  # fmt: skip
#: The sensor measures so often.
STEP_S = 4.0
_WARM_UP_S = 18 * 60.0
_AIR_KPA = 101.325
_REFERENCE_K = 293.15
_SPEEDS = (25.0, 60.0, 105.0)


@dataclass(slots=True, kw_only=True)
class _Drive:
    """What is drawn once for each vehicle, (V,) or (V, 4)."""

    ambient: Floats
    altitude: Floats
    speed: Floats  #: it tends to
    load: Floats
    placard: Floats
    amount: Floats  #: (V, 4) absolute pressure at 20 °C
    cavity: Floats  #: (V, 4) temperature
    bias_kpa: Floats
    bias_k: Floats
    grid: Floats
    wheel: Ints
    onset_s: Floats
    rate: Floats  #: kPa/min at placard
    growth_s: Floats  #: of the heat of a tire that comes apart
    burst_degc: Floats
    belt_k: Floats  #: above the cavity
    decoy: npt.NDArray[np.str_]

    def of(self, decoy: str, began: Floats, length_s: float) -> Flags:
        """Return the wheels that a decoy holds at the moment, (V, 4)."""
        holds = (self.decoy == decoy) & (began >= 0) & (began < length_s)
        return np.asarray(holds[:, None] & (np.arange(4)[None, :] == self.wheel[:, None]))


def tire_stream(
    kind: str, n: int, spec: VehicleSpec, *, seed: int, minutes: float = 60.0, decoy_share: float = 0.02
) -> Stream:
    """Return ``n`` drives of one kind.

    Sensors measure every 4 s, send about every minute, and every 4 s after a change of 21 kPa; a row is sent
    whenever a wheel was heard, with the age of the others' values. The cavity warms towards
    T = outside + 20 K (v/100) load (P0/P)^0.7 with 18 min. A tire that will burst is 22-40 % low under load
    on a motorway; from some minute on it comes apart: heat grows exponentially, gas leaves, it bursts when
    the belt (10-25 K above the cavity) reaches 115-130 °C.

    Args:
        kind: ``tire_puncture`` (1-60 kPa/min), ``tire_blowout_risk`` or ``healthy``.
        n: Vehicles.
        spec: Of all of them; four wheels.
        seed: The same seed gives the same drives.
        minutes: Of each drive.
        decoy_share: Of healthy drives with a decoy.

    Raises:
        FleetError: The kind is unknown, or the vehicle has not four wheels.
    """
    if kind not in (PUNCTURE, BLOWOUT, HEALTHY):
        raise FleetError(f"kind {kind!r}: must be {PUNCTURE}, {BLOWOUT} or {HEALTHY}")
    if len(spec.wheels) != 4:
        raise FleetError(f"wheels {len(spec.wheels)}: must be 4")
    rng = np.random.default_rng([seed, 1, (PUNCTURE, BLOWOUT, HEALTHY).index(kind)])
    drive = _draw(kind, n, spec, rng, minutes=minutes, decoy_share=decoy_share)
    sensors = WheelSensors.silent(n, rng)
    speed, lost = np.zeros(n), np.zeros(n)
    limit_s, shown_s = np.full(n, np.inf), np.full(n, np.inf)
    at = (np.arange(n), drive.wheel)
    out: list[_Rows] = []
    for step in range(int(minutes * 60 / STEP_S)):
        now = step * STEP_S
        began = now - drive.onset_s
        stands = _stands(drive, began)
        if kind != BLOWOUT:
            turns = rng.random(n) < STEP_S / 420.0
            drive.speed = np.where(turns, rng.choice(_SPEEDS, n), drive.speed)
        goal = np.where(stands | (now < 60.0), 0.0, drive.speed)
        speed = speed + (goal - speed) * (STEP_S / 25.0) + rng.normal(0, 1.5, n) * (goal > 0)
        speed = np.clip(speed, 0.0, 140.0)
        altitude = _altitude(drive, began)
        gauge = drive.amount * (drive.cavity + 273.15) / _REFERENCE_K - _air_kpa(altitude)[:, None]
        _warm(drive, kind, gauge=gauge, speed=speed, stands=stands, began=began)
        loss = _loss(drive, kind, gauge[at], began)
        drive.amount[at] -= loss
        lost += loss
        _tend(drive, began)
        breaks = (
            drive.cavity[at] + drive.belt_k >= drive.burst_degc
            if kind == BLOWOUT
            else gauge[at] < 0.6 * drive.placard[at]
        )
        limit_s = np.where(np.isinf(limit_s) & breaks & (kind != HEALTHY), now, limit_s)
        is_mute = drive.of("silent_sensor", began, 1200.0)
        if kind == BLOWOUT:
            is_mute |= (now >= limit_s)[:, None]
        sends = sensors.hear(now, *_measured(drive, gauge, began, rng), is_mute)
        is_seen = sends[at] & (began >= 0) & ((kind != PUNCTURE) | (lost >= drive.grid))
        shown_s = np.where(np.isinf(shown_s) & is_seen, now, shown_s)
        rows = np.flatnonzero(sends.any(1))
        out.append(
            _Rows(rows, np.full(len(rows), now), *sensors.told(rows, now), speed[rows], altitude[rows])
        )
    readings = _Rows(*(np.concatenate(parts) for parts in zip(*out, strict=True)))
    return _stream(kind, seed, drive, readings, spec=spec, ends=(shown_s, limit_s), hours=n * minutes / 60.0)


class _Rows(NamedTuple):
    """Readings of one instant, then of all."""

    row: Ints
    time_s: Floats
    kpa: Floats
    degc: Floats
    age_s: Floats
    speed: Floats
    altitude: Floats


def _stands(drive: _Drive, began: Floats) -> Flags:
    """Tell who stands still: after a hot drive, or to put air in or let it out."""
    rests = (drive.decoy == "hot_stop") & (began > 0) & (began < 900.0)
    return np.asarray(
        rests | (np.isin(drive.decoy, ["refill", "air_release"]) & (np.abs(began - 90.0) < 240.0))
    )


def _altitude(drive: _Drive, began: Floats) -> Floats:
    falls = np.where(drive.decoy == "mountain", 1200.0 * np.clip(began / 1800.0, 0.0, 1.0), 0.0)
    return np.asarray(drive.altitude - falls)


def _air_kpa(altitude_m: Floats) -> Floats:
    return np.asarray(_AIR_KPA * (1 - 2.25577e-5 * altitude_m) ** 5.2559)


def _warm(drive: _Drive, kind: str, *, gauge: Floats, speed: Floats, stands: Flags, began: Floats) -> None:
    """Move the cavities towards the temperature of their work."""
    heat = 20.0 * (speed / 100.0)[:, None] * drive.load * (drive.placard / np.maximum(gauge, 60.0)) ** 0.7
    heat += np.where(drive.of("hot_brake", began, 700.0), 45.0, 0.0)
    heat += np.where(stands[:, None] & (np.arange(4) < 2), 8.0, 0.0)
    drive.cavity += (drive.ambient[:, None] + heat - drive.cavity) * STEP_S / _WARM_UP_S
    if kind == BLOWOUT:
        grown = np.clip(began / drive.growth_s, 0.0, 6.0)
        rise = np.where(began >= 0, 2.0 * STEP_S / drive.growth_s * np.exp(grown), 0.0)
        drive.cavity[np.arange(len(began)), drive.wheel] += rise


def _loss(drive: _Drive, kind: str, gauge: Floats, began: Floats) -> Floats:
    """Return what the wheel loses in a step, kPa at 20 °C; flow through a hole follows the pressure."""
    if kind == HEALTHY:
        return np.zeros(len(began))
    full = drive.placard[np.arange(len(began)), drive.wheel]
    begins = 0.0 if kind == PUNCTURE else drive.growth_s
    share = np.sqrt(np.maximum(gauge, 0.0) / full) if kind == PUNCTURE else 1.0
    return np.asarray(np.where(began >= begins, drive.rate * STEP_S / 60.0 * share, 0.0))


def _draw(
    kind: str, n: int, spec: VehicleSpec, rng: np.random.Generator, *, minutes: float, decoy_share: float
) -> _Drive:
    placard = np.broadcast_to(np.asarray(spec.placard_kpa, dtype=np.float64), (n, 4)).copy()
    wheel = rng.integers(0, 4, n)
    ambient = rng.uniform(-15.0, 38.0, n)
    gauge = placard * (1 + rng.normal(0, 0.03, (n, 4)))
    speed, load = (
        rng.choice([25.0, 60.0, 105.0], n),
        rng.uniform(0.65, 1.05, (n, 1)) + rng.normal(0, 0.03, (n, 4)),
    )
    decoy = np.full(n, "", dtype="<U16")
    rate = np.full(n, np.nan)
    if kind == BLOWOUT:
        ambient = rng.uniform(15.0, 40.0, n)
        gauge[np.arange(n), wheel] *= rng.uniform(0.60, 0.78, n)
        speed, load = rng.uniform(100.0, 130.0, n), rng.uniform(0.95, 1.2, (n, 1)) + np.zeros((n, 4))
        rate = rng.uniform(0.3, 2.0, n)
    elif kind == PUNCTURE:
        rate = np.exp(rng.uniform(0.0, np.log(60.0), n))
    else:
        has_decoy = rng.random(n) < decoy_share
        decoy = np.where(has_decoy, np.array(DECOYS)[rng.integers(0, len(DECOYS), n)], "")
        towing = decoy == "towing"
        load = np.where(towing[:, None], rng.uniform(1.05, 1.2, (n, 1)), load)
        speed = np.where(towing, 85.0, speed)
    cavity = ambient[:, None] + rng.uniform(-1.0, 1.0, (n, 4))
    cavity = np.where((decoy == "from_garage")[:, None], 20.0, cavity)
    return _Drive(
        ambient=np.where(decoy == "from_garage", np.minimum(ambient, -8.0), ambient),
        altitude=np.where(
            decoy == "mountain", 1500.0, rng.choice([0.0, 200.0, 1000.0], n, p=[0.6, 0.3, 0.1])
        ),
        speed=speed,
        load=load,
        placard=placard,
        amount=gauge + _AIR_KPA,
        cavity=cavity,
        bias_kpa=rng.normal(0, 3.0, (n, 4)),
        bias_k=rng.normal(0, 1.0, (n, 4)),
        grid=rng.choice([1.373, 2.5, 4.0], n),
        wheel=wheel,
        onset_s=rng.uniform(1 / 6, 1 / 2, n) * minutes * 60.0,
        rate=rate,
        growth_s=rng.uniform(240.0, 600.0, n),
        burst_degc=rng.uniform(115.0, 130.0, n),
        belt_k=rng.uniform(10.0, 25.0, n),
        decoy=decoy,
    )


def _tend(drive: _Drive, began: Floats) -> None:
    """Let somebody put air in, or let some out, one wheel after the other, 30 s each."""
    turn = np.floor((began - 60.0) / 30.0)
    is_here = np.arange(4)[None, :] == turn[:, None]
    for kind, kpa in (("refill", 25.0), ("air_release", -15.0)):
        drive.amount += np.where(is_here & (drive.decoy == kind)[:, None], kpa * STEP_S / 30.0, 0.0)


def _measured(drive: _Drive, gauge: Floats, began: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return what the sensors make of pressure and temperature."""
    true_kpa = np.maximum(gauge, 0.0) + drive.bias_kpa + rng.normal(0, 0.8, gauge.shape)
    true_kpa += np.where(drive.of("bias_step", began, np.inf), -12.0, 0.0)
    true_kpa += np.where(drive.of("spike", began, STEP_S), -35.0, 0.0)
    grid = drive.grid[:, None]
    kpa = np.maximum(np.rint(true_kpa / grid) * grid, 0.0)
    degc = np.rint(drive.cavity + drive.bias_k)
    kpa = np.where(drive.of("zero_drop", began, 240.0), 0.0, kpa)
    gone = drive.of("sentinel", began, 240.0)
    return np.where(gone, np.nan, kpa), np.where(gone, np.nan, degc)


def _stream(
    kind: str,
    seed: int,
    drive: _Drive,
    found: _Rows,
    *,
    spec: VehicleSpec,
    ends: tuple[Floats, Floats],
    hours: float,
) -> Stream:
    order = np.lexsort((found.time_s, found.row))
    row, shown_s, limit_s = found.row[order].astype(np.int64), *ends
    is_hazard = kind != HEALTHY
    return Stream(
        kind=kind,
        seed=seed,
        spec=spec,
        row=row,
        time_us=_to_us(found.time_s[order]),
        columns={
            "tire.pressure": found.kpa[order],
            "tire.temperature": found.degc[order],
            "tire.age": found.age_s[order],
            "speed": found.speed[order],
            "ambient": drive.ambient[row],
            "altitude": found.altitude[order],
            "barometer": _air_kpa(found.altitude[order]),
        },
        component=tuple(f"tire {spec.wheels[w]}" if is_hazard else "" for w in drive.wheel),
        decoy=tuple(str(d) for d in drive.decoy),
        magnitude=drive.rate if kind == PUNCTURE else np.full(len(drive.wheel), np.nan),
        shown_us=np.where(np.isfinite(shown_s) & is_hazard, _to_us(shown_s), -1),
        limit_us=np.where(np.isfinite(limit_s), _to_us(limit_s), -1),
        hours=hours,
    )


def _to_us(seconds: Floats) -> Ints:
    return START_US + np.rint(np.where(np.isfinite(seconds), seconds, 0.0) * 1e6).astype(np.int64)

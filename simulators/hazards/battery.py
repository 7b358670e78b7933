"""Cells that run away, second by second, and packs with which nothing is wrong."""

from __future__ import annotations

import numpy as np

from data.records import FailureMode, VehicleSpec
from simulators.errors import FleetError
from simulators.hazards.packs import BRIEF, LONGEST_S, Packs, Told, draw_packs, healthy_packs, most_rise_k
from simulators.hazards.stream import START_US, Floats, Ints, Stream

RUNAWAY = FailureMode.BATTERY_THERMAL_EVENT.value
HEALTHY = "healthy"
#: When in a stream a decoy may begin and must end.
_SETTLED_S, _ENDS_S = 60, 120
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
    _require_probes(spec)
    rng = np.random.default_rng([seed, 2, kind == HEALTHY])
    seconds = int(minutes * 60)
    hours = n * minutes / 60.0
    if kind == HEALTHY:
        drawn = draw_packs(n, rng, decoy_share)
        struck_s = rng.integers(_SETTLED_S, seconds - _ENDS_S, n)
        return _stream(kind, [healthy_packs(drawn, seconds, struck_s, spec=spec, rng=rng)], spec, seed, hours)
    volts, probes, cell, onset, begun_s = _runaway(n, seconds, spec, rng)
    begun_us = np.where(begun_s >= 0, START_US + (begun_s * 1e6).astype(np.int64), -1)
    packs = Packs(np.full(n, ""), np.zeros(n), np.zeros(n))
    told = Told(packs, volts, probes, np.broadcast_to(np.arange(seconds, dtype=np.float64), (n, seconds)))
    return _stream(kind, [told], spec, seed, hours, hazard=(cell, onset, begun_us))


def battery_days(
    n: int,
    spec: VehicleSpec,
    *,
    seed: int,
    rise_k: float,
    within_s: float,
    around_s: int,
    minutes: float = 72.0,
    decoy_share: float = 0.07,
) -> Stream:
    """Return of ``n`` vehicle-days those readings alone after which a probe may have risen by ``rise_k``.

    Days are drawn as those of ``battery_stream``. Of a day on which nothing happens to a measurement the
    largest rise of any probe within ``within_s`` is at most the pack's own, twice the largest of the day's
    errors of its probes (drawn as the extreme of so many) and 1 °C of rounding: where that stays below
    ``rise_k`` no reading is written, the day counts in ``unread_hours``. Where something happens for seconds
    the readings ``around_s`` before and after it are written, of the other days all.

    Args:
        n: Vehicle-days.
        spec: Of all of them.
        seed: The same seed gives the same days.
        rise_k: What a rise must be to matter to whoever asks, K.
        within_s: In which time.
        around_s: What lies farther back is forgotten by whoever asks.
        minutes: Of a day in which the vehicle sends.
        decoy_share: Of days with a decoy.

    Raises:
        FleetError: The vehicle has no probes, or there is no day to draw.
    """
    _require_probes(spec)
    if n < 1:
        raise FleetError(f"n {n}: must be 1 or more")
    rng = np.random.default_rng([seed, 2, 2])
    seconds = int(minutes * 60)
    drawn = draw_packs(n, rng, decoy_share)
    worst = most_rise_k(drawn.slope, drawn.noise_k, rng, count=seconds * spec.probe_count, within_s=within_s)
    is_brief = np.isin(drawn.decoy, BRIEF)
    is_whole = ~is_brief & (worst >= rise_k)
    brief, whole = drawn.some(is_brief), drawn.some(is_whole)
    span = 2 * around_s + LONGEST_S
    told = [
        healthy_packs(brief, span, np.full(len(brief.decoy), around_s), spec=spec, rng=rng),
        healthy_packs(whole, seconds, np.full(len(whole.decoy), around_s), spec=spec, rng=rng),
    ]
    unread = int((~is_brief & ~is_whole).sum())
    return _stream(HEALTHY, told, spec, seed, n * minutes / 60.0, unread_hours=unread * minutes / 60.0)


def _require_probes(spec: VehicleSpec) -> None:
    if spec.probe_count < 1:
        raise FleetError("probe_count 0: must be 1 or more")


def _stream(
    kind: str,
    told: list[Told],
    spec: VehicleSpec,
    seed: int,
    hours: float,
    *,
    hazard: tuple[Floats, Floats, Ints] | None = None,
    unread_hours: float = 0.0,
) -> Stream:
    decoy = np.concatenate([one.packs.decoy for one in told])
    n = len(decoy)
    cell, onset, begun_us = hazard or (np.full(n, -1.0), np.full(n, np.nan), np.full(n, -1))
    lengths = np.concatenate([np.full(len(t.packs.decoy), t.time_s.shape[1]) for t in told])
    volts, probes = (
        np.concatenate([getattr(t, name).reshape(-1, width) for t in told])
        for name, width in (("volts", spec.cell_count), ("probes", spec.probe_count))
    )
    return Stream(
        kind=kind,
        seed=seed,
        spec=spec,
        row=np.repeat(np.arange(n, dtype=np.int64), lengths),
        time_us=START_US + np.concatenate([(t.time_s.ravel() * 1e6).astype(np.int64) for t in told]),
        columns={
            "cell.voltage": np.rint(volts * 1000.0) / 1000.0,
            "cell.temperature": np.rint(probes),
        },
        component=tuple("battery" if c >= 0 else "" for c in cell),
        decoy=tuple(str(d) for d in decoy),
        magnitude=onset,
        shown_us=np.full(n, -1, dtype=np.int64),
        limit_us=begun_us,  # the separator is gone
        hours=hours,
        unread_hours=unread_hours,
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

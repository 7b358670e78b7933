"""Judges the rules of the live watch on streams of readings: seconds count here, not days."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from data.records import FailureMode, FloatArray, IntArray, VehicleSpec
from models.evaluation.evaluate import ANXIN, Tallies
from models.evaluation.metrics import Scores
from models.evaluation.part import Levels
from models.evaluation.tally import FalseAlert, FaultOutcome, Outcome, Tally
from models.features.days import DAY_US
from models.watch.rule import LiveRule, Readings

#: A vehicle sends while it drives or charges: about so long a day, which turns hours into vehicle-days.
HOURS_A_DAY = 1.2
_HOUR_US = 3_600_000_000
#: A warning must come so long after the first reading that shows the hazard.
WITHIN_S: Mapping[FailureMode, float] = {
    FailureMode.TIRE_PUNCTURE: 90.0,
    FailureMode.BATTERY_THERMAL_EVENT: 10.0,
}
#: GB 38031-2025 C.5.3.7: 1 °C/s for more than 3 s, with 25 % less voltage or beyond the highest temperature.
_RATE_DEGC_PER_S, _RATE_READINGS, _DROP_SHARE, _HIGH_DEGC = 1.0, 4, 0.75, 60.0
#: Hazards that there are streams of, by the signals in them.
_TIRE_MODES = frozenset({FailureMode.TIRE_PUNCTURE, FailureMode.TIRE_BLOWOUT_RISK})
_CELL_MODES = frozenset({FailureMode.BATTERY_THERMAL_EVENT})
_KPA_PER_PSI, _KM_PER_MILE = 6.894757, 1.609344


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePart:
    """Readings of many vehicles with what truly happened to each."""

    mode: FailureMode | None  #: the hazard; None: nothing but harmless things
    seed: int
    spec: VehicleSpec
    row: IntArray  #: shape (n_readings,), the vehicle, ascending; ascending in time within a vehicle
    time_us: IntArray  #: shape (n_readings,)
    columns: Mapping[str, npt.NDArray[Any]]  #: by alias: (n_readings,) or (n_readings, k)
    component: tuple[str, ...]  #: of each vehicle: where the hazard is; empty: none
    decoy: tuple[str, ...]
    magnitude: FloatArray
    shown_us: IntArray  #: first reading that shows it; -1: none
    limit_us: IntArray  #: when it breaks; -1: not within the stream
    hours: float
    first: int = 0  #: number of the first vehicle among those of the seed


class LiveDetector(Protocol):
    """What is judged."""

    @property
    def name(self) -> str:
        """Name in the report."""
        ...

    @property
    def failure_mode(self) -> FailureMode:
        """Whose hazards it is judged by."""
        ...

    def says(self, part: LivePart) -> tuple[FloatArray, tuple[str, ...]]:
        """Return the probability after each reading, (n_readings, n_components), and the components."""
        ...


@dataclass(frozen=True, slots=True)
class RuleDetector:
    """A rule of the running watch."""

    rule: LiveRule

    @property
    def name(self) -> str:
        """As the rule's version."""
        return self.rule.model_version

    @property
    def failure_mode(self) -> FailureMode:
        """As the rule's."""
        return self.rule.failure_mode

    def says(self, part: LivePart) -> tuple[FloatArray, tuple[str, ...]]:
        """Return the rule's risk, from an empty state on."""
        n = len(part.row)
        wanted = (*self.rule.columns, *self.rule.context)
        columns = {name: part.columns.get(name, np.full(n, np.nan)) for name in wanted}
        state = self.rule.empty(len(part.component), part.spec)
        readings = Readings(at=part.row, time_us=part.time_us, columns=columns)
        risk = self.rule.take(state, readings, part.spec)
        count = risk.probability.shape[1]
        return risk.probability, tuple(self.rule.component_name(part.spec, i) for i in range(count))


@dataclass(frozen=True, slots=True)
class LimitRule:
    """A fixed limit on single readings, as on-board electronics and published rules have them."""

    name: str
    failure_mode: FailureMode
    is_over: Callable[[LivePart], npt.NDArray[np.bool_]]  #: (n_readings, n_components)

    def says(self, part: LivePart) -> tuple[FloatArray, tuple[str, ...]]:
        """Return 1 where the limit is broken."""
        over = self.is_over(part)
        is_tire = over.shape[1] > 1
        names = tuple(f"tire {w}" for w in part.spec.wheels) if is_tire else ("battery",)
        return over.astype(np.float64), names


def live_baselines() -> Iterator[LimitRule]:
    """Yield the limits that the live rules are held against."""
    yield LimitRule("legal_tire_threshold", FailureMode.TIRE_PUNCTURE, under_legal)
    yield LimitRule("legal_tire_threshold", FailureMode.TIRE_BLOWOUT_RISK, under_legal)
    yield LimitRule("aws_rules", FailureMode.TIRE_BLOWOUT_RISK, aws_blowout)
    yield LimitRule("gbt_alarm_bits", FailureMode.BATTERY_THERMAL_EVENT, hot_battery)


def under_legal(part: LivePart) -> npt.NDArray[np.bool_]:
    """Tell where a tire is 25 % under placard (FMVSS 138 S4.2, without the 20 min that it allows)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(part.columns["tire.pressure"] < 0.75 * np.asarray(part.spec.placard_kpa))


def aws_blowout(part: LivePart) -> npt.NDArray[np.bool_]:
    """Tell where the published rule looks closer: 60 mph and more, and under 30 psi or 120 °F and more."""
    speed = part.columns["speed"][:, None]
    with np.errstate(invalid="ignore"):
        is_low = part.columns["tire.pressure"] < 30.0 * _KPA_PER_PSI
        is_hot = part.columns["tire.temperature"] >= (120.0 - 32.0) / 1.8
        return np.asarray((speed >= 60.0 * _KM_PER_MILE) & (is_low | is_hot))


def hot_battery(part: LivePart) -> npt.NDArray[np.bool_]:
    """Tell where a probe is beyond 60 °C, a common limit of the battery's over-temperature flag."""
    with np.errstate(invalid="ignore"):
        return np.asarray((part.columns["cell.temperature"] > _HIGH_DEGC).any(1, keepdims=True))


def meets_gb38031(part: LivePart) -> IntArray:
    """Return when each vehicle's readings first meet the rule for a thermal event; -1: never.

    The letter of the standard on one reading a second: a probe rises by 1 °C and more four times in a row
    (more than 3 s), and it is beyond 60 °C or a cell has lost a quarter of its first voltage.
    """
    probes, volts = part.columns["cell.temperature"], part.columns["cell.voltage"]
    is_next = np.r_[False, (np.diff(part.row) == 0) & (np.diff(part.time_us) <= 1_500_000)]
    with np.errstate(invalid="ignore"):
        rises = np.zeros(probes.shape, dtype=np.bool_)
        rises[1:] = (np.diff(probes, axis=0) >= _RATE_DEGC_PER_S) & is_next[1:, None]
        goes_on = rises.copy()
        for back in range(1, _RATE_READINGS):
            goes_on[back:] &= rises[:-back]
            goes_on[:back] = False
        begins = np.searchsorted(part.row, np.arange(len(part.component)))
        drops = np.asarray(volts < _DROP_SHARE * volts[begins][part.row]).any(1)
        is_bad = np.asarray(probes > _HIGH_DEGC) | drops.reshape(-1, 1)
        meets = (goes_on & is_bad).any(1)
    out = np.full(len(part.component), -1, dtype=np.int64)
    at = np.flatnonzero(meets)[::-1]
    out[part.row[at]] = part.time_us[at]
    return out


def judge_live(detector: LiveDetector, part: LivePart, levels: Levels, act_h: float) -> Tally:
    """Return what a detector did on a stream.

    A puncture must be told within 90 s of the first reading that shows it, a thermal event within 10 s of
    the first reading that meets the rule, a tire that will burst ``act_h`` before it does. Hazards that no
    reading shows, or that do not come to their end within the stream, are not judged.
    """
    mode = detector.failure_mode
    probability, names = detector.says(part)
    with np.errstate(invalid="ignore"):
        is_raised = probability >= levels.raise_level
    first = np.full((len(part.component), len(names)), -1, dtype=np.int64)
    reading, component = np.nonzero(is_raised)
    first[part.row[reading[::-1]], component[::-1]] = part.time_us[reading[::-1]]
    faults: list[FaultOutcome] = []
    alerts: list[FalseAlert] = []
    shown = meets_gb38031(part) if part.mode is FailureMode.BATTERY_THERMAL_EVENT else part.shown_us
    for vehicle, where in enumerate(part.component):
        if part.mode is mode and where in names:
            at = int(first[vehicle, names.index(where)])
            faults.append(_outcome(part, vehicle, at, int(shown[vehicle]), act_h=act_h, mode=mode))
        alerts += [
            FalseAlert(
                seed=part.seed,
                vehicle=part.first + vehicle,
                component=name,
                day=int(first[vehicle, i]) // DAY_US,
                decoy=part.decoy[vehicle],
            )
            for i, name in enumerate(names)
            if first[vehicle, i] >= 0 and name != where
        ]
    days = round(part.hours / HOURS_A_DAY)
    is_healthy = part.mode is None
    return Tally(
        name=detector.name,
        failure_mode=mode,
        horizon_h=1.0,
        scores=Scores.of(np.zeros(0), np.zeros(0)),
        faults=tuple(faults),
        false_alerts=tuple(alerts) if is_healthy else (),
        astray=() if is_healthy else tuple(alerts),
        healthy_days=days if is_healthy else 0,
        healthy_calendar_days=days if is_healthy else 0,
        decoys=sum(bool(d) for d in part.decoy) if is_healthy else 0,
        enriched_days=0 if is_healthy else days,
        enriched_calendar_days=0 if is_healthy else days,
    )


def _outcome(
    part: LivePart, vehicle: int, raised: int, shown: int, *, act_h: float, mode: FailureMode
) -> FaultOutcome:
    limit = int(part.limit_us[vehicle])
    within = WITHIN_S.get(mode)
    lead = (limit - raised) / _HOUR_US if raised >= 0 and limit >= 0 else float("nan")
    if shown < 0 or (within is None and limit < 0):
        outcome = Outcome.UNJUDGED
    elif raised < 0:
        outcome = Outcome.MISSED
    else:
        in_time = raised - shown <= within * 1e6 if within is not None else lead >= act_h
        outcome = Outcome.FOUND if in_time else Outcome.LATE
    is_found = outcome is Outcome.FOUND
    return FaultOutcome(
        seed=part.seed,
        vehicle=part.first + vehicle,
        component=part.component[vehicle],
        magnitude=float(np.nan_to_num(part.magnitude[vehicle])),
        outcome=outcome,
        is_alerted=raised >= 0,
        lead_h=lead if is_found else float("nan"),
        delay_h=(raised - shown) / _HOUR_US if raised >= 0 and shown >= 0 else float("nan"),
    )


def judge_streams(
    part: LivePart,
    systems: Mapping[str, list[LiveDetector]],
    levels: Mapping[FailureMode, Levels],
    act_h: Mapping[FailureMode, float],
) -> Tallies:
    """Return what every live rule and limit did on a stream that has the signals it reads.

    A detector is run on streams of its own hazard and on the harmless ones.
    """
    out: Tallies = {}
    has_tires = "tire.pressure" in part.columns
    for system, detectors in systems.items():
        for detector in detectors:
            mode = detector.failure_mode
            if part.mode not in (None, mode) or mode not in (_TIRE_MODES if has_tires else _CELL_MODES):
                continue
            own = levels[mode] if system == ANXIN else Levels()
            tally = judge_live(detector, part, own, act_h[mode])
            out[system, mode] = out[system, mode].beside(tally) if (system, mode) in out else tally
    return out

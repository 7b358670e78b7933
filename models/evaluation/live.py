"""Judges the rules of the live watch on streams of readings: seconds count here, not days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from data.records import FailureMode, FloatArray, IntArray, VehicleSpec
from models.evaluation.evaluate import ANXIN, Tallies
from models.evaluation.metrics import Scores
from models.evaluation.part import Levels
from models.evaluation.tally import FalseAlert, FaultOutcome, Outcome, Tally
from models.features.days import DAY_US
from models.watch.rule import LiveRule, Readings, could_tell

#: A vehicle sends while it drives or charges: about so long a day, which turns hours into vehicle-days.
HOURS_A_DAY = 1.2
_HOUR_US = 3_600_000_000
#: A warning must come so long after the first reading that shows the hazard.
WITHIN_S: Mapping[FailureMode, float] = {
    FailureMode.TIRE_PUNCTURE: 90.0,
    FailureMode.BATTERY_THERMAL_EVENT: 10.0,
    FailureMode.INSULATION_LOSS: 120.0,
    FailureMode.ONBOARD_ALARM: 30.0,
}
#: GB 38031-2025 C.5.3.7: 1 °C/s for more than 3 s, with 25 % less voltage or beyond the highest temperature.
_RATE_DEGC_PER_S, _RATE_READINGS, _DROP_SHARE, MAX_DEGC = 1.0, 4, 0.75, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePart:
    """Readings of many vehicles with what truly happened to each."""

    mode: FailureMode | None  #: the hazard; None: nothing but harmless things
    about: frozenset[FailureMode]  #: hazards that it is to judge
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
    #: of them, on which nothing was read: nothing happened that could move a rule. Only rules are judged then
    unread_hours: float = 0.0
    first: int = 0  #: number of the first vehicle among those of the seed


class Said(NamedTuple):
    """What a detector said of a stream."""

    probability: FloatArray  #: shape (n_readings, n_components), after each reading
    names: tuple[str, ...]  #: of the components
    run: int = -1  #: vehicles that it was run on, the others being ruled out beforehand; -1: all


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

    def says(self, part: LivePart) -> Said:
        """Return the probability after each reading."""
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

    def says(self, part: LivePart) -> Said:
        """Return the rule's risk, from an empty state on; 0 on vehicles that it cannot tell of."""
        n = len(part.row)
        wanted = (*self.rule.columns, *self.rule.context)
        columns = {name: part.columns.get(name, np.full(n, np.nan)) for name in wanted}
        state = self.rule.empty(len(part.component), part.spec)
        readings = Readings(at=part.row, time_us=part.time_us, columns=columns)
        marked = np.unique(part.row[could_tell(self.rule, readings, part.spec)])
        here = np.isin(part.row, marked)
        some = Readings(
            at=part.row[here],
            time_us=part.time_us[here],
            columns={name: values[here] for name, values in columns.items()},
        )
        risk = self.rule.take(state, some, part.spec)
        count = risk.probability.shape[1]
        probability = np.zeros((n, count))
        probability[here] = risk.probability
        names = tuple(self.rule.component_name(part.spec, i) for i in range(count))
        return Said(probability, names, run=len(marked))


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
        is_bad = np.asarray(probes > MAX_DEGC) | drops.reshape(-1, 1)
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
    probability, names, run = detector.says(part)
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
    read_days = (part.hours - part.unread_hours) / HOURS_A_DAY
    judged = read_days if run < 0 else read_days * run / max(1, len(part.component))
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
        ruled_out_days=days - round(judged) if is_healthy else 0,
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

    A detector is run on streams of its own hazard and on the harmless ones; where days were left unread
    for what moves no rule, on them only rules are.
    """
    out: Tallies = {}
    for system, detectors in systems.items():
        for detector in detectors:
            mode = detector.failure_mode
            if part.mode not in (None, mode) or mode not in part.about:
                continue
            if part.unread_hours and system != ANXIN:
                continue
            own = levels[mode] if system == ANXIN else Levels()
            tally = judge_live(detector, part, own, act_h[mode])
            out[system, mode] = out[system, mode].beside(tally) if (system, mode) in out else tally
    return out

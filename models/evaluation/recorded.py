"""Predictors and published rules on recordings whose episodes are labelled."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from data.records import FailureMode, FamilyRows, FloatArray, IntArray, Truth, Vin
from models.errors import EvaluationError
from models.evaluation.baselines import component_names
from models.evaluation.detectors import Detected
from models.evaluation.metrics import quantiles
from models.evaluation.tally import Tally
from models.features.days import DAY_US
from models.predictors.base import DayPanel

#: Labels that are loss of gas, whatever its speed; any other is a harmless thing to this comparison.
LEAKS = frozenset({"slow_leak", "valve_failure", "puncture"})
_WHEELS = {"FL": "front-left", "FR": "front-right", "RL": "rear-left", "RR": "rear-right"}
_KPA_PER_PSI = 6.894757
_AWS_PSI_PER_DAY, _AWS_PSI, _AWS_DAYS, _AWS_LEAST = -0.3, 30.0, 7, 10


def parse_labels(text: str, units: Mapping[str, int], until: datetime) -> list[Truth]:
    """Return the truths of a table of episodes: ``vehicle_id``, ``tire_id``, ``label`` and ``start``.

    A leak's limit is the end of the recording: any alert from its start on finds it.

    Args:
        text: CSV with a header.
        units: Number of each vehicle by ``vehicle_id``; others are left out.
        until: End of the recording; episodes that begin later are left out.

    Raises:
        EvaluationError: A column is missing or a value cannot be read; names the line.
    """
    out = []
    for line, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        try:
            unit, wheel, label = row["vehicle_id"], _WHEELS[row["tire_id"]], row["label"]
            start = datetime.fromisoformat(row["start"])
        except (KeyError, TypeError, ValueError) as error:
            raise EvaluationError(f"labels line {line}: {type(error).__name__} {error}") from error
        start = start if start.tzinfo else start.replace(tzinfo=UTC)
        if unit not in units or start >= until:
            continue
        is_leak = label in LEAKS
        out.append(
            Truth(
                vehicle=units[unit],
                vin=Vin(unit),
                component=f"tire {wheel}",
                kind=FailureMode.TIRE_SLOW_LEAK.value if is_leak else label,
                is_fault=is_leak,
                onset=start,
                threshold_at=until if is_leak else None,
                failure_at=None,
                severity=None,
                magnitude=float("nan"),
            )
        )
    return out


def aws_on_readings(tire: FamilyRows, day: IntArray) -> FloatArray:
    """Return whether the AWS guidance's daily tire check fires at the end of each UTC day, 1 or 0.

    Its 7-day least squares takes every reading of a wheel, here over time instead of the reading's number,
    which is kinder to it; ten readings at least; slope below -0.3 psi/day and the last one below 30 psi.

    Args:
        tire: Readings of one vehicle, ascending in time.
        day: Days since 1970-01-01.

    Returns:
        Shape (n_days, n_wheels); NaN with too few readings.
    """
    psi = np.asarray(tire.columns["tire.pressure"], dtype=np.float64) / _KPA_PER_PSI
    out = np.full((len(day), psi.shape[1]), np.nan)
    for wheel in range(psi.shape[1]):
        known = np.isfinite(psi[:, wheel])
        time_us, y = tire.time_us[known], psi[known, wheel]
        if not len(y):
            continue
        t = (time_us - time_us[0]) / DAY_US
        sums = [np.r_[0.0, np.cumsum(v)] for v in (np.ones(len(y)), t, y, t * y, t * t)]
        stop = np.searchsorted(time_us, (day + 1) * DAY_US)
        begin = np.searchsorted(time_us, (day + 1 - _AWS_DAYS) * DAY_US)
        n, st, sy, sty, stt = (s[stop] - s[begin] for s in sums)
        spread = n * stt - st**2
        slope = np.where(spread > 0, (n * sty - st * sy) / np.maximum(spread, 1e-12), np.nan)
        fires = (slope < _AWS_PSI_PER_DAY) & (y[np.maximum(stop - 1, 0)] < _AWS_PSI)
        out[:, wheel] = np.where(n >= _AWS_LEAST, fires, np.nan)
    return out


@dataclass(frozen=True, slots=True)
class ReadingsDetector:
    """Verdicts that were reached on readings, one a day."""

    name: str
    verdict: Mapping[int, FloatArray]  #: by vehicle, shape (n_days, n_wheels) on the days of the panel
    failure_mode: FailureMode = FailureMode.TIRE_SLOW_LEAK
    feature_set: str = "tire_days"
    horizon_h: float = 720.0

    def detect(self, panel: DayPanel) -> Detected:
        """Return the verdicts."""
        said = np.stack([self.verdict[int(v)] for v in panel.vehicle_id])
        return Detected(
            probability=said,
            data_us=panel.last_us,
            names=component_names(panel, "tire", said.shape[2]),
        )


def compare(tallies: Mapping[str, Tally]) -> dict[str, Any]:
    """Return events, those found, their delay and every false alert of each system, on all vehicles alike."""
    out: dict[str, Any] = {}
    for name, tally in tallies.items():
        found = [f for f in tally.faults if f.is_alerted]
        delay = quantiles(np.array([f.delay_h for f in found]), (0.5,))
        out[name] = {
            "events": len(tally.faults),
            "found": len(found),
            "delay_h_p50": None if delay is None else round(delay[0], 1),
            "missed": [f"{f.vehicle} {f.component}" for f in tally.faults if not f.is_alerted],
            "false_alerts": len(tally.false_alerts) + len(tally.astray),
            "vehicle_days": tally.healthy_days + tally.enriched_days,
        }
    return out

"""From findings of live rules to predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from data.records import Family, FamilyRows, IntArray, Origin, Prediction, Severity, VehicleSpec
from models.assess import Told
from models.features.days import to_datetime
from models.features.rows import joined
from models.watch.rule import LiveRule, memory_us
from models.watch.rules import live_rules
from models.watch.stream import Finding, Stream

_SEVERITIES = tuple(Severity)
#: A silence after which no rule remembers a reading, but those that say so.
_APART_US = 2 * 3600 * 1_000_000


def told_of(finding: Finding, *, now: datetime, origin: Origin, is_fresh: bool) -> Told:
    """Return the prediction of a finding, with the series behind it."""
    data_time = to_datetime(finding.time_us)
    since = to_datetime(min(finding.why.since_us, finding.time_us))
    return Told(
        Prediction(
            vehicle_id=finding.vehicle_id,
            component=finding.component,
            failure_mode=finding.rule.failure_mode,
            severity=_SEVERITIES[finding.severity],
            probability=round(finding.probability, 6),
            horizon_h=finding.rule.horizon_h,
            time_to_threshold_h=finding.why.ttt_h,
            predicted_at=now,
            data_time=data_time,
            since=since,
            window_from=since,
            window_to=data_time,
            reasons=finding.why.reasons,
            model_version=finding.rule.model_version,
            origin=origin,
            is_fresh=is_fresh,
        ),
        finding.why.evidence,
    )


def watch_recording(batches: Sequence[FamilyRows], spec: VehicleSpec, *, origin: Origin) -> list[Told]:
    """Return what the live rules would have told of one vehicle, each at the time of its reading.

    Args:
        batches: Rows of one vehicle, any families, in any order.
        spec: The vehicle model.
        origin: Of the data.
    """
    rows = {f: found for f in Family if (found := joined(batches, f)) is not None}
    times = np.sort(np.concatenate([found.time_us for found in rows.values()])) if rows else np.zeros(0, int)
    findings: list[Finding] = []
    of_memory: dict[int, list[LiveRule]] = {}
    for rule in live_rules():
        of_memory.setdefault(max(_APART_US, memory_us(rule)), []).append(rule)
    for apart_us, rules in of_memory.items():
        breaks = times[1:][np.diff(times) > apart_us]
        cut = {family: _cut(one, breaks) for family, one in rows.items()}
        of_rules, is_open = _run(cut, len(breaks) + 1, spec, rules)
        if is_open and len(breaks):
            # what is told of at the end of a drive is remembered over the silence: no short cut
            whole = {family: _cut(one, breaks[:0]) for family, one in rows.items()}
            of_rules, _ = _run(whole, 1, spec, rules)
        findings += of_rules
    findings.sort(key=lambda finding: finding.time_us)
    vehicle = int(next(iter(rows.values())).vehicle_id[0]) if rows else 0
    return [
        told_of(
            replace(finding, vehicle_id=vehicle),
            now=to_datetime(finding.time_us),
            origin=origin,
            is_fresh=True,
        )
        for finding in findings
    ]


def _run(
    rows: dict[Family, FamilyRows], n_pieces: int, spec: VehicleSpec, rules: Sequence[LiveRule]
) -> tuple[list[Finding], bool]:
    stream = Stream(rules)
    stream.add(range(n_pieces), spec)
    return stream.take(rows, spec), stream.has_open()


def _cut(rows: FamilyRows, breaks: IntArray) -> FamilyRows:
    """Return the rows with the number of their piece for a vehicle: after so long a silence all is forgotten.

    Pieces are taken side by side, which is many times faster than one after the other.
    """
    piece = np.searchsorted(breaks, rows.time_us, side="right")
    return replace(rows, vehicle_id=piece.astype(np.int32))

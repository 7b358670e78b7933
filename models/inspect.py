"""Offline: a recording in, the predictions that the running system would have written out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.records import Family, FamilyRows, Origin, Prediction, VehicleEvent, VehicleSpec
from models.assess import replay_days
from models.features.cells import cell_sessions
from models.features.days import to_datetime
from models.features.deflation import deflation, empty_state, push
from models.features.rows import joined
from models.features.tires import gas_amount, tire_days
from models.panels import cell_panel, tire_panel
from models.predictors import day_predictors
from models.predictors.tire_puncture import TirePunctureRule


def inspect_recording(
    batches: Sequence[FamilyRows], events: Sequence[VehicleEvent], spec: VehicleSpec
) -> list[Prediction]:
    """Return the predictions of one vehicle in the order in which they would have been written.

    One look at the end of each local day with data, and the rule for rapid deflation at every reading; each
    look uses what was there at its time and nothing later. The vehicle counts as live throughout.

    Args:
        batches: Rows of one vehicle, any families, in any order.
        events: Of the same vehicle; on-board alarms are the alerts' to judge and change nothing here.
        spec: The vehicle model.
    """
    del events
    drive = joined(batches, Family.DRIVE)
    tire = joined(batches, Family.TIRE)
    cell = joined(batches, Family.CELL)
    out: list[Prediction] = []
    slow_leak, internal_short = day_predictors()
    if tire is not None and "tire.pressure" in tire.columns:
        days = tire_days(tire, drive, time_zone=spec.time_zone)
        if len(days.day):
            panel = tire_panel(spec, [0], [days], int(days.day[0]), int(days.day[-1]))
            out += [
                told.prediction
                for told in replay_days(slow_leak, panel, clock=to_datetime, origin=Origin.REAL)
            ]
        out += _deflations(tire, drive, spec)
    if cell is not None and "cell.voltage" in cell.columns:
        sessions = cell_sessions(
            cell,
            drive,
            time_zone=spec.time_zone,
            capacity_ah=spec.capacity_ah,
            cell_count=spec.cell_count,
        )
        if len(sessions.day):
            panel = cell_panel(spec, [0], [sessions], int(sessions.day.min()), int(sessions.day.max()))
            out += [
                told.prediction
                for told in replay_days(internal_short, panel, clock=to_datetime, origin=Origin.REAL)
            ]
    return sorted(out, key=lambda p: p.predicted_at)


def _deflations(tire: FamilyRows, drive: FamilyRows | None, spec: VehicleSpec) -> list[Prediction]:
    """Feed every reading to the rule of the live stream."""
    rule = TirePunctureRule()
    gas, is_trusted = gas_amount(tire, drive)
    trusted = np.where(is_trusted, gas, np.nan)
    state = empty_state(np.zeros(1, dtype=np.int64), trusted.shape[1])
    row = np.zeros(1, dtype=np.int64)
    out: list[Prediction] = []
    told: set[int] = set()
    changed = np.ones(len(tire), dtype=np.bool_)
    changed[1:] = ((trusted[1:] != trusted[:-1]) & np.isfinite(trusted[1:])).any(1)
    for index in np.flatnonzero(changed).tolist():
        if not push(state, row, tire.time_us[index : index + 1], trusted[index : index + 1]).any():
            continue
        found = deflation(state, row)
        probability = rule.probability(found)[0]
        likely = set(np.flatnonzero(probability >= 0.5).tolist())
        now = to_datetime(int(tire.time_us[index]))
        out.extend(
            rule.tell(spec, found, 0, wheel, vehicle_id=0, now=now, origin=Origin.REAL, is_fresh=True)
            for wheel in sorted(likely | told)
        )
        told = likely
    return out

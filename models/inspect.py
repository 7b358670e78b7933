"""Offline: a recording in, the predictions that the running system would have written out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.records import Family, FamilyRows, Origin, Prediction, VehicleEvent, VehicleSpec
from models.assess import replay_days
from models.features.days import to_datetime
from models.features.deflation import deflation, empty_state, push
from models.features.registry import feature_sets, pair
from models.features.rows import joined, thinned
from models.features.tires import gas_amount
from models.panels import feature_panel, with_main
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
    rows = {
        family: thinned(found)
        for family in (Family.DRIVE, Family.TIRE, Family.CELL)
        if (found := joined(batches, family)) is not None
    }
    out: list[Prediction] = []
    for one, predictors in pair(feature_sets(), day_predictors()):
        found_days = one.compute({family: rows[family] for family in one.columns if family in rows}, spec)
        if not len(found_days.day) or not predictors:
            continue
        panel = feature_panel(
            spec,
            [0],
            [found_days],
            features=one.features,
            main=predictors[0].main,
            first_day=int(found_days.day[0]),
            last_day=int(found_days.day[-1]),
        )
        for predictor in predictors:
            mine = with_main(panel, predictor.main)
            out += [
                told.prediction
                for told in replay_days(predictor, mine, clock=to_datetime, origin=Origin.REAL)
            ]
    tire = rows.get(Family.TIRE)
    if tire is not None and "tire.pressure" in tire.columns:
        out += _deflations(tire, rows.get(Family.DRIVE), spec)
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

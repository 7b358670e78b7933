"""Offline: a recording in, the predictions that the running system would have written out."""

from __future__ import annotations

from collections.abc import Sequence

from data.records import Family, FamilyRows, Origin, Prediction, VehicleEvent, VehicleSpec
from models.assess import replay_days
from models.features.days import to_datetime
from models.features.registry import feature_sets, pair
from models.features.rows import joined, thinned
from models.panels import feature_panel, with_main
from models.predictors import day_predictors
from models.predictors.base import Predictor
from models.watch import watch_recording


def inspect_recording(
    batches: Sequence[FamilyRows],
    events: Sequence[VehicleEvent],
    spec: VehicleSpec,
    *,
    predictors: Sequence[Predictor] | None = None,
) -> list[Prediction]:
    """Return the predictions of one vehicle in the order in which they would have been written.

    One look at the end of each local day with data, and the live rules at every reading; each look uses what
    was there at its time and nothing later. The vehicle counts as live throughout.

    Args:
        batches: Rows of one vehicle, any families, in any order.
        events: Of the same vehicle; on-board alarms are the alerts' to judge and change nothing here.
        spec: The vehicle model.
        predictors: Those that run; default: all, without anything learned.
    """
    del events
    rows = {
        family: thinned(found)
        for family in (Family.DRIVE, Family.TIRE, Family.CELL)
        if (found := joined(batches, family)) is not None
    }
    out: list[Prediction] = []
    for one, mine in pair(feature_sets(), day_predictors() if predictors is None else predictors):
        found_days = one.compute({family: rows[family] for family in one.columns if family in rows}, spec)
        if not len(found_days.day) or not mine:
            continue
        panel = feature_panel(
            spec,
            [0],
            [found_days],
            features=one.features,
            main=mine[0].main,
            first_day=int(found_days.day[0]),
            last_day=int(found_days.day[-1]),
        )
        for predictor in mine:
            own = with_main(panel, predictor.main)
            out += [
                told.prediction for told in replay_days(predictor, own, clock=to_datetime, origin=Origin.REAL)
            ]
    out += [told.prediction for told in watch_recording(batches, spec, origin=Origin.REAL)]
    return sorted(out, key=lambda p: p.predicted_at)

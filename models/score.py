"""One scoring of some vehicles: touched rows to features, features to risk, risk to predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from data.db import Connection
from data.records import BoolArray, FamilyRows, FloatArray, IntArray, VehicleSpec
from models import readings, store
from models.assess import TELL_LEVEL, Told, choose, run_starts, tell
from models.backlog import Touched
from models.features.cells import CONTEXT_US, cell_sessions
from models.features.days import day_bounds_us, to_datetime
from models.features.tires import tire_days
from models.panels import cell_panel, tire_panel
from models.predictors import day_predictors
from models.predictors.base import DayPanel, Predictor

#: Days of features that predictors look at.
HISTORY_DAYS = 60
#: Days whose rows are held in memory at once: a clock that was wrong for a moment may touch years.
_LONGEST_RUN_DAYS = 16


@dataclass(slots=True)
class Scorer:
    """Scores vehicles; remembers the probabilities of past days, which late data alone can change."""

    fresh: timedelta
    #: (failure mode, vehicle) -> day -> probability of each component
    _past: dict[tuple[str, int], dict[int, FloatArray]] = field(default_factory=dict)

    def forget(self, vehicles: Sequence[int]) -> None:
        """Drop what is remembered, after a failed transaction or a lost partition."""
        for key in [k for k in self._past if k[1] in set(vehicles)]:
            del self._past[key]

    def score(
        self,
        connection: Connection,
        touched: Mapping[int, Touched],
        specs: Mapping[int, VehicleSpec],
        *,
        now: datetime,
    ) -> int:
        """Bring features, predictions and scores of some vehicles up to date; return new predictions.

        All in the caller's transaction.
        """
        states = store.fetch_states(connection, touched.keys())
        touched = _with_following_days(connection, touched)
        for vehicle, entry in touched.items():
            self._recompute(connection, vehicle, entry, specs[vehicle])
        groups: dict[tuple[object, ...], list[int]] = {}
        for vehicle in sorted(touched):
            spec = specs[vehicle]
            groups.setdefault((spec.model_id, spec.cell_count, spec.wheels, spec.placard_kpa), []).append(
                vehicle
            )
        written = 0
        for vehicles in groups.values():
            spec = specs[vehicles[0]]
            for predictor, panel in self._panels(connection, spec, vehicles, touched):
                written += self._predict(
                    connection, predictor, panel, touched=touched, states=states, now=now
                )
        return written

    def _recompute(self, connection: Connection, vehicle: int, entry: Touched, spec: VehicleSpec) -> None:
        for first, last in _runs(entry.tire_days | entry.cell_days):
            begin_us = day_bounds_us(first, spec.time_zone)[0] - CONTEXT_US
            end_us = day_bounds_us(last, spec.time_zone)[1]
            drive = readings.fetch_drive_rows(connection, vehicle, begin_us, end_us)
            days = set(range(first, last + 1))
            self._recompute_tires(connection, vehicle, days & entry.tire_days, spec, drive)
            self._recompute_cells(connection, vehicle, days & entry.cell_days, spec, drive)

    def _recompute_tires(
        self, connection: Connection, vehicle: int, days: set[int], spec: VehicleSpec, drive: FamilyRows
    ) -> None:
        if not days:
            return
        begin_us = day_bounds_us(min(days), spec.time_zone)[0]
        end_us = day_bounds_us(max(days), spec.time_zone)[1]
        rows = readings.fetch_tire_rows(connection, vehicle, begin_us, end_us, len(spec.wheels))
        store.replace_tire_days(connection, vehicle, days, tire_days(rows, drive, time_zone=spec.time_zone))

    def _recompute_cells(
        self, connection: Connection, vehicle: int, days: set[int], spec: VehicleSpec, drive: FamilyRows
    ) -> None:
        if not days:
            return
        begin_us = day_bounds_us(min(days), spec.time_zone)[0] - CONTEXT_US
        end_us = day_bounds_us(max(days), spec.time_zone)[1]
        rows = readings.fetch_cell_rows(connection, vehicle, begin_us, end_us, spec.cell_count)
        found = cell_sessions(
            rows,
            drive,
            time_zone=spec.time_zone,
            capacity_ah=spec.capacity_ah,
            cell_count=spec.cell_count,
        )
        store.replace_cell_sessions(connection, vehicle, days, found)

    def _panels(
        self,
        connection: Connection,
        spec: VehicleSpec,
        vehicles: list[int],
        touched: Mapping[int, Touched],
    ) -> list[tuple[Predictor, DayPanel]]:
        days = [max(touched[v].tire_days | touched[v].cell_days) for v in vehicles]
        first_day = min(days) - HISTORY_DAYS + 1
        slow_leak, internal_short = day_predictors()
        tires = store.fetch_tire_days(connection, vehicles, first_day, len(spec.wheels))
        sessions = store.fetch_cell_sessions(connection, vehicles, first_day, spec.cell_count)
        out: list[tuple[Predictor, DayPanel]] = []
        known = [f.day for f in tires]
        last = max([max(days), *(int(d[-1]) for d in known if len(d))])
        out.append((slow_leak, tire_panel(spec, vehicles, tires, _first_day(known, last), last)))
        known = [f.day for f in sessions]
        last = max([max(days), *(int(d[-1]) for d in known if len(d))])
        out.append((internal_short, cell_panel(spec, vehicles, sessions, _first_day(known, last), last)))
        return out

    def _predict(
        self,
        connection: Connection,
        predictor: Predictor,
        panel: DayPanel,
        *,
        touched: Mapping[int, Touched],
        states: Mapping[int, store.VehicleState],
        now: datetime,
    ) -> int:
        mode = predictor.failure_mode.value
        vehicles = [int(v) for v in panel.vehicle_id]
        has_day = panel.last_us > 0
        needed = [self._needed(mode, v, panel, has_day[row], touched[v]) for row, v in enumerate(vehicles)]
        likely = store.fetch_likely_components(connection, vehicles, [mode], TELL_LEVEL)
        told: list[Told] = []
        scores: list[dict[str, object]] = []
        # vehicles that need the same days share one call; most need the last day only
        for wanted in sorted({tuple(n) for n in needed}):
            rows = [row for row, days in enumerate(needed) if tuple(days) == wanted]
            part = _part(panel, rows)
            as_of = np.array(wanted, dtype=np.int64)
            risk = predictor.predict(part, as_of)
            for row in range(len(rows)):
                vehicle = int(part.vehicle_id[row])
                past = self._past.setdefault((mode, vehicle), {})
                past.update({int(part.day[d]): risk.probability[row, i] for i, d in enumerate(wanted)})
                component, probability = 0, 0.0
                if wanted:
                    current = np.nan_to_num(risk.probability[row, -1])
                    component, probability = int(np.argmax(current)), float(current.max())
                    names = {predictor.component_name(part.spec, i): i for i in range(part.value.shape[2])}
                    earlier = [names[n] for n in likely.get((vehicle, mode), ()) if n in names]
                    since = self._since(mode, vehicle, part, row)
                    state = states[vehicle]
                    told += [
                        tell(
                            predictor,
                            part,
                            risk,
                            (row, len(wanted) - 1, i),
                            since_us=since[i],
                            now=now,
                            origin=state.origin,
                            is_fresh=self._is_fresh(state, now),
                        )
                        for i in choose(risk.probability[row, -1], earlier)
                    ]
                scores.append(
                    {
                        "vehicle_id": vehicle,
                        "failure_mode": mode,
                        "scored_at": now,
                        "data_time": to_datetime(touched[vehicle].data_us),
                        "probability": probability,
                        "component": predictor.component_name(part.spec, component),
                        "model_version": predictor.model_version,
                    }
                )
        written = store.insert_predictions(connection, told)
        store.upsert_scores(connection, scores)
        return written

    def _needed(
        self, mode: str, vehicle: int, panel: DayPanel, has_day: BoolArray, entry: Touched
    ) -> list[int]:
        """Return indices of days to predict: from the first touched on, unknown, the last."""
        past = self._past.setdefault((mode, vehicle), {})
        first_touched = min(entry.tire_days | entry.cell_days)
        for day in [d for d in past if d >= first_touched or d < int(panel.day[0])]:
            del past[day]
        indices = np.flatnonzero(has_day).tolist()
        return [i for i in indices if int(panel.day[i]) not in past or i == indices[-1]]

    def _since(self, mode: str, vehicle: int, panel: DayPanel, row: int) -> list[int]:
        """Return the event time from which each component has been on its side of the raise level."""
        past = self._past[mode, vehicle]
        indices = [i for i in np.flatnonzero(panel.last_us[row] > 0).tolist() if int(panel.day[i]) in past]
        probability = np.stack([past[int(panel.day[i])] for i in indices])
        starts = run_starts(probability, np.ones(len(indices), dtype=np.bool_))[-1]
        times = panel.last_us[row, indices]
        return [int(times[s]) for s in starts]

    def _is_fresh(self, state: store.VehicleState, now: datetime) -> bool:
        return state.live_time is not None and now - state.live_time <= self.fresh


def _part(panel: DayPanel, rows: list[int]) -> DayPanel:
    return DayPanel(
        spec=panel.spec,
        vehicle_id=panel.vehicle_id[rows],
        day=panel.day,
        value=panel.value[rows],
        weight=panel.weight[rows],
        first_us=panel.first_us[rows],
        last_us=panel.last_us[rows],
        extra={name: values[rows] for name, values in panel.extra.items()},
    )


def _with_following_days(connection: Connection, touched: Mapping[int, Touched]) -> dict[int, Touched]:
    """Add the days after the touched ones that have features: a day looks back over midnight."""
    following = {
        (vehicle, day + 1)
        for vehicle, entry in touched.items()
        for day in entry.tire_days | entry.cell_days
        if day + 1 not in entry.tire_days & entry.cell_days
    }
    out = dict(touched)
    for vehicle, day, has_tires, has_cells in store.fetch_day_families(connection, sorted(following)):
        entry = out[vehicle]
        out[vehicle] = replace(
            entry,
            tire_days=entry.tire_days | ({day} if has_tires else set()),
            cell_days=entry.cell_days | ({day} if has_cells else set()),
        )
    return out


def _first_day(known: Sequence[IntArray], last: int) -> int:
    """Return the first day of a panel: of the history of the vehicle that has been silent the longest.

    Args:
        known: Days with features of each vehicle, ascending.
        last: Returned where there is none.
    """
    ends = [(int(days[0]), int(days[-1])) for days in known if len(days)]
    if not ends:
        return last
    return max(min(first for first, _ in ends), min(newest for _, newest in ends) - HISTORY_DAYS + 1)


def _runs(days: set[int]) -> list[tuple[int, int]]:
    """Return runs of consecutive days as first and last, none longer than ``_LONGEST_RUN_DAYS``."""
    out: list[tuple[int, int]] = []
    for day in sorted(days):
        if out and day == out[-1][1] + 1 and day - out[-1][0] < _LONGEST_RUN_DAYS:
            out[-1] = (out[-1][0], day)
        else:
            out.append((day, day))
    return out

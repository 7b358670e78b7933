"""What cannot wait: rapid deflation, from the newest readings of many vehicles at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from data.db import Connection
from data.records import FamilyRows, FloatArray, IntArray, VehicleSpec
from models import readings, store
from models.assess import Told
from models.features.days import to_datetime, to_us
from models.features.deflation import WINDOW_US, DeflationState, deflation, empty_state, push
from models.features.tires import gas_amount
from models.predictors.tire_puncture import TirePunctureRule

#: Probability from which a wheel is told of, and below which it is told of once more.
TELL_LEVEL = 0.5
#: Farther apart than any two readings that are looked at together.
_VEHICLES_APART_US = 1 << 40


@dataclass(slots=True)
class Watcher:
    """Holds the state of vehicles of any model, one array block for each number of wheels."""

    fresh: timedelta
    rule: TirePunctureRule = field(default_factory=TirePunctureRule)
    _states: dict[int, DeflationState] = field(default_factory=dict)
    _likely: dict[int, set[int]] = field(default_factory=dict)

    def forget(self) -> None:
        """Drop everything; the next look rebuilds it from the database."""
        self._states.clear()
        self._likely.clear()

    def look(
        self,
        connection: Connection,
        spans: Mapping[int, tuple[int, int]],
        specs: Mapping[int, VehicleSpec],
        *,
        now: datetime,
    ) -> list[Told]:
        """Take new readings of some vehicles into the state and return what is to be told.

        Readings older than the window before ``now`` stay out: they came late and warn nobody.

        Args:
            connection: To read from.
            spans: Vehicle to its first and last new sample, microseconds.
            specs: Of these vehicles.
            now: Freshness is judged against it.
        """
        oldest_us = to_us(now) - WINDOW_US
        current = {v: span for v, span in spans.items() if span[1] >= oldest_us and v in specs}
        by_wheels: dict[int, list[int]] = {}
        for vehicle in sorted(current):
            by_wheels.setdefault(len(specs[vehicle].wheels), []).append(vehicle)
        out: list[Told] = []
        for n_wheels, vehicles in by_wheels.items():
            new = self._make_room(n_wheels, vehicles)
            self._remember(connection, new, specs)
            begin_us = oldest_us if new else min(current[v][0] for v in vehicles)
            rows = readings.fetch_recent_rows(
                connection,
                vehicles,
                max(begin_us, oldest_us),
                max(current[v][1] for v in vehicles) + 1,
                n_wheels,
            )
            if len(rows[0]):
                states = store.fetch_states(connection, vehicles)
                out += self._take(rows[0], rows[1], specs, states, now=now)
        return out

    def _make_room(self, n_wheels: int, vehicles: list[int]) -> list[int]:
        """Make room for vehicles; return those that had none."""
        state = self._states.get(n_wheels) or empty_state(np.zeros(0, dtype=np.int64), n_wheels)
        new = sorted(set(vehicles) - set(state.vehicle_id.tolist()))
        if new:
            ids = np.concatenate((state.vehicle_id, np.array(new, dtype=np.int64)))
            merged = empty_state(ids, n_wheels)
            at = np.searchsorted(merged.vehicle_id, state.vehicle_id)
            merged.seen_us[at], merged.begun_us[at] = state.seen_us, state.begun_us
            merged.time_us[at], merged.gas_kpa[at] = state.time_us, state.gas_kpa
            self._states[n_wheels] = merged
        return new

    def _remember(
        self, connection: Connection, vehicles: list[int], specs: Mapping[int, VehicleSpec]
    ) -> None:
        """Learn which wheels were last told of as likely, so that they can be told of as well again."""
        mode = self.rule.failure_mode.value
        found = store.fetch_likely_components(connection, vehicles, [mode], TELL_LEVEL) if vehicles else {}
        for (vehicle, _), components in found.items():
            names = [f"tire {wheel}" for wheel in specs[vehicle].wheels]
            self._likely[vehicle] = {names.index(c) for c in components if c in names}

    def _take(
        self,
        tire: FamilyRows,
        drive: FamilyRows,
        specs: Mapping[int, VehicleSpec],
        states: Mapping[int, store.VehicleState],
        *,
        now: datetime,
    ) -> list[Told]:
        gas = _gas(tire, drive)
        state = self._states[gas.shape[1]]
        rows = np.searchsorted(state.vehicle_id, tire.vehicle_id.astype(np.int64))
        touched: set[int] = set()
        # rounds: the first new reading of each vehicle, then the second, …; few, as a message holds few
        # readings
        for one_each in _rounds(rows):
            is_new = push(state, rows[one_each], tire.time_us[one_each], gas[one_each])
            touched.update(rows[one_each][is_new].tolist())
        if not touched:
            return []
        looked = np.array(sorted(touched), dtype=np.int64)
        found = deflation(state, looked)
        probability = self.rule.probability(found)
        is_likely = probability >= TELL_LEVEL
        told: list[Told] = []
        earlier = [self._likely.get(int(state.vehicle_id[r]), set()) for r in looked]
        for i in np.flatnonzero(is_likely.any(1) | np.array([bool(e) for e in earlier])).tolist():
            vehicle = int(state.vehicle_id[looked[i]])
            wheels = set(np.flatnonzero(is_likely[i]).tolist())
            live = states[vehicle].tire_live_time
            # late readings fill the state but warn nobody: a live reading stands behind every warning
            is_fresh = live is not None and now - live <= self.fresh and to_us(live) >= int(found.last_us[i])
            for wheel in sorted(wheels | earlier[i]):
                prediction = self.rule.tell(
                    specs[vehicle],
                    found,
                    i,
                    wheel,
                    vehicle_id=vehicle,
                    now=now,
                    origin=states[vehicle].origin,
                    is_fresh=is_fresh,
                )
                told.append(Told(prediction, _evidence(state, int(looked[i]), specs[vehicle])))
            self._likely[vehicle] = wheels
        return told


def _rounds(rows: IntArray) -> list[IntArray]:
    """Return index arrays in which each row occurs at most once, in the order of the readings."""
    order = np.argsort(rows, kind="stable")
    ranked = rows[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]]) if len(rows) else np.zeros(0, np.int64)
    turn = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
    return [np.sort(order[turn == t]) for t in range(int(turn.max()) + 1 if len(turn) else 0)]


def _gas(tire: FamilyRows, drive: FamilyRows) -> FloatArray:
    """Return the trusted gas of readings of many vehicles.

    Each vehicle is moved to a stretch of time of its own, so that one search finds the surroundings of all.
    """
    base_us = min(int(rows.time_us.min()) for rows in (tire, drive) if len(rows))
    gas, is_trusted = gas_amount(_moved(tire, base_us), _moved(drive, base_us))
    return np.where(is_trusted, gas, np.nan)


def _moved(rows: FamilyRows, base_us: int) -> FamilyRows:
    return FamilyRows(
        family=rows.family,
        vehicle_id=rows.vehicle_id,
        time_us=rows.time_us - base_us + rows.vehicle_id.astype(np.int64) * _VEHICLES_APART_US,
        sent_us=rows.sent_us,
        received_us=rows.received_us,
        is_hist=rows.is_hist,
        columns=rows.columns,
    )


def _evidence(state: DeflationState, row: int, spec: VehicleSpec) -> dict[str, object]:
    kept = state.time_us[row] > 0
    gauge = state.gas_kpa[row][kept] - 101.325
    return {
        "time": [int(t) // 1000 for t in state.time_us[row][kept]],
        "series": {
            name: [round(float(v), 1) if np.isfinite(v) else None for v in gauge[:, i]]
            for i, name in enumerate(spec.wheels)
        },
        "unit": "kPa",
        "title_en": "Pressure at 20 °C",
        "title_zh": "折算到 20 °C 的胎压",
        "until": to_datetime(int(state.seen_us[row])).isoformat(),
    }

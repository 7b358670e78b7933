"""Values that stand still while the vehicle drives: stuck signals and tire sensors that fell silent.

Nothing is masked: a sensor may truly stand still. Driving time is counted per vehicle from its speed; a
value that has not changed for its ``stuck_after_s`` of the catalogue, over at least twenty samples, is
``stuck``. Tire sensors send about once a minute of driving (60-64 s, some 200 s) and hardly ever when parked,
so that an age of a quarter of an hour after twenty minutes of driving means that the receiver ``held`` an old
value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.catalogue import Catalogue
from data.records import BoolArray, Family, FamilyRows, FloatArray, IntArray
from ingest.quality_memory import VehicleMemory
from ingest.tally import Finding, Tally

#: Above this speed a vehicle drives; a longer pause between two samples tells nothing of the time between.
_MOVING_KMH = 5.0
_LONGEST_STEP_S = 120.0
_FEWEST_SAMPLES = 20
_HELD_AGE_S = 900.0
_HELD_AFTER_S = 1200.0
#: Wheels followed per vehicle.
_WHEELS = 16


@dataclass(frozen=True, slots=True)
class _Groups:
    """Rows of a batch by vehicle."""

    at: IntArray  #: shape (g,), row of each vehicle in the memory
    starts: IntArray  #: shape (g,), first row of each vehicle
    of_row: IntArray  #: shape (n,), which group a row belongs to

    @property
    def ends(self) -> IntArray:
        """Return the last row of each vehicle, shape (g,)."""
        return np.append(self.starts[1:], len(self.of_row)) - 1


class StillWatch:
    """Follows values from batch to batch; any part of a vehicle's samples will do.

    Args:
        catalogue: Which signals may stand still for how long.
        vehicle_limit: Vehicles remembered.
    """

    def __init__(self, catalogue: Catalogue, *, vehicle_limit: int) -> None:
        self._scalars = tuple(s for s in catalogue.of_family(Family.DRIVE) if s.stuck_after_s is not None)
        self._wheels = tuple(s for s in catalogue.of_family(Family.TIRE) if s.stuck_after_s is not None)
        widths = {"drive": len(self._scalars), **{s.alias: _WHEELS for s in self._wheels}}
        fields: list[tuple[str, type] | tuple[str, type, tuple[int]]] = [
            ("vehicle_id", np.int64),
            ("heard_us", np.int64),
            ("drive_us", np.int64),  # newest drive sample
            ("driven_s", np.float64),  # driving clock
        ]
        for name, width in widths.items():
            fields += [
                (f"{name}.value", np.float64, (width,)),
                (f"{name}.alive_s", np.float64, (width,)),  # driving clock at the last change
                (f"{name}.samples", np.int32, (width,)),  # since then
            ]
        blank = np.zeros(1, np.dtype(fields))
        for name in widths:
            blank[f"{name}.value"] = np.nan
        self._memory = VehicleMemory(blank, limit=vehicle_limit)

    def observe_drive(self, rows: FamilyRows, tally: Tally) -> None:
        """Advance the driving clocks and count scalars that are ``stuck``.

        Args:
            rows: Of the drive family, sorted by vehicle, then time. Those not newer than what was seen before
                are left out: late data and repeats prove nothing.
            tally: Takes the findings.
        """
        groups = self._group(rows.vehicle_id, rows.received_us)
        state = self._memory.table
        is_new = rows.time_us > state["drive_us"][groups.at][groups.of_row]
        if not is_new.all():
            if not is_new.any():
                return
            groups = self._group(rows.vehicle_id[is_new], rows.received_us)
            state = self._memory.table
        time_us = rows.time_us[is_new]
        speed = rows.columns.get("speed", np.full(len(rows), np.nan))[is_new]
        clock_s = self._drive(groups, time_us, np.asarray(speed, np.float64))
        aliases = [s.alias for s in self._scalars]
        values = np.full((len(time_us), len(aliases)), np.nan)
        for number, alias in enumerate(aliases):
            if alias in rows.columns:
                values[:, number] = rows.columns[alias][is_new]
        standing = self._follow("drive", values, np.zeros(values.shape, bool), groups, clock_s)
        limits = np.array([s.stuck_after_s for s in self._scalars])
        names = [(alias, 0) for alias in aliases]
        self._count(standing, limits, groups, names=names, reason="stuck", tally=tally)

    def observe_tires(self, rows: FamilyRows, tally: Tally) -> None:
        """Count wheels whose values are ``held`` (their age says so) or ``stuck`` (no age comes with them).

        Args:
            rows: Of the tire family, sorted by vehicle, then time.
            tally: Takes the findings.
        """
        groups = self._group(rows.vehicle_id, rows.received_us)
        clock_s = self._memory.table["driven_s"][groups.at][groups.of_row]
        age = _first_wheels(rows.columns.get("tire.age"), len(clock_s))
        has_age = np.logical_or.reduceat(np.isfinite(age), groups.starts, axis=0)
        for signal in self._wheels:
            if signal.alias not in rows.columns:
                continue
            values = _first_wheels(rows.columns[signal.alias], len(clock_s))
            standing = self._follow(signal.alias, values, age < _HELD_AGE_S, groups, clock_s)
            names = [(signal.alias, wheel + 1) for wheel in range(_WHEELS)]
            held = standing.only(has_age)
            limits = np.full(_WHEELS, _HELD_AFTER_S)
            self._count(held, limits, groups, names=names, reason="held", tally=tally)
            stuck, limits = standing.only(~has_age), np.full(_WHEELS, signal.stuck_after_s)
            self._count(stuck, limits, groups, names=names, reason="stuck", tally=tally)

    def _group(self, vehicle_id: npt.NDArray[np.integer], received_us: IntArray) -> _Groups:
        starts = np.flatnonzero(np.append(True, vehicle_id[1:] != vehicle_id[:-1]))
        at = self._memory.rows_of(vehicle_id[starts].astype(np.int64), int(received_us.max()))
        sizes = np.diff(np.append(starts, len(vehicle_id)))
        return _Groups(at, starts, np.repeat(np.arange(len(starts)), sizes))

    def _drive(self, groups: _Groups, time_us: IntArray, speed: FloatArray) -> FloatArray:
        """Advance the driving clocks to the end of the batch and return them at each row, shape (n,)."""
        state = self._memory.table
        before_us = np.append(0, time_us[:-1])
        before_us[groups.starts] = state["drive_us"][groups.at]
        step_s = (time_us - before_us) / 1e6
        step_s[~(speed > _MOVING_KMH) | (step_s > _LONGEST_STEP_S)] = 0.0
        total_s = np.cumsum(step_s)
        base_s = state["driven_s"][groups.at] - (total_s - step_s)[groups.starts]
        clock_s: FloatArray = total_s + base_s[groups.of_row]
        state["drive_us"][groups.at] = time_us[groups.ends]
        state["driven_s"][groups.at] = clock_s[groups.ends]
        return clock_s

    def _follow(
        self, name: str, values: FloatArray, is_alive: BoolArray, groups: _Groups, clock_s: FloatArray
    ) -> _Standing:
        """Compare each value with the one before it and return since when the last ones stand.

        Args:
            name: Block of the memory.
            values: Shape (n, c), NaN missing.
            is_alive: Shape (n, c): known to be fresh, changed or not.
            groups: Of the n rows.
            clock_s: Shape (n,), driving clock.
        """
        state, n = self._memory.table, len(values)
        first = groups.starts[groups.of_row][:, None]
        is_valid = ~np.isnan(values)
        number = np.arange(n)[:, None]
        newest = np.maximum.accumulate(np.where(is_valid, number, -1), axis=0)
        before = np.vstack([np.full((1, values.shape[1]), -1), newest[:-1]])
        column = np.arange(values.shape[1])[None, :]
        earlier = np.where(
            before >= first, values[before, column], state[f"{name}.value"][groups.at][groups.of_row]
        )
        is_change = is_valid & ((values != earlier) | is_alive)
        changed = np.maximum.reduceat(np.where(is_change, number, -1), groups.starts, axis=0)
        since = np.where(changed >= 0, changed, groups.starts[:, None])
        shown = np.add.reduceat(is_valid & (number >= since[groups.of_row]), groups.starts, axis=0)
        has_changed = changed >= 0
        alive_s = np.where(has_changed, clock_s[since], state[f"{name}.alive_s"][groups.at])
        samples = np.where(has_changed, shown, state[f"{name}.samples"][groups.at] + shown)
        last = newest[groups.ends]
        is_here = last >= groups.starts[:, None]
        state[f"{name}.value"][groups.at] = np.where(
            is_here, values[last, column], state[f"{name}.value"][groups.at]
        )
        state[f"{name}.alive_s"][groups.at] = alive_s
        state[f"{name}.samples"][groups.at] = np.minimum(samples, np.iinfo(np.int32).max)
        return _Standing(shown, samples, clock_s[groups.ends][:, None] - alive_s)

    def _count(
        self,
        standing: _Standing,
        limit_s: FloatArray,
        groups: _Groups,
        *,
        names: list[tuple[str, int]],
        reason: str,
        tally: Tally,
    ) -> None:
        is_found = (standing.seconds >= limit_s) & (standing.samples >= _FEWEST_SAMPLES)
        owners = self._memory.table["vehicle_id"]
        for group, column in np.argwhere(is_found & (standing.shown > 0)).tolist():
            alias, element = names[column]
            finding = Finding(int(owners[groups.at[group]]), alias, element, reason)
            tally.counts[finding] += int(standing.shown[group, column])


@dataclass(frozen=True, slots=True)
class _Standing:
    """How long the last value of each vehicle and channel has stood; each of shape (g, c)."""

    shown: IntArray  #: samples of this batch that show it
    samples: IntArray  #: all samples that showed it
    seconds: FloatArray  #: of driving

    def only(self, mask: BoolArray) -> _Standing:
        """Return the same without the channels where ``mask``, of shape (g, c), is false."""
        return _Standing(np.where(mask, self.shown, 0), self.samples, self.seconds)


def _first_wheels(values: npt.NDArray[np.floating] | None, n: int) -> FloatArray:
    """Return a wheel column as shape (n, 16), NaN where it has no such wheel or is not there."""
    wheels = np.full((n, _WHEELS), np.nan)
    if values is not None:
        width = min(values.shape[1], _WHEELS)
        wheels[:, :width] = values[:, :width]
    return wheels

"""A fleet part by part: every reading of some vehicles over all days, as the tables would hold it."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from data.records import Family, FamilyRows, FloatArray, IntArray, Truth, VehicleSpec
from simulators.climate import CHINA_OFFSET_S, DAY_S
from simulators.compact import Column, CompactRows, join_packed, pack_column
from simulators.emission import emit, report_masks
from simulators.errors import FleetError
from simulators.fleet import Fleet
from simulators.history import History
from simulators.physics.trace import Trace
from simulators.schedule import day_begin

#: Vehicles whose cells are worked out at once: bounds the memory, changes nothing.
_EMIT_VEHICLES = 64
_FAMILIES = (Family.DRIVE, Family.TIRE, Family.CELL)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPart:
    """Some vehicles of a fleet with all their readings and the truth about them."""

    first: int  #: number of the first vehicle in the fleet
    specs: tuple[VehicleSpec, ...]
    truths: tuple[Truth, ...]  #: as far as it has happened; ``vehicle`` is the number in the fleet
    day: IntArray  #: shape (n_days,), local days since 1970-01-01
    states: Mapping[str, FloatArray]  #: truth by vehicle and day, (n_vehicles, n_days): ``soh_percent``
    rows: Mapping[Family, CompactRows]

    def __len__(self) -> int:
        return len(self.specs)

    def rows_of(self, vehicle: int) -> dict[Family, FamilyRows]:
        """Return the readings of one vehicle (from 0 in this part), ascending in time.

        Values are those that come back from the tables: single precision, whole millivolts, tenths of a
        degree; so features of them are those of the live path to the last bit.
        """
        spec = self.specs[vehicle]
        widths = {"cell.voltage": spec.cell_count, "cell.temperature": spec.probe_count}
        return {
            family: rows.rows_of(vehicle, number=self.first + vehicle, widths=widths)
            for family, rows in self.rows.items()
        }


def simulate_part(fleet: Fleet, begin: int, end: int, *, days: int | None = None) -> FleetPart:
    """Return the vehicles from ``begin`` to before ``end``: the same whatever part they are simulated in.

    Args:
        fleet: The whole fleet.
        begin: First vehicle.
        end: One past the last.
        days: Simulate only so many days from the start; default all.

    Raises:
        FleetError: There are no such vehicles or days.
    """
    if not 0 <= begin < end <= len(fleet):
        raise FleetError(f"vehicles {begin} to {end}: must be from 0 to {len(fleet)}, at least one")
    days = fleet.days if days is None else days
    if not 1 <= days <= fleet.days:
        raise FleetError(f"days {days}: must be from 1 to {fleet.days}")
    part = fleet.part(begin, end)
    history = History(part)
    end_s = part.start_s + days * DAY_S
    kept: dict[Family, list[FamilyRows]] = {family: [] for family in _FAMILIES}
    packed: dict[Family, list[dict[str, Column]]] = {family: [] for family in _FAMILIES}
    for trace in history.traces(end_s):
        for rows in _emit_in_turn(history, trace):
            kept[rows.family].append(replace(rows, columns={}))
            packed[rows.family].append({a: pack_column(a, v) for a, v in rows.columns.items()})
    first_day = int((day_begin(part.start_s) + CHINA_OFFSET_S) // DAY_S)
    soh = np.stack(history.soh_percent, axis=1)
    return FleetPart(
        first=part.first,
        specs=tuple(part.spec_of(row) for row in range(len(part))),
        truths=tuple(history.truths()),
        day=np.arange(first_day, first_day + soh.shape[1], dtype=np.int64),
        states={"soh_percent": soh},
        rows={f: join_packed(kept[f], packed[f], count=len(part)) for f in _FAMILIES},
    )


def _emit_in_turn(history: History, trace: Trace) -> Iterator[FamilyRows]:
    rows, cell_rows = report_masks(trace)
    for begin in range(0, len(history.fleet), _EMIT_VEHICLES):
        own: npt.NDArray[np.bool_] = np.zeros_like(rows)
        own[begin : begin + _EMIT_VEHICLES] = True
        yield from emit(
            history.state,
            trace,
            history.chance,
            rows & own,
            cell_rows & own,
            sensors=history.sensors,
            runaways=history.runaways,
        )


def map_parts(
    fleet: Fleet,
    work: Callable[[FleetPart], _T],
    *,
    days: int | None = None,
    vehicles_per_part: int = 125,
    workers: int = 1,
) -> Iterator[_T]:
    """Yield what ``work`` makes of each part, in the order of the fleet, with bounded memory.

    Args:
        fleet: The whole fleet.
        work: Called in the process that has simulated the part; with several workers it must be picklable.
        days: Simulate only so many days from the start; default all.
        vehicles_per_part: Size of a part; it changes nothing but speed and memory.
        workers: Processes; 1 works in this one.

    Raises:
        FleetError: A number is out of range.
    """
    if vehicles_per_part < 1:
        raise FleetError(f"vehicles_per_part {vehicles_per_part}: must be at least 1")
    if workers < 1:
        raise FleetError(f"workers {workers}: must be at least 1")
    edges = [
        (begin, min(begin + vehicles_per_part, len(fleet)))
        for begin in range(0, len(fleet), vehicles_per_part)
    ]
    if workers == 1:
        for begin, end in edges:
            yield work(simulate_part(fleet, begin, end, days=days))
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(edges)), mp_context=context) as pool:
        waiting: deque[Future[_T]] = deque()
        for begin, end in edges:
            waiting.append(pool.submit(_simulate_and_work, fleet.part(begin, end), work, days))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _simulate_and_work(part: Fleet, work: Callable[[FleetPart], _T], days: int | None) -> _T:
    return work(simulate_part(part, 0, len(part), days=days))


def simulate_parts(
    fleet: Fleet, *, days: int | None = None, vehicles_per_part: int = 125, workers: int = 1
) -> Iterator[FleetPart]:
    """Yield the fleet part by part; arguments and errors as for :func:`map_parts`."""
    return map_parts(fleet, _itself, days=days, vehicles_per_part=vehicles_per_part, workers=workers)


def _itself(part: FleetPart) -> FleetPart:
    return part

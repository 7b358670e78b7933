"""What a recording is once it has been read: the same rows that the live stream yields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np
import numpy.typing as npt

from data.records import BoolArray, Family, FamilyRows, FloatArray, IntArray, VehicleEvent, VehicleSpec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Where a recording has no date it is put here: 2020-01-01 UTC.
NO_DATE_US = 1_577_836_800_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CanLog:
    """Frames of a CAN log in time order, as they were on the bus."""

    time_us: IntArray  #: shape (n,), microseconds since 1970 UTC
    can_id: npt.NDArray[np.uint32]  #: shape (n,), bit 31 set on extended identifiers
    length: npt.NDArray[np.uint8]  #: shape (n,), bytes
    data: npt.NDArray[np.uint8]  #: shape (n, 8), or (n, 64) where the log holds CAN FD
    bus: npt.NDArray[np.uint8]  #: shape (n,), number of the bus or channel

    def __len__(self) -> int:
        return int(self.time_us.shape[0])

    @classmethod
    def none(cls) -> Self:
        """Return a log without frames."""
        return cls(
            time_us=np.empty(0, np.int64),
            can_id=np.empty(0, np.uint32),
            length=np.empty(0, np.uint8),
            data=np.empty((0, 8), np.uint8),
            bus=no_bus(0),
        )

    def take(self, rows: IntArray | BoolArray) -> CanLog:
        """Return some of the frames."""
        return CanLog(
            time_us=self.time_us[rows],
            can_id=self.can_id[rows],
            length=self.length[rows],
            data=self.data[rows],
            bus=self.bus[rows],
        )

    def by_bus(self) -> dict[str, CanLog]:
        """Return the frames of each bus by its name on a topic: ``main`` where there is but one."""
        buses = np.unique(self.bus)
        if buses.size == 1:
            return {"main": self}
        return {f"can{bus}": self.take(self.bus == bus) for bus in buses.tolist()}

    def at(self, time_us: IntArray) -> CanLog:
        """Return the frames at other times, shape (n,)."""
        return replace(self, time_us=time_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording of one vehicle, decoded; ``vehicle_id`` is 0 throughout."""

    format: str  #: one of ``ingest.recordings.FORMATS``
    rows: int  #: rows or frames in the file, readable or not
    first: datetime  #: timezone-aware, time of the first readable row
    last: datetime
    vehicle_days: float  #: number of local days with data
    skipped: Mapping[str, int]  #: rows left out and values masked, by reason
    batches: Sequence[FamilyRows]  #: one a family (one a sub-pack for cells), rows in time order
    events: Sequence[VehicleEvent]  #: in time order
    decoded: Mapping[str, int]  #: present values by catalogue alias, ``Message.Signal`` or block field
    has_position: bool
    spec: VehicleSpec  #: as given, else inferred from the recording
    unit: str = ""  #: name of the vehicle or test in a file that holds several
    raw_frames: CanLog | Sequence[bytes] | None = None  #: original frames, for the native topics
    notes: Sequence[str] = field(default_factory=tuple)  #: units and the like that had to be inferred


def no_bus(count: int) -> npt.NDArray[np.uint8]:
    """Return the buses of frames that all are of one."""
    return np.zeros(count, np.uint8)


def datetime_of(time_us: int) -> datetime:
    """Return the aware UTC time of ``time_us`` microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=int(time_us))


def count_local_days(time_us: IntArray, *, offset_s: int) -> float:
    """Return how many local days, ``offset_s`` seconds ahead of UTC, have a sample; ``time_us`` is (n,)."""
    return float(np.unique((time_us + offset_s * 1_000_000) // 86_400_000_000).size)


def build_rows(
    family: Family,
    time_us: IntArray,
    columns: Mapping[str, FloatArray],
    *,
    decoded: Counter[str],
    sub_pack: int = 1,
    first_cell: int = 1,
) -> FamilyRows | None:
    """Return the rows of one family that hold a value; None when there are none.

    Columns without any value are dropped. Counts the values that stay into ``decoded``.

    Args:
        family: Drive, tire or cell.
        time_us: Shape (n,), ascending.
        columns: Alias to shape (n,) or (n, k), catalogue units, NaN missing.
        decoded: Number of values by alias; added to.
        sub_pack: Sub-pack number of cell rows.
        first_cell: Number of the first cell of cell rows, from 1.
    """
    kept: dict[str, FloatArray] = {}
    has_value = np.zeros(time_us.shape, dtype=np.bool_)
    for alias, values in columns.items():
        present = np.isfinite(values)
        count = int(present.sum())
        if count:
            kept[alias] = values
            decoded[alias] += count
            has_value |= present.any(axis=1) if values.ndim == 2 else present
    if not kept:
        return None
    time_us = time_us[has_value]
    n = time_us.shape[0]
    is_cell = family is Family.CELL
    return FamilyRows(
        family=family,
        vehicle_id=np.zeros(n, dtype=np.int32),
        time_us=time_us,
        sent_us=time_us,
        received_us=time_us,
        is_hist=np.zeros(n, dtype=np.bool_),
        columns={alias: values[has_value] for alias, values in kept.items()},
        sub_pack=np.full(n, sub_pack, dtype=np.int16) if is_cell else None,
        first_cell=np.full(n, first_cell, dtype=np.int16) if is_cell else None,
    )

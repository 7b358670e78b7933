"""Values that pass through ingest: what the broker delivered, what was read from it, what could not be."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from data.records import Family, IntArray, Origin, VehicleEvent, Vin

#: Reasons whose cause can go away: the message may be read after the vehicle or its DBC has been added.
RETRYABLE = frozenset({"unknown_vehicle", "retired_vehicle", "missing_dbc", "bad_dbc"})


@dataclass(slots=True)  # not frozen: that makes each of them four times as dear
class Delivery:
    """One message as the broker delivered it."""

    topic: str
    payload: bytes
    received_us: int  #: microseconds since 1970 UTC
    qos: int = 0
    mid: int = 0
    connection: object = None  #: the connection that delivered it; only there can it be acknowledged
    is_retained: bool = False  #: the broker had kept it: it may be old


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What ingest needs to know of a vehicle model."""

    model_id: str
    cell_count: int
    probe_count: int
    wheel_count: int
    grid_s: float
    dbc: str | None
    signal_map: Mapping[str, Mapping[str, Any]]
    coordinates: str = (
        "wgs84"  #: of the positions its vehicles send where the message does not tell; or ``gcj02``
    )

    def width(self, shape: str) -> int:
        """Return how many elements an array signal of this shape has."""
        return {"wheel": self.wheel_count, "cell": self.cell_count, "probe": self.probe_count}[shape]


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A registered vehicle."""

    vehicle_id: int
    model: Model
    is_retired: bool = False  #: out of service: nothing is taken from it


@dataclass(slots=True, kw_only=True)
class Envelope:
    """Who sent a message, and which one of its boot it is."""

    boot: str | None  #: None for a bare GB/T 32960 frame: no gap accounting
    seq: int | None
    sent_us: int
    is_hist: bool
    origin: Origin = Origin.REAL


@dataclass(frozen=True, slots=True)
class Part:
    """Samples of one family out of one message; columns as in ``FamilyRows``."""

    family: Family
    time_us: IntArray  #: shape (n,)
    columns: Mapping[str, npt.NDArray[np.floating]]  #: alias -> (n,) or (n, k)
    sub_pack: int = 1
    first_cell: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """What an adapter read from a message of a foreign topic."""

    tenant: str
    vin: Vin
    parts: Sequence[Part]
    sent_us: int  #: microseconds since 1970 UTC; the arrival where the message does not tell
    is_hist: bool = False
    masked: Mapping[str, int] = field(default_factory=dict)  #: ``what:reason`` -> values left out
    extra: Mapping[str, float] = field(default_factory=dict)  #: signal name -> value at ``sent_us``
    coordinates: str | None = None  #: of its positions; None: as the vehicle model says


class Adapter(Protocol):
    """Reads the messages of somebody else's topics. Pure: no I/O, no clock."""

    @property
    def filters(self) -> Sequence[str]:
        """Return the topic filters that ingest subscribes to for it."""

    def matches(self, topic: str) -> bool:
        """Tell whether a topic is one of its own."""

    def adapt(self, delivery: Delivery) -> Adapted:
        """Return what a delivery on one of its topics says.

        Raises:
            PayloadError: It cannot be read; ``unknown_vehicle`` where its sender has no VIN here.
        """


@dataclass(frozen=True, slots=True)
class CanFrames:
    """Raw frames out of one message, to be decoded with the others of the same vehicle model."""

    time_us: IntArray  #: shape (n,)
    can_id: npt.NDArray[np.uint32]  #: shape (n,), bit 31 set: extended
    length: npt.NDArray[np.integer]  #: shape (n,)
    data: npt.NDArray[np.uint8]  #: shape (n, 8) or (n, 64); wider where payloads take the place of frames

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> CanFrames:
        """Return some of the frames."""
        return CanFrames(self.time_us[rows], self.can_id[rows], self.length[rows], self.data[rows])

    @classmethod
    def join(cls, parts: Sequence[CanFrames]) -> CanFrames:
        """Return all parts, in this order and of the widest one's width; there must be at least one."""
        if len(parts) == 1:
            return parts[0]
        data = np.zeros((sum(len(p.data) for p in parts), max(p.data.shape[1] for p in parts)), np.uint8)
        end = 0
        for part in parts:
            begin, end = end, end + len(part.data)
            data[begin:end, : part.data.shape[1]] = part.data
        return cls(
            np.concatenate([part.time_us for part in parts]),
            np.concatenate([part.can_id for part in parts]),
            np.concatenate([part.length for part in parts]),
            data,
        )


@dataclass(frozen=True, slots=True)
class CutTransfers:
    """Frames of transfers that one CAN message does not hold whole; each half waits for the other."""

    bus: str
    begun: CanFrames | None = None  #: of transfers that may go on behind the message
    rest: CanFrames | None = None  #: at its beginning, of transfers whose beginning it has not
    taken_us: int | None = None  #: last time of an earlier message's ``begun`` that this one was joined to


@dataclass(frozen=True, slots=True)
class JoinedFrames:
    """The frames of a CAN message together with those of transfers that were open before it."""

    frames: CanFrames
    cut: CutTransfers | None = None  #: None: every transfer in it is whole
    lost: Mapping[str, int] = field(default_factory=dict)  #: transfers given up, by reason


@dataclass(frozen=True, slots=True)
class TroubleCode:
    """One diagnostic trouble code."""

    time_us: int
    ecu: str
    code: str
    status: int | None  #: ISO 14229-1 status byte
    occurrences: int | None = None  #: as the control unit counts, where it tells


@dataclass(frozen=True, slots=True)
class Status:
    """The retained state of a boot."""

    boot: str
    is_online: bool | None  #: None: it waited too long to tell
    seq: int | None  #: last sequence number sent


@dataclass(frozen=True, slots=True)
class Birth:
    """What a vehicle says of itself at boot."""

    model: str
    firmware: str
    time_zone: str
    previous: tuple[str, int] | None = None  #: boot before this one, last sequence number it gave


@dataclass(slots=True)
class Tele:
    """Samples of a ``tele`` payload, as sent; they become arrays together with those of other messages."""

    time_ms: Sequence[int]
    columns: Mapping[str, Any]  #: alias -> list of values, or an array
    payload: bytes = b""
    has_arrays: bool = False
    packed_at: int = 0  #: where the CBOR of the columns begins, to the end of the payload; 0: they are read


_NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return _NOTHING


@dataclass(slots=True, kw_only=True)
class Message:
    """What was read from one delivery."""

    vehicle: Vehicle
    received_us: int
    envelope: Envelope | None = None  #: None for a status
    tele: Tele | None = None
    parts: Sequence[Part] = ()
    can: CanFrames | None = None
    cut: CutTransfers | None = None  #: what of ``can`` is not whole
    events: Sequence[VehicleEvent] = ()
    codes: list[TroubleCode] = field(default_factory=list)
    extra: Mapping[str, float] = field(default_factory=_nothing)  #: signal name -> value at ``extra_time_us``
    extra_time_us: int = 0
    status: Status | None = None
    birth: Birth | None = None
    coordinates: str | None = None  #: of its positions; None: as the vehicle model says
    masked: Mapping[str, int] = field(default_factory=_nothing)

    @property
    def row_count(self) -> int:
        """Return about how many rows this message will make."""
        if self.tele is not None:
            return 1 + len(self.tele.time_ms)
        frames = 0 if self.can is None else len(self.can.time_us)
        return 1 + frames + sum(len(part.time_us) for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A delivery, or a part of it, that could not be read."""

    topic: str
    payload: bytes
    received_us: int
    reason: str
    detail: str
    tenant: str | None = None
    vin: Vin | None = None

    @property
    def is_retryable(self) -> bool:
        """Tell whether the cause can go away."""
        return self.reason in RETRYABLE

    @property
    def digest(self) -> bytes:
        """Return what makes a redelivered reject the same reject."""
        return hashlib.sha256(self.topic.encode() + b"\0" + self.payload).digest()

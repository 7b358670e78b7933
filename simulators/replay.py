"""Publish a recording as if a vehicle were sending it now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from data.records import Family, FamilyRows, VehicleEvent, Vin
from data.topics import Up
from simulators.batches import join_rows, select_rows
from simulators.encode import Encoding, birth_payload, event_payload, tele_payload
from simulators.encode_can import FD_RECORD, RECORD, can_payload
from simulators.encode_gbt import gbt_payload
from simulators.errors import SimulatorError
from simulators.publish import FleetLink
from simulators.sent_store import SentStore

#: Samples this close to the end of the recording are sent live.
LIVE_SPAN_US = 60_000_000
_MOST_SAMPLES = 120
_MOST_FRAMES = 2000
#: A frame tells its microseconds since the first one of its message in 32 bits: 71 minutes.
_LONGEST_CAN_US = 3_600_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CanRecording:
    """Raw frames of one bus, in time order."""

    bus: str
    time_us: npt.NDArray[np.int64]  #: shape (n,)
    frames: npt.NDArray[Any]  #: shape (n,), ``RECORD`` or ``FD_RECORD`` of ``encode_can``; ``us`` is set anew

    @classmethod
    def of(
        cls,
        bus: str,
        time_us: npt.NDArray[np.int64],
        can_id: npt.NDArray[np.uint32],
        length: npt.NDArray[np.uint8],
        data: npt.NDArray[np.uint8],
    ) -> Self:
        """Return a recording from columns: identifiers with bit 31 set where extended, data of (n, 8 or 64).

        Raises:
            SimulatorError: The data are of another width.
        """
        if data.shape[1] not in {8, 64}:
            raise SimulatorError(f"CAN log: data {data.shape[1]} bytes wide: must be 8, or 64 for CAN FD")
        frames = np.zeros(time_us.size, RECORD if data.shape[1] == 8 else FD_RECORD)
        frames["id"], frames["length"], frames["data"] = can_id, length, data
        return cls(bus=bus, time_us=time_us, frames=frames)


@dataclass(frozen=True, slots=True, kw_only=True)
class GbtRecording:
    """Raw GB/T 32960 frames in time order."""

    time_us: npt.NDArray[np.int64]  #: shape (n,)
    frames: Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayCounts:
    """What a replay has sent."""

    published: int  #: messages acknowledged by the broker
    rows: int  #: samples, frames and events in them
    resent: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """One message to be: its newest sample time, how many rows, and how to send it."""

    time_us: int
    rows: int
    kind: Up
    make: Callable[[Any], bytes]
    bus: str = ""


def publish_recording(
    mqtt_url: str,
    *,
    tenant: str,
    vin: Vin,
    batches: Sequence[FamilyRows] = (),
    events: Sequence[VehicleEvent] = (),
    can: Sequence[CanRecording] = (),
    gbt: GbtRecording | None = None,
    shift_us: int,
    store_dir: Path,
    keep_time: bool = False,
    speed: float | None = None,
    position: tuple[float, float] | None = None,
    birth: tuple[str, str, str] | None = None,
    encoding: Encoding = "cbor",
    rate_messages_per_s: float = 400.0,
    on_progress: Callable[[int, int], None] | None = None,
    stop: Event,
    linger_s: float = 0.0,
) -> ReplayCounts:
    """Publish a recording in chronological order, marked ``replayed``; wait until the broker has it all.

    Args:
        mqtt_url: The broker, with the simulators' account.
        tenant: Whose vehicle it is.
        vin: The vehicle it is replayed as.
        batches: Decoded readings of one vehicle; drive, tire and cell travel merged.
        events: On-board alarms and the like.
        can: Raw frames of each bus instead of decoded readings.
        gbt: Raw GB/T 32960 frames instead of decoded readings. They tell their own time, so ``shift_us``
            must be 0.
        shift_us: Added to every sample time.
        store_dir: Where what was sent is kept for requests to send it again.
        keep_time: Archive only: everything is sent as ``hist``.
        speed: How many seconds of the recording pass in one second; None: as fast as the broker takes it.
        position: Latitude and longitude for drive rows where the recording has none.
        birth: Model, firmware and time zone to announce first.
        encoding: Of the tele messages.
        rate_messages_per_s: Upper bound.
        on_progress: Called with the messages queued and all messages.
        stop: Ends the replay.
        linger_s: How long to go on answering requests after the last message; until ``stop`` at most.

    Raises:
        SimulatorError: The recording is empty, GB/T frames would have to be shifted, or an argument is wrong.
        LinkError: The broker's address is wrong.
    """
    if speed is not None and not speed > 0:
        raise SimulatorError(f"speed {speed}: must be above 0")
    if gbt is not None and shift_us:
        raise SimulatorError(
            "shift_us: GB/T 32960 frames carry their own time; replay the decoded readings instead"
        )
    pieces = sorted(
        [
            *_tele_pieces([_shifted(b, shift_us, position) for b in batches], encoding),
            *_event_pieces(events, shift_us),
            *(piece for bus in can for piece in _can_pieces(bus, shift_us)),
            *_gbt_pieces(gbt),
        ],
        key=lambda piece: piece.time_us,
    )
    if not pieces:
        raise SimulatorError("recording: has no rows, events or frames")
    store = SentStore(store_dir)
    boot = f"r{int(time.time() * 1000):x}"
    link = FleetLink(
        mqtt_url,
        tenant=tenant,
        vins=[vin],
        boot=boot,
        store=store,
        origin="replayed",
        rate_messages_per_s=rate_messages_per_s,
        now_ms=_now_ms,
    )
    rows, previous = 0, store.newest_boot(vin)
    try:
        link.start()
        if birth is not None:
            model, firmware, zone = birth
            link.submit(
                vin,
                Up.BIRTH,
                partial(birth_payload, model=model, firmware=firmware, time_zone=zone, previous=previous),
                stop=stop,
            )
        first_us, last_us = pieces[0].time_us, pieces[-1].time_us
        began = time.monotonic()
        for number, piece in enumerate(pieces, start=1):
            if speed is not None:
                stop.wait(max(0.0, (piece.time_us - first_us) / 1e6 / speed - (time.monotonic() - began)))
            is_hist = keep_time or piece.time_us < last_us - LIVE_SPAN_US
            if not link.submit(vin, piece.kind, piece.make, is_hist=is_hist, bus=piece.bus, stop=stop):
                break
            rows += piece.rows
            if on_progress is not None:
                on_progress(number, len(pieces))
        while not link.drain(1.0, stop) and not stop.is_set():
            pass
        stop.wait(linger_s)
    finally:
        link.stop()
        store.close()
    return ReplayCounts(published=link.counters.acked, rows=rows, resent=link.counters.resent)


def _shifted(rows: FamilyRows, shift_us: int, position: tuple[float, float] | None) -> FamilyRows:
    # Milliseconds on the wire: rounding here keeps times of one instant equal.
    rows = replace(rows, time_us=(rows.time_us + shift_us) // 1000 * 1000)
    if rows.family is not Family.DRIVE or position is None:
        return rows
    missing = np.full(len(rows), np.nan)
    lat, lon = rows.columns.get("latitude", missing), rows.columns.get("longitude", missing)
    gone = np.isnan(lat) | np.isnan(lon)
    columns = {**rows.columns, "latitude": np.where(gone, position[0], lat)}
    columns["longitude"] = np.where(gone, position[1], lon)
    return replace(rows, columns=columns)


def _tele_pieces(batches: Sequence[FamilyRows], encoding: Encoding) -> Iterator[_Piece]:
    """Yield messages of at most 120 samples; the live end begins a message of its own."""
    families = []
    for family in (Family.DRIVE, Family.TIRE, Family.CELL):
        parts = [b for b in batches if b.family is family and len(b)]
        if parts:
            joined = join_rows(parts)
            if joined.sub_pack is not None and joined.first_cell is not None:
                # A tele message speaks of the first sub-pack only.
                joined = select_rows(joined, (joined.sub_pack == 1) & (joined.first_cell == 1))
            # Of several rows of one instant the last one counts, as in the recording.
            order = np.argsort(joined.time_us, kind="stable")
            joined = select_rows(joined, order)
            keep = np.append(joined.time_us[1:] != joined.time_us[:-1], True)
            families.append(select_rows(joined, keep))
    if not families:
        return
    times = np.unique(np.concatenate([f.time_us for f in families]))
    live = int(np.searchsorted(times, times[-1] - LIVE_SPAN_US))
    for begin, end in _pieces(0, live) + _pieces(live, times.size):
        low, high = times[begin], times[end - 1]
        rows = []
        for readings in families:
            first = int(np.searchsorted(readings.time_us, low))
            last = int(np.searchsorted(readings.time_us, high, side="right"))
            if last > first:
                rows.append(select_rows(readings, slice(first, last)))
        yield _Piece(
            int(high),
            sum(map(len, rows)),
            Up.TELE,
            partial(tele_payload, rows=tuple(rows), encoding=encoding),
        )


def _pieces(begin: int, end: int) -> list[tuple[int, int]]:
    count = -(-(end - begin) // _MOST_SAMPLES)
    edges = [begin + round((end - begin) * i / count) for i in range(count + 1)] if count else []
    return list(pairwise(edges))


def _event_pieces(events: Sequence[VehicleEvent], shift_us: int) -> Iterator[_Piece]:
    for event in events:
        time_us = event.time_us + shift_us
        data = {**event.data, **({"code": event.code} if event.code else {})}
        yield _Piece(
            time_us,
            1,
            Up.EVENT,
            partial(event_payload, time_ms=time_us // 1000, kind=event.kind, level=event.level, data=data),
        )


def _can_pieces(can: CanRecording, shift_us: int) -> Iterator[_Piece]:
    """Yield messages of at most 2,000 frames and one hour; the live end begins a message of its own."""
    if not can.time_us.size:
        return
    time_us = can.time_us + shift_us
    live = int(np.searchsorted(time_us, time_us[-1] - LIVE_SPAN_US))
    end = 0
    while end < time_us.size:
        begin = end
        end = min(begin + _MOST_FRAMES, int(np.searchsorted(time_us, time_us[begin] + _LONGEST_CAN_US)))
        end = min(end, live) if begin < live else end
        times = time_us[begin:end]
        t0_ms = int(times[0]) // 1000
        frames = can.frames[begin:end].copy()
        frames["us"] = times - t0_ms * 1000
        yield _Piece(
            int(times[-1]), times.size, Up.CAN, partial(can_payload, t0_ms=t0_ms, frames=frames), bus=can.bus
        )


def _gbt_pieces(gbt: GbtRecording | None) -> Iterator[_Piece]:
    if gbt is None:
        return
    for time_us, frame in zip(gbt.time_us.tolist(), gbt.frames, strict=True):
        yield _Piece(time_us, 1, Up.GBT32960, partial(gbt_payload, frame=frame))


def _now_ms() -> int:
    return int(time.time() * 1000)

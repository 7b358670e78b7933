"""CAN frames from signals: numpy bit packing by a bus database, and the payload of ``up/can``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cantools.database
import cbor2
import numpy as np
import numpy.typing as npt

from simulators.encode import Envelope
from simulators.errors import EncodeError

Bytes = npt.NDArray[np.uint8]
_HEAD = [("us", "<u4"), ("id", "<u4"), ("flags", "u1"), ("length", "u1")]
RECORD = np.dtype([*_HEAD, ("data", "u1", (8,))])
FD_RECORD = np.dtype([*_HEAD, ("data", "u1", (64,))])


class CanEncoder:
    """Packs readings of one vehicle model into frames of its bus.

    A missing value is packed as all ones (signed: the greatest value), which the bus database calls not
    available; a message without any value is not sent.
    """

    def __init__(self, dbc_text: str, signal_map: Mapping[str, Mapping[str, Any]]) -> None:
        """Read the bus database.

        Raises:
            EncodeError: A mapped signal is missing in the bus database; names it.
        """
        database = cantools.database.load_string(dbc_text, "dbc")
        if not isinstance(database, cantools.database.Database):
            raise EncodeError("dbc: is not a CAN bus database")
        self._messages = [
            m for m in database.messages if any(f"{m.name}.{s.name}" in signal_map for s in m.signals)
        ]
        self._map = signal_map
        known = {f"{m.name}.{s.name}" for m in database.messages for s in m.signals}
        missing = sorted(set(signal_map) - known)
        if missing:
            raise EncodeError(f"signal_map {missing[0]!r}: not in the bus database")

    def frames(
        self, time_us: npt.NDArray[np.int64], columns: Mapping[str, npt.NDArray[Any]]
    ) -> npt.NDArray[Any]:
        """Return the frames of ``n`` instants in time order.

        Args:
            time_us: Shape (n,), microseconds.
            columns: Catalogue alias to (n,) or (n, k); NaN is missing.

        Returns:
            Records of ``RECORD`` with absolute ``us`` replaced by the microseconds since ``time_us[0]``.
        """
        found = []
        for message in self._messages:
            groups: dict[int | None, list[Any]] = {}
            switch = next((s for s in message.signals if s.is_multiplexer), None)
            for signal in message.signals:
                if f"{message.name}.{signal.name}" in self._map:
                    groups.setdefault(
                        signal.multiplexer_ids[0] if signal.multiplexer_ids else None, []
                    ).append(signal)
            for group, signals in groups.items():
                data = np.zeros((time_us.size, 8), np.uint8)
                has_value = np.zeros(time_us.size, np.bool_)
                for signal in signals:
                    values = self._column(columns, f"{message.name}.{signal.name}", time_us.size)
                    has_value |= ~np.isnan(values)
                    pack_signal(data, signal, values)
                if switch is not None and group is not None:
                    pack_signal(data, switch, np.full(time_us.size, float(group)))
                at = np.flatnonzero(has_value)
                records = np.zeros(at.size, RECORD)
                records["us"] = time_us[at] - time_us[0]
                records["id"] = message.frame_id | (0x8000_0000 if message.is_extended_frame else 0)
                records["length"], records["data"] = message.length, data[at]
                found.append(records)
        frames = np.concatenate(found) if found else np.zeros(0, RECORD)
        return frames[np.argsort(frames["us"], kind="stable")]

    def _column(
        self, columns: Mapping[str, npt.NDArray[Any]], name: str, count: int
    ) -> npt.NDArray[np.float64]:
        entry = self._map[name]
        values = columns.get(str(entry["alias"]))
        if values is None:
            return np.full(count, np.nan)
        if "index" in entry:
            values = values[:, int(entry["index"])]
        return np.asarray(
            (values - float(entry.get("offset", 0.0))) / float(entry.get("scale", 1.0)), np.float64
        )


def pack_signal(data: Bytes, signal: Any, values: npt.NDArray[np.float64]) -> None:
    """Write one integer signal of every frame into ``data`` (n, 8); NaN becomes "not available".

    Bit numbering as in DBC files: little-endian from the least significant bit upward, big-endian from the
    most significant bit (sawtooth).
    """
    length = signal.length
    raw = np.rint((np.nan_to_num(values) - signal.offset) / signal.scale).astype(np.int64)
    low, high = (
        (-(1 << (length - 1)), (1 << (length - 1)) - 1) if signal.is_signed else (0, (1 << length) - 1)
    )
    raw = np.where(np.isnan(values), high, np.clip(raw, low, high)) & ((1 << length) - 1)
    for bit in range(length):
        if signal.byte_order == "little_endian":
            position = signal.start + bit
        else:
            from_msb = 8 * (signal.start // 8) + 7 - signal.start % 8 + (length - 1 - bit)
            position = 8 * (from_msb // 8) + 7 - from_msb % 8
        data[:, position // 8] |= (((raw >> bit) & 1) << (position % 8)).astype(np.uint8)


def can_payload(envelope: Envelope, t0_ms: int, frames: npt.NDArray[Any]) -> bytes:
    """Return the payload of ``up/can``: frames as 18-byte records since ``t0_ms``, 74-byte ones of CAN FD."""
    field = "fd" if frames.dtype == FD_RECORD else "f"
    return cbor2.dumps({**envelope.fields(), "t0": t0_ms, field: frames.tobytes()})

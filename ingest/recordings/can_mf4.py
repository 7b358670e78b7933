"""CAN frames out of MF4 logs with raw bus traffic (ASAM MDF 4.1, bus logging), read by asammdf."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.can import EXTENDED
from ingest.recordings.errors import RecordingError
from ingest.recordings.recording import CanLog

MAGIC = (b"MDF     ", b"UnFinMF ")
_FRAME = "CAN_DataFrame"
_LEFT_OUT = ("CAN_RemoteFrame", "CAN_ErrorFrame", "CAN_OverloadFrame")
#: Bytes of a CAN FD frame by its length code (ISO 11898-1).
_LENGTHS = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64], dtype=np.uint8)


def read_mf4(content: bytes, path: Path, skipped: Counter[str]) -> CanLog:
    """Return the frames of all buses of an MF4 log.

    Raises:
        RecordingError: asammdf is not installed, the file is damaged, or it holds no raw CAN frames.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of asammdf and what it imports
        try:
            from asammdf import MDF  # an extra, and a second to import
        except ImportError as error:
            raise RecordingError(
                f"{path}: MF4 files need asammdf; install it with: pip install 'anxin[mf4]'"
            ) from error
        try:
            with MDF(io.BytesIO(content)) as file:
                return _read(file, path, skipped)
        except RecordingError:
            raise
        except Exception as error:  # asammdf lets errors of struct, numpy and its own through
            raise RecordingError(f"{path}: damaged MF4 file ({error!r:.200})") from error


def _read(file: Any, path: Path, skipped: Counter[str]) -> CanLog:
    started = file.header.start_time
    start_us = round((started if started.tzinfo else started.replace(tzinfo=UTC)).timestamp() * 1e6)
    logs = []
    for number, group in enumerate(file.groups):
        names = [channel.name for channel in group.channels]
        if any(name.startswith(_LEFT_OUT) for name in names) and group.channel_group.cycles_nr:
            skipped["frame: error or remote"] += int(group.channel_group.cycles_nr)
        name = next((n for n in names if n.startswith(_FRAME) and "." not in n), None)
        if name is not None and group.channel_group.cycles_nr:
            logs.append(_frames(file.get(name, group=number), name, start_us))
    if not logs:
        raise RecordingError(f"{path}: no raw CAN frames in it; only logs of bus traffic can be read")
    width = max(log.data.shape[1] for log in logs)
    return CanLog(
        time_us=np.concatenate([log.time_us for log in logs]),
        can_id=np.concatenate([log.can_id for log in logs]),
        length=np.concatenate([log.length for log in logs]),
        data=np.concatenate([np.pad(log.data, ((0, 0), (0, width - log.data.shape[1]))) for log in logs]),
        bus=np.concatenate([log.bus for log in logs]),
    )


def _frames(signal: Any, name: str, start_us: int) -> CanLog:
    samples = signal.samples
    fields = set(samples.dtype.names)

    def column(field: str) -> npt.NDArray[Any] | None:
        return samples[f"{name}.{field}"] if f"{name}.{field}" in fields else None

    n = len(signal.timestamps)
    identifier = np.asarray(column("ID")).astype(np.uint32)
    extended = column("IDE")
    is_extended = (identifier & EXTENDED > 0) if extended is None else np.asarray(extended) == 1
    payload = np.asarray(column("DataBytes"), dtype=np.uint8).reshape(n, -1)
    length = column("DataLength")
    if length is None:
        length = _LENGTHS[np.minimum(np.asarray(column("DLC")).astype(np.int64), 15)]
    length = np.minimum(np.asarray(length).astype(np.int64), min(64, payload.shape[1])).astype(np.uint8)
    width = 64 if payload.shape[1] > 8 else 8
    data = np.zeros((n, width), dtype=np.uint8)
    data[:, : min(width, payload.shape[1])] = payload[:, :width]
    data[np.arange(width) >= length[:, np.newaxis]] = 0
    bus = column("BusChannel")
    return CanLog(
        time_us=np.round(np.asarray(signal.timestamps) * 1e6).astype(np.int64) + start_us,
        can_id=(identifier & np.uint32(0x1FFF_FFFF)) | np.where(is_extended, EXTENDED, 0).astype(np.uint32),
        length=length,
        data=data,
        bus=np.zeros(n, np.uint8) if bus is None else np.asarray(bus).astype(np.uint8),
    )

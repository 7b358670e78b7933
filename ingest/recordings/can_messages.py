"""CAN logs that python-can reads: Vector .asc and .blf, candump, PEAK .trc."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path

import can
import numpy as np

from ingest.can import EXTENDED
from ingest.recordings.errors import RecordingError
from ingest.recordings.recording import CanLog, no_bus

CANDUMP = re.compile(
    r"^\(\d{1,10}\.\d+\)\s+\S+\s+[0-9A-F]{3,8}"
    r"(#([0-9A-F]{2}){0,8}|##[0-9A-F]([0-9A-F]{2}){0,64}|#R\d?)(\s+[RT])?\s*$",
    re.IGNORECASE,
)
#: A classic frame of a Vector log; other lines that begin with a time are not needed.
_ASC_FRAME = re.compile(
    r"^\s*\d{1,9}\.\d+\s+\d+\s+[0-9A-F]+x?\s+(Rx|Tx)\s+d\s+[0-8](\s+[0-9A-F]{2})*\s*$", re.I
)
_TIMED = re.compile(r"^\s*\d+\.\d+\s")
#: Where the head of a .blf file tells how long the file is.
_BLF_SIZE = slice(16, 24)
EARLIEST_US = 1_262_304_000_000_000  #: 2010; a log that begins before has no date


def read_asc(content: bytes, _path: Path, skipped: Counter[str]) -> CanLog:
    """Return the frames of a Vector .asc log."""
    text = content.decode("utf-8", errors="replace")
    try:
        messages = _asc_messages(text)
    except (ValueError, IndexError):  # one damaged line stops python-can: go on without such lines
        lines = text.splitlines()
        good = [line for line in lines if _ASC_FRAME.match(line) or not _TIMED.match(line)]
        skipped["frame: unreadable row"] += len(lines) - len(good)
        messages = _asc_messages("\n".join(good) + "\n")
    log = from_messages(messages, skipped)
    if len(log) and log.time_us[0] < EARLIEST_US:  # python-can knows Vector's own date formats only
        try:
            started = parsedate_to_datetime(text.splitlines()[0].removeprefix("date").strip())
        except ValueError:
            return log
        return log.at(log.time_us + round(started.timestamp() * 1e6))
    return log


def _asc_messages(text: str) -> list[can.Message]:
    with can.ASCReader(io.StringIO(text), relative_timestamp=False) as reader:
        return list(reader)


def read_candump(content: bytes, _path: Path, skipped: Counter[str]) -> CanLog:
    """Return the frames of a candump log."""
    lines = content.decode("utf-8", errors="replace").splitlines()
    good = [line for line in lines if CANDUMP.match(line)]
    bad = sum(bool(line.strip()) for line in lines) - len(good)
    if bad:
        skipped["frame: unreadable row"] += bad
    with can.CanutilsLogReader(io.StringIO("\n".join(good) + "\n")) as reader:
        return from_messages(list(reader), skipped)


def read_blf(content: bytes, path: Path, skipped: Counter[str]) -> CanLog:
    """Return the frames of a Vector .blf log; of a damaged one those before the damage."""
    log = _until_damage(lambda: can.BLFReader(io.BytesIO(content)), path, skipped)
    if int.from_bytes(content[_BLF_SIZE], "little") > len(content):
        skipped["file: cut off"] += 1
    return log


def read_trc(content: bytes, path: Path, skipped: Counter[str]) -> CanLog:
    """Return the frames of a PEAK .trc log; of a damaged one those before the damage."""
    text = content.decode("utf-8", errors="replace")
    return _until_damage(lambda: can.TRCReader(io.StringIO(text)), path, skipped)


def _until_damage(
    start: Callable[[], can.BLFReader | can.TRCReader], path: Path, skipped: Counter[str]
) -> CanLog:
    messages: list[can.Message] = []
    try:
        with start() as reader:
            for message in reader:
                messages.append(message)  # noqa: PERF402 - those before the damage must be kept
    except Exception as error:  # python-can lets errors of struct, zlib and its own through
        if not messages:
            raise RecordingError(f"{path}: not a readable CAN log ({error!r:.200})") from error
        skipped["frame: behind a damaged place"] += 1
    return from_messages(messages, skipped)


def from_messages(messages: Sequence[can.Message], skipped: Counter[str]) -> CanLog:
    """Return the data frames among messages as columns; channels become buses from 0 in order of name."""
    kept = [m for m in messages if not (m.is_error_frame or m.is_remote_frame)]
    if len(kept) < len(messages):
        skipped["frame: error or remote"] += len(messages) - len(kept)
    if not kept:
        return CanLog.none()
    width = 64 if any(len(m.data) > 8 for m in kept) else 8
    joined = b"".join(bytes(m.data).ljust(width, b"\0") for m in kept)
    names = np.array([str(m.channel) for m in kept])
    _, bus = np.unique(names, return_inverse=True)
    return CanLog(
        time_us=np.array([round(m.timestamp * 1e6) for m in kept], dtype=np.int64),
        can_id=np.array(
            [m.arbitration_id | (EXTENDED if m.is_extended_id else 0) for m in kept], dtype=np.uint32
        ),
        length=np.array([len(m.data) for m in kept], dtype=np.uint8),
        data=np.frombuffer(joined, dtype=np.uint8).reshape(-1, width),
        bus=bus.astype(np.uint8) if bus.max() < 256 else no_bus(len(kept)),
    )

"""Frames out of CAN logs: SavvyCAN GVRET CSV (read as columns), Vector .asc and candump (python-can)."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path

import can
import numpy as np
import pandas as pd

from data.records import FloatArray, IntArray
from ingest.can.database import EXTENDED
from ingest.recordings.errors import RecordingError
from ingest.recordings.recording import CanLog
from ingest.recordings.table import first_line, header_of, read_table

_CANDUMP = re.compile(
    r"^\(\d{1,10}\.\d+\)\s+\S+\s+[0-9A-F]{3,8}"
    r"(#([0-9A-F]{2}){0,8}|##[0-9A-F]([0-9A-F]{2}){0,64}|#R\d?)(\s+[RT])?\s*$",
    re.IGNORECASE,
)
#: A classic frame of a Vector log; other lines that begin with a time are not needed.
_ASC_FRAME = re.compile(
    r"^\s*\d{1,9}\.\d+\s+\d+\s+[0-9A-F]+x?\s+(Rx|Tx)\s+d\s+[0-8](\s+[0-9A-F]{2})*\s*$", re.I
)
_TIMED = re.compile(r"^\s*\d+\.\d+\s")
#: Where a log has no date its first frame is put here: 2020-01-01 UTC.
_NO_DATE_US = 1_577_836_800_000_000
_EARLIEST_US = 1_262_304_000_000_000  # 2010
_LATEST_US = 4_102_444_800_000_000  # 2100


def is_can_log(content: bytes) -> bool:
    """Tell whether the first line is one of the three formats'."""
    return _reader_of(content) is not None


def read_can_log(content: bytes, path: Path, skipped: Counter[str], notes: list[str]) -> CanLog:
    """Return the frames of a log in time order.

    Raises:
        RecordingError: Not a CAN log, or no frame in it can be read; names the file.
    """
    reader = _reader_of(content)
    if reader is None:
        raise RecordingError(f"{path}: not a CAN log (GVRET CSV, Vector .asc or candump)")
    try:
        log = reader(content, path, skipped)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise RecordingError(f"{path}: not a readable CAN log ({error})") from error
    if not len(log):
        raise RecordingError(f"{path}: no CAN frame can be read")
    order = np.argsort(log.time_us, kind="stable")
    time_us = log.time_us[order]
    if time_us[0] < _EARLIEST_US:
        notes.append("the log has no date: its first frame is put at 2020-01-01")
        time_us = time_us - time_us[0] + _NO_DATE_US
    return CanLog(time_us=time_us, can_id=log.can_id[order], length=log.length[order], data=log.data[order])


def _reader_of(content: bytes) -> Callable[[bytes, Path, Counter[str]], CanLog] | None:
    line = first_line(content)
    if {"Time Stamp", "ID", "LEN", "D1"} <= set(header_of(content)):
        return _read_gvret
    if line.startswith(("date ", "base hex", "base dec")):
        return _read_asc
    return _read_candump if _CANDUMP.match(line) else None


def _read_gvret(content: bytes, path: Path, skipped: Counter[str]) -> CanLog:
    table = read_table(content, path, skipped, is_text=True)
    time_us = _numbers(table["Time Stamp"], 10)
    identifier = _numbers(table["ID"], 16)
    length = _numbers(table["LEN"], 10)
    byte_columns = [f"D{k}" for k in range(1, 65) if f"D{k}" in table.columns]
    payload = np.stack([_numbers(table[column], 16) for column in byte_columns], axis=1)
    there = np.isfinite(payload) & (payload <= 0xFF)
    whole = np.where(there.all(axis=1), payload.shape[1], np.argmin(there, axis=1))
    is_good = (
        (np.abs(time_us) < _LATEST_US)
        & np.isfinite(length)
        & (identifier >= 0)
        & (identifier < EXTENDED)
        & (length <= 64)
    )
    if not is_good.all():
        skipped["frame: unreadable row"] += int((~is_good).sum())
    time_us, identifier, length = time_us[is_good], identifier[is_good], length[is_good]
    payload, whole = np.where(there, payload, 0)[is_good], whole[is_good]
    if (length > whole).any():
        skipped["frame: bytes missing"] += int((length > whole).sum())
        length = np.minimum(length, whole)
    is_extended = table["Extended"].str.strip().str.lower().eq("true").to_numpy(dtype=np.bool_)[is_good]
    can_id = identifier.astype(np.uint32) | np.where(is_extended, np.uint32(EXTENDED), np.uint32(0))
    return _pack(time_us.astype(np.int64), can_id, length.astype(np.uint8), payload.astype(np.uint8))


def _numbers(column: pd.Series, base: int) -> FloatArray:
    """Return a text column as numbers, NaN where it is none; each distinct text is parsed once."""
    codes, texts = pd.factorize(column.str.strip())
    values = np.array([_number(str(text), base) for text in texts] + [np.nan])
    return values[codes]  # a missing text has code -1, the last value


def _number(text: str, base: int) -> float:
    try:
        return float(int(text, base))
    except ValueError:
        return float("nan")


def _read_asc(content: bytes, _path: Path, skipped: Counter[str]) -> CanLog:
    text = content.decode("utf-8", errors="replace")
    try:
        messages = _asc_messages(text)
    except (ValueError, IndexError):  # one damaged line stops python-can: go on without such lines
        lines = text.splitlines()
        good = [line for line in lines if _ASC_FRAME.match(line) or not _TIMED.match(line)]
        skipped["frame: unreadable row"] += len(lines) - len(good)
        messages = _asc_messages("\n".join(good) + "\n")
    log = _from_messages(messages, skipped)
    if len(log) and log.time_us[0] < _EARLIEST_US:  # python-can knows Vector's own date formats only
        try:
            started = parsedate_to_datetime(text.splitlines()[0].removeprefix("date").strip())
        except ValueError:
            return log
        return CanLog(
            time_us=log.time_us + round(started.timestamp() * 1e6),
            can_id=log.can_id,
            length=log.length,
            data=log.data,
        )
    return log


def _asc_messages(text: str) -> list[can.Message]:
    with can.ASCReader(io.StringIO(text), relative_timestamp=False) as reader:
        return list(reader)


def _read_candump(content: bytes, _path: Path, skipped: Counter[str]) -> CanLog:
    lines = content.decode("utf-8", errors="replace").splitlines()
    good = [line for line in lines if _CANDUMP.match(line)]
    bad = sum(bool(line.strip()) for line in lines) - len(good)
    if bad:
        skipped["frame: unreadable row"] += bad
    with can.CanutilsLogReader(io.StringIO("\n".join(good) + "\n")) as reader:
        return _from_messages(list(reader), skipped)


def _from_messages(messages: Sequence[can.Message], skipped: Counter[str]) -> CanLog:
    kept = [m for m in messages if not (m.is_error_frame or m.is_remote_frame)]
    if len(kept) < len(messages):
        skipped["frame: error or remote"] += len(messages) - len(kept)
    width = 64 if any(len(m.data) > 8 for m in kept) else 8
    joined = b"".join(bytes(m.data).ljust(width, b"\0") for m in kept)
    return CanLog(
        time_us=np.array([round(m.timestamp * 1e6) for m in kept], dtype=np.int64),
        can_id=np.array(
            [m.arbitration_id | (EXTENDED if m.is_extended_id else 0) for m in kept], dtype=np.uint32
        ),
        length=np.array([len(m.data) for m in kept], dtype=np.uint8),
        data=np.frombuffer(joined, dtype=np.uint8).reshape(-1, width),
    )


def _pack(
    time_us: IntArray,
    can_id: np.ndarray[tuple[int, ...], np.dtype[np.uint32]],
    length: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    payload: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
) -> CanLog:
    width = 64 if length.size and int(length.max()) > 8 else 8
    data = np.zeros((time_us.size, width), dtype=np.uint8)
    columns = min(width, payload.shape[1])
    data[:, :columns] = payload[:, :columns]
    data[np.arange(width) >= length[:, np.newaxis]] = 0
    return CanLog(time_us=time_us, can_id=can_id, length=length, data=data)

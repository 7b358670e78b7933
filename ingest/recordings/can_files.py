"""Frames out of CAN logs: GVRET (SavvyCAN) CSV read as columns here, the other formats by libraries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from data.records import FloatArray, IntArray
from ingest.can import EXTENDED
from ingest.recordings.can_messages import (
    CANDUMP,
    EARLIEST_US,
    read_asc,
    read_blf,
    read_candump,
    read_trc,
)
from ingest.recordings.can_mf4 import MAGIC, read_mf4
from ingest.recordings.errors import RecordingError
from ingest.recordings.recording import NO_DATE_US, CanLog, no_bus
from ingest.recordings.table import first_line, header_of, read_table

_LATEST_US = 4_102_444_800_000_000  # 2100


def is_can_log(content: bytes) -> bool:
    """Tell whether the beginning is one of the formats'."""
    return _reader_of(content) is not None


def read_can_log(content: bytes, path: Path, skipped: Counter[str], notes: list[str]) -> CanLog:
    """Return the frames of a log in time order.

    Raises:
        RecordingError: Not a CAN log, or no frame in it can be read; names the file.
    """
    reader = _reader_of(content)
    if reader is None:
        raise RecordingError(
            f"{path}: not a CAN log (MF4, Vector .asc or .blf, candump, GVRET CSV or PEAK .trc)"
        )
    try:
        log = reader(content, path, skipped)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise RecordingError(f"{path}: not a readable CAN log ({error})") from error
    if not len(log):
        raise RecordingError(f"{path}: no CAN frame can be read")
    log = log.take(np.argsort(log.time_us, kind="stable"))
    if log.time_us[0] < EARLIEST_US:
        notes.append("the log has no date: its first frame is put at 2020-01-01")
        log = log.at(log.time_us - log.time_us[0] + NO_DATE_US)
    return log


def _reader_of(content: bytes) -> Callable[[bytes, Path, Counter[str]], CanLog] | None:
    if content.startswith(MAGIC):
        return read_mf4
    if content.startswith(b"LOGG"):
        return read_blf
    line = first_line(content)
    if {"Time Stamp", "ID", "LEN", "D1"} <= set(header_of(content)):
        return _read_gvret
    if line.startswith(("date ", "base hex", "base dec")):
        return read_asc
    if line.startswith((";$FILEVERSION", ";##", ";   ")):
        return read_trc
    return read_candump if CANDUMP.match(line) else None


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
    numbers = _numbers(table["Bus"], 10)[is_good] if "Bus" in table.columns else np.zeros(time_us.size)
    bus = np.where((numbers >= 0) & (numbers < 256), numbers, 0).astype(np.uint8)
    is_extended = table["Extended"].str.strip().str.lower().eq("true").to_numpy(dtype=np.bool_)[is_good]
    can_id = identifier.astype(np.uint32) | np.where(is_extended, np.uint32(EXTENDED), np.uint32(0))
    log = _pack(time_us.astype(np.int64), can_id, length.astype(np.uint8), payload.astype(np.uint8))
    return replace(log, bus=bus)


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
    return CanLog(time_us=time_us, can_id=can_id, length=length, data=data, bus=no_bus(time_us.size))

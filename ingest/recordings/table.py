"""CSV tables out of plain, gzip and zip files."""

from __future__ import annotations

import csv
import gzip
import io
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from data.records import FloatArray, IntArray
from ingest.recordings.errors import RecordingError

_LATEST_S = 4_102_444_800.0  # 2100


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, unpacked where it is gzip or a zip of one file.

    Raises:
        RecordingError: The file is absent, empty, damaged, or a zip of several files; names it.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        elif content[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                names = [i.filename for i in archive.infolist() if not i.is_dir()]
                if len(names) != 1:
                    raise RecordingError(f"{path}: a zip must hold one file, this holds {len(names)}")
                content = archive.read(names[0])
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror or error}") from error
    except (EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise RecordingError(f"{path}: damaged archive ({error})") from error
    if not content.strip():
        raise RecordingError(f"{path}: the file is empty")
    return content


def first_line(content: bytes) -> str:
    """Return the first line that is not blank, without a byte-order mark."""
    head = content[:65_536].decode("utf-8-sig", errors="replace")
    return next((line.strip() for line in head.splitlines() if line.strip()), "")


def header_of(content: bytes) -> list[str]:
    """Return the column names of a CSV file's first line, stripped."""
    return [name.strip() for name in next(csv.reader([first_line(content)]), [])]


def require_columns(table: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    """Check that a table has all columns.

    Raises:
        RecordingError: One is missing; names file and column.
    """
    for column in columns:
        if column not in table.columns:
            raise RecordingError(f"{path}: column {column!r} is missing")


def read_table(content: bytes, path: Path, skipped: Counter[str], *, is_text: bool = False) -> pd.DataFrame:
    """Return the CSV table, column names stripped; rows with too many columns are left out and counted.

    Args:
        content: The file.
        path: Its name, for messages.
        skipped: Added to.
        is_text: Leave every value as text.

    Raises:
        RecordingError: Not a CSV table with at least one row; names the file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.ParserWarning)  # a trailing comma loses nothing
            table = pd.read_csv(
                io.BytesIO(content),
                low_memory=False,
                encoding="utf-8-sig",
                on_bad_lines="skip",
                index_col=False,
                dtype=str if is_text else None,
            )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, ValueError) as error:
        raise RecordingError(f"{path}: not a CSV table ({str(error).splitlines()[0]})") from error
    if table.empty:
        raise RecordingError(f"{path}: a header and no rows")
    lines = sum(bool(line.strip()) for line in content.splitlines())
    if lines - 1 > len(table):
        skipped["row: wrong number of columns"] += lines - 1 - len(table)
    return table.rename(columns=str.strip)


def numbers(table: pd.DataFrame, column: str, skipped: Counter[str]) -> FloatArray:
    """Return a column as float64 of shape (n,), NaN where it holds no number (counted) or is absent."""
    if column not in table.columns:
        return np.full(len(table), np.nan)
    series = table[column]
    values = pd.to_numeric(series, errors="coerce")
    unreadable = int((values.isna() & series.notna()).sum())
    if unreadable:
        skipped[f"{column}: not a number"] += unreadable
    return np.asarray(values, dtype=np.float64)


def number_columns(table: pd.DataFrame, columns: Sequence[str], skipped: Counter[str]) -> FloatArray:
    """Return several columns as float64 of shape (n, k)."""
    if not columns:
        return np.empty((len(table), 0))
    return np.stack([numbers(table, column, skipped) for column in columns], axis=1)


def numbered_columns(table: pd.DataFrame, prefix: str) -> list[str]:
    """Return the columns ``prefix1``, ``prefix2`` … as far as they run without a gap."""
    names: list[str] = []
    while f"{prefix}{len(names) + 1}" in table.columns:
        names.append(f"{prefix}{len(names) + 1}")
    return names


def ordered_by_time(
    table: pd.DataFrame, seconds: FloatArray, fault: str, skipped: Counter[str]
) -> tuple[pd.DataFrame, IntArray]:
    """Return the rows that have a time, ascending, one an instant, and their times in microseconds.

    Args:
        table: Rows in any order.
        seconds: Shape (n,), NaN where a row has no time.
        fault: What to say when no row has one.
        skipped: Rows left out are counted here.

    Raises:
        RecordingError: No row has a time.
    """
    is_timed = np.isfinite(seconds) & (np.abs(seconds) < _LATEST_S)
    if not is_timed.any():
        raise RecordingError(fault)
    skipped["row: unreadable time"] += int((~is_timed).sum())
    time_us, keep = np.unique(np.round(seconds[is_timed] * 1e6).astype(np.int64), return_index=True)
    skipped["row: duplicate time"] += int(is_timed.sum()) - int(keep.size)
    return table[is_timed].iloc[keep], time_us


def take_units(names: pd.Series, unit: str | None, path: Path, column: str) -> Iterator[tuple[str, IntArray]]:
    """Yield name and row numbers of each vehicle or test of a table, in the order of their names.

    Args:
        names: Shape (n,), the unit of each row.
        unit: Only this one; None: all.
        path: The file, for messages.
        column: What the unit is called in the file.

    Raises:
        RecordingError: There is no such unit; names some that there are.
    """
    codes, found = pd.factorize(names, sort=True)
    units = [str(name) for name in found]
    if unit is not None and unit not in units:
        some = ", ".join(units[:5]) + (", …" if len(units) > 5 else "")
        raise RecordingError(f"{path}: {column} {unit!r}: must be one of {some}")
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(units) + 1))
    for k, name in enumerate(units):
        if unit in (None, name):
            yield name, order[ends[k] : ends[k + 1]]

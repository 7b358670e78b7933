"""Open a recording: find its format, read it, hand over what the live stream would have yielded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypedDict, Unpack

from data.records import VehicleSpec
from ingest.recordings import (
    aws_tires,
    can_log,
    cell_abuse,
    ev_cells,
    gbt32960_log,
    leafspy,
    nasa_cells,
    trucks,
)
from ingest.recordings.can_files import is_can_log
from ingest.recordings.errors import RecordingError
from ingest.recordings.recording import Recording
from ingest.recordings.source import Source
from ingest.recordings.table import header_of, read_bytes

FORMATS = (
    ev_cells.FORMAT,
    leafspy.FORMAT,
    gbt32960_log.FORMAT,
    can_log.FORMAT,
    cell_abuse.FORMAT,
    nasa_cells.FORMAT,
    aws_tires.FORMAT,
    trucks.FORMAT_J1939,
    trucks.FORMAT_TRACKER,
)


class ReadOptions(TypedDict, total=False):
    """How a recording is to be read; all may be left out."""

    format: str | None  #: one of ``FORMATS``; None: told by the content
    unit: str | None  #: the vehicle or test in a file that holds several
    dbc_path: str | os.PathLike[str] | None  #: bus database, for ``can``; None: what standards define
    map_path: str | os.PathLike[str] | None  #: TOML or JSON from ``Message.Signal`` to alias, for ``can``
    spec: VehicleSpec | None  #: the vehicle model; None: inferred from the recording
    placard_kpa: float | Sequence[float] | None  #: one value or one a wheel; None: the model's, else 250 kPa


def open_recording(path: str | os.PathLike[str], **options: Unpack[ReadOptions]) -> Recording:
    """Return the recording of one vehicle in a file, unpacked from .gz or .zip where needed.

    Args:
        path: The file, or a folder of Parquet files.
        options: See ``ReadOptions``.

    Raises:
        RecordingError: No such file, not a recording of the format, nothing readable in it, or several
            vehicles and none named.
    """
    found = list(islice(open_recordings(path, **options), 2))
    if len(found) > 1:
        some = ", ".join(recording.unit for recording in found)
        raise RecordingError(f"{path}: holds several vehicles or tests ({some}, …): name one with --unit")
    return found[0]


def open_recordings(path: str | os.PathLike[str], **options: Unpack[ReadOptions]) -> Iterator[Recording]:
    """Yield the recording of every vehicle or test in a file, one at a time.

    Args and errors as of ``open_recording``.
    """
    file = Path(path)
    source = Source(path=file, spec=options.get("spec"), placard_kpa=options.get("placard_kpa"))
    unit = options.get("unit")
    parts = _read_parts(file)
    content = parts[0][1]
    chosen = options.get("format") or sniff_format(content)
    if chosen is None:
        raise RecordingError(f"{file}: none of the formats {', '.join(FORMATS)}; name one with --format")
    if chosen == aws_tires.FORMAT:
        yield from aws_tires.read_aws_tires(parts, source, unit=unit)
        return
    if len(parts) > 1:
        raise RecordingError(f"{file}: a folder must hold {aws_tires.FORMAT} files; name one file")
    if chosen == cell_abuse.FORMAT:
        yield from cell_abuse.read_cell_abuse(content, source, unit=unit)
        return
    if unit is not None:
        raise RecordingError(f"{file}: unit {unit!r}: a file of format {chosen} holds one vehicle")
    if chosen == can_log.FORMAT:
        dbc_path, map_path = (
            Path(given) if given else None for given in (options.get("dbc_path"), options.get("map_path"))
        )
        yield can_log.read_can(content, source, dbc_path=dbc_path, map_path=map_path)
        return
    if chosen not in _READERS:
        raise RecordingError(f"format {chosen!r}: must be one of {', '.join(FORMATS)}")
    yield _READERS[chosen](content, source)


_READERS = {
    ev_cells.FORMAT: ev_cells.read_ev_cells,
    leafspy.FORMAT: leafspy.read_leafspy,
    gbt32960_log.FORMAT: gbt32960_log.read_gbt32960,
    nasa_cells.FORMAT: nasa_cells.read_nasa_cells,
    trucks.FORMAT_J1939: trucks.read_j1939_table,
    trucks.FORMAT_TRACKER: trucks.read_tracker,
}


def sniff_format(content: bytes) -> str | None:
    """Return the format that the content shows, None when it shows none."""
    header = header_of(content)
    tests = (
        (ev_cells.FORMAT, ev_cells.is_ev_cells(header)),
        (leafspy.FORMAT, leafspy.is_leafspy(header)),
        (aws_tires.FORMAT, aws_tires.is_aws_tires(content, header)),
        (cell_abuse.FORMAT, cell_abuse.is_cell_abuse(header)),
        (nasa_cells.FORMAT, nasa_cells.is_nasa_cells(header)),
        (trucks.FORMAT_TRACKER, trucks.is_tracker(header)),
        (trucks.FORMAT_J1939, trucks.is_j1939_table(header)),
        (gbt32960_log.FORMAT, gbt32960_log.is_gbt32960(content)),
        (can_log.FORMAT, is_can_log(content)),
    )
    return next((name for name, is_shown in tests if is_shown), None)


def _read_parts(path: Path) -> list[tuple[Path, bytes]]:
    if not path.is_dir():
        return [(path, read_bytes(path))]
    files = sorted(path.glob("*.parquet"))
    if not files:
        raise RecordingError(f"{path}: a folder without Parquet files")
    return [(file, read_bytes(file)) for file in files]

"""Open a recording: find its format, read it, hand over what the live stream would have yielded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

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


def open_recording(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - the word that the command line uses
    unit: str | None = None,
    dbc_path: str | os.PathLike[str] | None = None,
    map_path: str | os.PathLike[str] | None = None,
    spec: VehicleSpec | None = None,
    placard_kpa: float | Sequence[float] | None = None,
) -> Recording:
    """Return the recording of one vehicle in a file, unpacked from .gz or .zip where needed.

    Args:
        path: The file, or a folder of Parquet files.
        format: One of ``FORMATS``; None: told by the content.
        unit: The vehicle or test in a file that holds several.
        dbc_path: Bus database, for ``can``; None: the frames are handed out undecoded.
        map_path: TOML or JSON map from ``Message.Signal`` to alias, for ``can``.
        spec: The vehicle model; None: inferred from the recording.
        placard_kpa: Cold placard pressure, one value or one a wheel; None: the model's, else 250 kPa.

    Raises:
        RecordingError: No such file, not a recording of the format, nothing readable in it, or several
            vehicles and none named.
    """
    found = list(
        islice(
            open_recordings(
                path,
                format=format,
                unit=unit,
                dbc_path=dbc_path,
                map_path=map_path,
                spec=spec,
                placard_kpa=placard_kpa,
            ),
            2,
        )
    )
    if len(found) > 1:
        some = ", ".join(recording.unit for recording in found)
        raise RecordingError(f"{path}: holds several vehicles or tests ({some}, …): name one with --unit")
    return found[0]


def open_recordings(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - the word that the command line uses
    unit: str | None = None,
    dbc_path: str | os.PathLike[str] | None = None,
    map_path: str | os.PathLike[str] | None = None,
    spec: VehicleSpec | None = None,
    placard_kpa: float | Sequence[float] | None = None,
) -> Iterator[Recording]:
    """Yield the recording of every vehicle or test in a file, one at a time.

    Args and errors as of ``open_recording``.
    """
    file = Path(path)
    parts = _read_parts(file)
    content = parts[0][1]
    chosen = format or sniff_format(content)
    if chosen is None:
        raise RecordingError(f"{file}: none of the formats {', '.join(FORMATS)}; name one with --format")
    if chosen == aws_tires.FORMAT:
        yield from aws_tires.read_aws_tires(parts, file, unit=unit, spec=spec, placard_kpa=placard_kpa)
        return
    if len(parts) > 1:
        raise RecordingError(f"{file}: a folder must hold {aws_tires.FORMAT} files; name one file")
    if chosen == cell_abuse.FORMAT:
        yield from cell_abuse.read_cell_abuse(content, file, unit=unit, spec=spec, placard_kpa=placard_kpa)
        return
    if unit is not None:
        raise RecordingError(f"{file}: unit {unit!r}: a file of format {chosen} holds one vehicle")
    if chosen == can_log.FORMAT:
        yield can_log.read_can(
            content,
            file,
            dbc_path=Path(dbc_path) if dbc_path else None,
            map_path=Path(map_path) if map_path else None,
            spec=spec,
            placard_kpa=placard_kpa,
        )
        return
    if chosen not in _READERS:
        raise RecordingError(f"format {chosen!r}: must be one of {', '.join(FORMATS)}")
    yield _READERS[chosen](content, file, spec=spec, placard_kpa=placard_kpa)


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

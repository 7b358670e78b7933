"""Open a recording: find its format, read it, hand over what the live stream would have yielded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from data.records import VehicleSpec
from ingest.recordings import can_log, ev_cells, gbt32960_log, leafspy
from ingest.recordings.can_files import is_can_log
from ingest.recordings.errors import RecordingError
from ingest.recordings.recording import Recording
from ingest.recordings.table import header_of, read_bytes

FORMATS = (ev_cells.FORMAT, leafspy.FORMAT, gbt32960_log.FORMAT, can_log.FORMAT)


def open_recording(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - the word that the command line uses
    dbc_path: str | os.PathLike[str] | None = None,
    map_path: str | os.PathLike[str] | None = None,
    spec: VehicleSpec | None = None,
    placard_kpa: float | Sequence[float] | None = None,
) -> Recording:
    """Return the recording in a file, unpacked from .gz or .zip where needed.

    Args:
        path: The file.
        format: One of ``FORMATS``; None: told by the content.
        dbc_path: Bus database, for ``can``; None: the frames are handed out undecoded.
        map_path: TOML or JSON map from ``Message.Signal`` to alias, for ``can``.
        spec: The vehicle model; None: inferred from the recording.
        placard_kpa: Cold placard pressure, one value or one a wheel; None: the model's, else 250 kPa.

    Raises:
        RecordingError: No such file, not a recording of the format, or nothing readable in it.
    """
    file = Path(path)
    content = read_bytes(file)
    chosen = format or sniff_format(content)
    if chosen is None:
        raise RecordingError(f"{file}: none of the formats {', '.join(FORMATS)}; name one with --format")
    if chosen == ev_cells.FORMAT:
        return ev_cells.read_ev_cells(content, file, spec=spec, placard_kpa=placard_kpa)
    if chosen == leafspy.FORMAT:
        return leafspy.read_leafspy(content, file, spec=spec, placard_kpa=placard_kpa)
    if chosen == gbt32960_log.FORMAT:
        return gbt32960_log.read_gbt32960(content, file, spec=spec, placard_kpa=placard_kpa)
    if chosen == can_log.FORMAT:
        return can_log.read_can(
            content,
            file,
            dbc_path=Path(dbc_path) if dbc_path else None,
            map_path=Path(map_path) if map_path else None,
            spec=spec,
            placard_kpa=placard_kpa,
        )
    raise RecordingError(f"format {chosen!r}: must be one of {', '.join(FORMATS)}")


def sniff_format(content: bytes) -> str | None:
    """Return the format that the content shows, None when it shows none."""
    header = header_of(content)
    if ev_cells.is_ev_cells(header):
        return ev_cells.FORMAT
    if leafspy.is_leafspy(header):
        return leafspy.FORMAT
    if gbt32960_log.is_gbt32960(content):
        return gbt32960_log.FORMAT
    return can_log.FORMAT if is_can_log(content) else None

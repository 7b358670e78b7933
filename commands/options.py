"""Options and arguments that several commands take, and how their text is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from data.errors import SettingsError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")]
Port = Annotated[int | None, typer.Option(min=1, max=65_535, help="Port of the pages.")]
Supervised = Annotated[
    bool, typer.Option("--supervised", hidden=True, help="End when standard input closes.")
]


Maps = Annotated[Path | None, typer.Option("--maps", help="Folder of artefacts to apply (anxin train).")]


def parse_place(text: str | None, *, option: str = "--at") -> tuple[float, float] | None:
    """Return latitude and longitude in degrees."""
    if text is None:
        return None
    try:
        lat, lon = (float(part) for part in text.split(","))
    except ValueError:
        raise SettingsError(f"{option} {text!r}: must be LAT,LON in degrees") from None
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise SettingsError(f"{option} {text!r}: latitude must be from -90 to 90, longitude from -180 to 180")
    return lat, lon

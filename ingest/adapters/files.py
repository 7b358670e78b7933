"""Mapping files and the shipped mappings, read at start."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from data.catalogue import load_catalogue
from ingest.adapters.errors import AdapterError
from ingest.adapters.mapped import MappedAdapter
from ingest.adapters.mapping import parse_adapters


def load_adapters(path: str) -> list[MappedAdapter]:
    """Return the adapters of a mapping file; none where ``path`` is empty.

    Raises:
        AdapterError: The file cannot be read, or what it says breaks a rule.
    """
    if not path:
        return []
    try:
        text = Path(path).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AdapterError(f"ANXIN_ADAPTERS={path!r}: must be a readable UTF-8 file ({error})") from error
    mappings = parse_adapters(text, source=path, presets=read_presets(), catalogue=load_catalogue())
    return [MappedAdapter(mapping) for mapping in mappings]


def read_presets() -> dict[str, str]:
    """Return the shipped mappings, ``data/adapters/*.toml``, by name."""
    folder = resources.files("data").joinpath("adapters")
    return {
        file.name.removesuffix(".toml"): file.read_text("utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    }

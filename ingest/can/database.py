"""A DBC file and a signal map, compiled to what the vectorised decoder needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cantools.database
from cantools.database.conversion import BaseConversion

from data.catalogue import Signal, load_catalogue
from data.errors import CatalogueError

EXTENDED = 0x8000_0000
_MAP_KEYS = frozenset({"alias", "index", "scale", "offset", "missing"})
_NOT_AVAILABLE = frozenset({"sna", "not available", "signal not available", "invalid", "n/a", "na"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a mapped signal goes and how it gets into the catalogue's unit."""

    signal: Signal
    index: int  #: element of an array signal, 0 for scalars
    scale: float
    offset: float
    missing: tuple[float, ...]  #: DBC values that mean not available


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledSignal:
    """One signal of a message."""

    name: str  #: ``Message.Signal``
    start: int  #: DBC start bit
    length: int  #: bits
    is_big_endian: bool
    is_signed: bool
    is_float: bool
    scale: float
    offset: float
    exact: tuple[float, float] | None  #: scale and offset, where doubles would round twice: see the decoder
    needed: int  #: bytes a frame must have
    multiplexer: int  #: position of its multiplexer in the message's signals, -1: always there
    multiplexer_values: tuple[int, ...]
    target: Target | None

    @property
    def first(self) -> int:
        """Return the first bit as it lies in the frame, counted from the end that ``start`` belongs to.

        Little endian: the least significant bit, counted from the first byte's least significant bit. Big
        endian: the most significant bit, counted from the first byte's most significant bit.
        """
        return _first_bit(self.start, is_big_endian=self.is_big_endian)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledMessage:
    """One message: its signals, every multiplexer before the signals that depend on it."""

    name: str
    can_id: int  #: bit 31 set on extended identifiers
    is_j1939: bool  #: the DBC declares its frame format to be J1939's
    signals: tuple[CompiledSignal, ...]


def compile_database(
    dbc_text: str, signal_map: Mapping[str, Mapping[str, Any]], *, array_lengths: Mapping[str, int]
) -> dict[int, CompiledMessage]:
    """Return the messages of a DBC by CAN identifier.

    Args:
        dbc_text: The DBC file; sections BS_ and BU_ may be missing.
        signal_map: ``Message.Signal`` to ``alias``, ``index`` (array signals), ``scale`` and ``offset`` (from
            the DBC's unit to the catalogue's) and ``missing`` (DBC values that mean not available).
        array_lengths: Elements by catalogue shape: ``wheel``, ``cell``, ``probe``.

    Raises:
        CatalogueError: The DBC cannot be read, or the map names what does not exist; names the entry.
    """
    database = parse_dbc(dbc_text)
    unused = set(signal_map)
    compiled: dict[int, CompiledMessage] = {}
    for message in database.messages:
        can_id = message.frame_id | (EXTENDED if message.is_extended_frame else 0)
        signals: list[CompiledSignal] = []
        position: dict[str, int] = {}
        for signal in _multiplexers_first(message.signals):
            name = f"{message.name}.{signal.name}"
            entry = signal_map.get(name)
            unused.discard(name)
            unreadable = _unreadable(signal, position)
            if unreadable:
                if entry is not None:
                    raise CatalogueError(f"signal map {name!r}: {unreadable}")
                continue
            is_big_endian = signal.byte_order == "big_endian"
            position[signal.name] = len(signals)
            signals.append(
                CompiledSignal(
                    name=name,
                    start=signal.start,
                    length=signal.length,
                    is_big_endian=is_big_endian,
                    is_signed=signal.is_signed,
                    is_float=signal.is_float,
                    scale=float(signal.scale),
                    offset=float(signal.offset),
                    exact=_exact(signal),
                    needed=(_first_bit(signal.start, is_big_endian=is_big_endian) + signal.length + 7) // 8,
                    multiplexer=position[signal.multiplexer_signal] if signal.multiplexer_signal else -1,
                    multiplexer_values=tuple(signal.multiplexer_ids or ()),
                    target=_target(name, entry, signal.choices, array_lengths) if entry is not None else None,
                )
            )
        compiled[can_id] = CompiledMessage(
            name=message.name,
            can_id=can_id,
            is_j1939=message.protocol == "j1939",
            signals=tuple(signals),
        )
    if unused:
        raise CatalogueError(f"signal map {min(unused)!r}: the DBC has no such Message.Signal")
    return compiled


def parse_dbc(dbc_text: str) -> cantools.database.can.Database:
    """Return a DBC as cantools reads it; sections BS_ and BU_ may be missing.

    Raises:
        CatalogueError: It cannot be read.
    """
    try:
        database = cantools.database.can.Database(strict=False)
        database.add_dbc_string(_complete_sections(dbc_text))
    except Exception as error:  # cantools raises parser errors of several unrelated classes
        raise CatalogueError(f"DBC: {str(error).splitlines()[0] if str(error) else error!r}") from error
    return database


def _unreadable(signal: Any, readable: Mapping[str, int]) -> str:
    """Return why a signal cannot be decoded, empty where it can."""
    if signal.length > 64:
        return f"{signal.length} bits, at most 64 can be read"
    if signal.is_float and signal.length not in {16, 32, 64}:
        return f"{signal.length} bits, a float must have 16, 32 or 64"
    if signal.multiplexer_signal and signal.multiplexer_signal not in readable:
        return f"its multiplexer {signal.multiplexer_signal!r} cannot be read"
    return ""


def _first_bit(start: int, *, is_big_endian: bool) -> int:
    return 8 * (start // 8) + 7 - start % 8 if is_big_endian else start


def _exact(signal: Any) -> tuple[float, float] | None:
    """Return scale and offset as cantools has them, where its integers can leave what a double can count."""
    conversion = BaseConversion.factory(
        scale=signal.scale, offset=signal.offset, choices=None, is_float=signal.is_float
    )
    scale, offset = conversion.scale, conversion.offset
    if signal.is_float or not isinstance(scale, int) or (scale, offset) == (1, 0):
        return None
    largest = abs(scale) * 2**signal.length + (abs(offset) if isinstance(offset, int) else 0)
    return (scale, offset) if largest > 2**53 else None


def _complete_sections(text: str) -> str:
    """Put in the empty BS_ and BU_ sections that some tools leave out and the grammar demands."""
    missing = [s for s in ("BS_", "BU_") if not re.search(rf"^{s}\s*:", text, re.MULTILINE)]
    if not missing:
        return text
    if "BU_" not in missing:  # BS_ must come before BU_
        return re.sub(r"^(BU_\s*:)", r"BS_:\n\n\1", text, count=1, flags=re.MULTILINE)
    sections = "".join(f"{section}:\n\n" for section in missing)
    start = re.search(r"^(VAL_TABLE_|BO_)\s", text, re.MULTILINE)
    position = start.start() if start else len(text)
    return text[:position] + sections + text[position:]


def _multiplexers_first(signals: list[Any]) -> list[Any]:
    """Return the signals so that each comes after the multiplexer that it depends on."""
    ordered: list[Any] = []
    placed: set[str | None] = {None}
    left = list(signals)
    while left:
        ready = [signal for signal in left if signal.multiplexer_signal in placed]
        if not ready:
            raise CatalogueError(f"DBC signal {left[0].name!r}: its multiplexer does not exist")
        ordered += ready
        placed |= {signal.name for signal in ready}
        left = [signal for signal in left if signal.name not in placed]
    return ordered


def _target(name: str, entry: Mapping[str, Any], choices: Any, array_lengths: Mapping[str, int]) -> Target:
    unknown = set(entry) - _MAP_KEYS
    if unknown:
        raise CatalogueError(
            f"signal map {name!r}: {min(unknown)!r} is none of {', '.join(sorted(_MAP_KEYS))}"
        )
    signal = load_catalogue().signals.get(str(entry.get("alias")))
    if signal is None:
        raise CatalogueError(f"signal map {name!r}: alias {entry.get('alias')!r} is not in the catalogue")
    index = entry.get("index", 0)
    length = array_lengths[signal.shape] if signal.is_array else 1
    if not isinstance(index, int) or not 0 <= index < length or (signal.is_array and "index" not in entry):
        raise CatalogueError(
            f"signal map {name!r}: index {entry.get('index')!r} must be from 0 to {length - 1}"
        )
    try:
        scale, offset = float(entry.get("scale", 1.0)), float(entry.get("offset", 0.0))
        missing = tuple(float(value) for value in entry.get("missing", ()))
    except (TypeError, ValueError) as error:
        raise CatalogueError(f"signal map {name!r}: scale, offset and missing must be numbers") from error
    named = tuple(
        float(raw) for raw, text in (choices or {}).items() if str(text).strip().lower() in _NOT_AVAILABLE
    )
    return Target(signal=signal, index=index, scale=scale, offset=offset, missing=missing + named)

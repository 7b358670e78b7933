"""How fast CAN frames are decoded, beside cantools on the same frames in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Any

import cantools
import cantools.database
import numpy as np
import numpy.typing as npt

from data.errors import CatalogueError
from data.records import IntArray
from ingest.can import CanDecoded, CanDecoder
from ingest.can.database import EXTENDED

_GRID_US = 1000  # every frame gets a grid cell of its own, so that no value hides another
_UNITS = {
    "frames_per_s": "frames/s",
    "signals_per_s": "signal values/s",
    "cantools_frames_per_s": "frames/s",
    "ratio": "times the frames/s of the baseline",
    "ratio_range": "least and greatest ratio of a round",
}


@dataclass(frozen=True, slots=True)
class _Frames:
    can_id: npt.NDArray[np.uint32]  #: (n,), bit 31 set on extended identifiers
    length: npt.NDArray[np.uint8]  #: (n,)
    data: npt.NDArray[np.uint8]  #: (n, 8) or (n, 64)


def bench_decode(
    dbc_text: str,
    *,
    frames: int = 50_000,
    seed: int,
    rounds: int = 5,
    clock_s: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """Measure ``CanDecoder.decode`` against ``decode_message`` of cantools.

    Frames have the full length of their message, random bits and multiplexer values that exist; messages
    come equally often, in random order. The decoder gets all of them in one call and hands out every value of
    every frame, unmapped; how it fares depends on the size of this batch. cantools gets them one by one, its
    dictionaries are dropped at once, and choices stay numbers. Reading the DBC, making the frames and
    comparing the values is not timed. Each round times both in turn, after a first run that does not count.

    Args:
        dbc_text: The DBC file, as cantools reads it.
        frames: Frames to decode, at least one for each message; the default is a full batch of ingest.
        seed: Of the random frames.
        rounds: Times that both are timed, at least 1; rates are medians over them.
        clock_s: A clock that never goes back, seconds.

    Returns:
        ``frames_per_s``, ``signals_per_s``, ``cantools_frames_per_s``, ``ratio`` (of the medians),
        ``ratio_range`` (least and greatest of a round), ``unit`` of each of these. ``equal``: for every frame
        cantools gives the same signals with the very same values (what is not finite counts as absent). What
        does not depend on the machine: ``frames`` (for both, none is left out), ``batch_frames``,
        ``signal_values``, ``messages`` (mixed), ``messages_left_out`` (no signals, or longer than a CAN
        frame), ``baseline``, ``cantools_version``, ``rounds``, ``seed``.

    Raises:
        CatalogueError: The DBC cannot be read or has no message to decode.
        ValueError: Too few frames or rounds.
    """
    if rounds < 1:
        raise ValueError(f"rounds {rounds}: must be at least 1")
    decoder = CanDecoder(
        dbc_text, {}, grid_s=_GRID_US / 1e6, cell_count=0, probe_count=0, wheel_count=0, keep_unmapped=True
    )
    database: Any = cantools.database.can.Database(strict=False)
    try:
        database.add_dbc_string(dbc_text)
    except Exception as error:  # cantools raises parser errors of several unrelated classes
        raise CatalogueError(f"DBC: cantools cannot read it as it is: {error}") from error
    messages = {can_id: message for can_id, message in _by_id(database).items() if _is_usable(message)}
    if not messages:
        raise CatalogueError("DBC: no message has signals that a CAN frame can hold")
    if frames < len(messages):
        raise ValueError(f"frames {frames}: must be at least {len(messages)}, one for each message")

    batch = _random_frames(messages, frames, np.random.default_rng(seed))
    vehicle_index, time_us = np.zeros(frames, np.int32), np.arange(frames, dtype=np.int64) * _GRID_US
    one_by_one = [
        (can_id & ~EXTENDED, row[:length].tobytes(), bool(can_id & EXTENDED))
        for can_id, row, length in zip(batch.can_id.tolist(), batch.data, batch.length.tolist(), strict=True)
    ]

    def decode() -> CanDecoded:
        return decoder.decode(vehicle_index, time_us, batch.can_id, batch.length, batch.data)

    def decode_baseline() -> None:
        for frame_id, payload, is_extended in one_by_one:
            database.decode_message(frame_id, payload, decode_choices=False, force_extended_id=is_extended)

    decode()
    decode_baseline()
    seconds = [(_seconds(decode, clock_s), _seconds(decode_baseline, clock_s)) for _ in range(rounds)]
    own_s, baseline_s = (median(column) for column in zip(*seconds, strict=True))
    ratios = [baseline / own for own, baseline in seconds]

    decoded = decode()
    signal_values = sum(decoded.counts.values())
    expected = [
        _finite(
            messages[can_id].name,
            database.decode_message(frame_id, payload, decode_choices=False, force_extended_id=is_extended),
        )
        for can_id, (frame_id, payload, is_extended) in zip(batch.can_id.tolist(), one_by_one, strict=True)
    ]
    return {
        "frames_per_s": round(frames / own_s),
        "signals_per_s": round(signal_values / own_s),
        "cantools_frames_per_s": round(frames / baseline_s),
        "ratio": round(baseline_s / own_s, 2),
        "ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
        "unit": dict(_UNITS),
        "equal": _values_by_frame(decoded, frames) == expected,
        "frames": frames,
        "batch_frames": frames,
        "signal_values": signal_values,
        "messages": len(messages),
        "messages_left_out": len(database.messages) - len(messages),
        "baseline": "cantools decode_message, one frame at a time",
        "cantools_version": cantools.__version__,
        "rounds": rounds,
        "seed": seed,
    }


def _by_id(database: Any) -> dict[int, Any]:
    return {m.frame_id | (EXTENDED if m.is_extended_frame else 0): m for m in database.messages}


def _is_usable(message: Any) -> bool:
    return bool(message.signals) and message.length <= 64


def _random_frames(messages: Mapping[int, Any], frames: int, rng: np.random.Generator) -> _Frames:
    """Return frames of all messages, equally often and mixed; data beyond a frame's length is zero."""
    identifiers = np.array(list(messages), dtype=np.uint32)
    lengths = np.array([message.length for message in messages.values()], dtype=np.uint8)
    which = rng.permutation(np.arange(frames) % identifiers.size)
    width = 8 if lengths.max() <= 8 else 64
    bits = rng.integers(0, 2, (frames, 8 * width), dtype=np.uint8)
    for position, message in enumerate(messages.values()):
        _select_branches(bits, np.flatnonzero(which == position), message, message.signal_tree, rng)
    bits[np.arange(8 * width) >= 8 * lengths[which, None].astype(np.int64)] = 0
    return _Frames(identifiers[which], lengths[which], np.packbits(bits, axis=1, bitorder="little"))


def _select_branches(
    bits: npt.NDArray[np.uint8], rows: IntArray, message: Any, tree: Sequence[Any], rng: np.random.Generator
) -> None:
    """Write multiplexer values that exist into some rows of bits, from the outermost multiplexer inwards."""
    for node in tree:
        if isinstance(node, str):
            continue
        for name, branches in node.items():
            signal = message.get_signal_by_name(name)
            that_fit = [value for value in branches if value < 1 << signal.length]
            values = rng.choice(np.array(that_fit, dtype=np.int64), rows.size)
            weights = np.arange(signal.length)
            if signal.byte_order == "big_endian":
                from_first = 8 * (signal.start // 8) + 7 - signal.start % 8 + weights[::-1]
                places = 8 * (from_first // 8) + 7 - from_first % 8
            else:
                places = signal.start + weights
            bits[np.ix_(rows, places)] = (values[:, None] >> weights) & 1
            for value, branch in branches.items():
                _select_branches(bits, rows[values == value], message, branch, rng)


def _values_by_frame(decoded: CanDecoded, frames: int) -> list[dict[str, float]]:
    extra = decoded.extra
    found: list[dict[str, float]] = [{} for _ in range(frames)]
    rows = (extra.time_us // _GRID_US).tolist()
    for frame, signal, value in zip(rows, extra.signal.tolist(), extra.value.tolist(), strict=True):
        found[frame][extra.names[signal]] = value
    return found


def _finite(message_name: str, values: Mapping[str, Any]) -> dict[str, float]:
    numbers = {f"{message_name}.{name}": float(value) for name, value in values.items()}
    return {name: value for name, value in numbers.items() if isfinite(value)}


def _seconds(work: Callable[[], object], clock_s: Callable[[], float]) -> float:
    start_s = clock_s()
    work()
    return clock_s() - start_s

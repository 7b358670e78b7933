"""How fast CAN frames are decoded, beside cantools on the same frames in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import isfinite
from statistics import median
from typing import Any

import cantools
import numpy as np

from data.errors import CatalogueError
from ingest.bench.random_frames import random_frames
from ingest.can import CanDecoded, CanDecoder
from ingest.can.database import EXTENDED, parse_dbc
from ingest.memory import keep_freed_memory

_GRID_US = 1000  # every frame gets a grid cell of its own, so that no value hides another
_UNITS = {
    "frames_per_s": "frames/s",
    "signals_per_s": "signal values/s",
    "cantools_frames_per_s": "frames/s",
    "ratio": "times the frames/s of the baseline",
    "ratio_range": "least and greatest ratio of a round",
    "by_batch_frames": "frames/s and ratio for the same frames in calls of so many",
}


def bench_decode(
    dbc_text: str,
    *,
    frames: int = 50_000,
    batches: Sequence[int] = (500, 5_000),
    seed: int,
    rounds: int = 5,
    clock_s: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """Measure ``CanDecoder.decode`` against ``decode_message`` of cantools.

    Frames have the full length of their message, random bits and multiplexer values that exist; messages
    come equally often, in random order. The decoder gets all of them in one call and hands out every value of
    every frame, unmapped, by signal and with its frame; then the same frames in calls of fewer. cantools gets
    them one by one in its fastest documented way, its dictionaries are dropped at once, and choices stay
    numbers. Reading the DBC, making the frames and comparing the values is not timed. Each round times all in
    turn, after a first run that does not count. The process keeps freed memory, as that of ingest does.

    Args:
        dbc_text: The DBC file, as cantools reads it.
        frames: Frames to decode, at least one for each message; the default is a full batch of ingest.
        batches: Smaller calls to measure beside it.
        seed: Of the random frames.
        rounds: Times that both are timed, at least 1; rates are medians over them.
        clock_s: A clock that never goes back, seconds.

    Returns:
        ``frames_per_s``, ``signals_per_s``, ``cantools_frames_per_s``, ``ratio`` (of the medians),
        ``ratio_range`` (least and greatest of a round), ``by_batch_frames`` (frames in a call, as text, to
        ``frames_per_s`` and ``ratio``), ``unit`` of each of these. ``equal``: for every frame
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
    keep_freed_memory()
    decoder = CanDecoder(
        dbc_text,
        {},
        grid_s=_GRID_US / 1e6,
        cell_count=0,
        probe_count=0,
        wheel_count=0,
        j1939_ids=(),  # cantools does not know the codes for not available either
    )
    database: Any = parse_dbc(dbc_text)
    messages = {can_id: message for can_id, message in _by_id(database).items() if _is_usable(message)}
    if not messages:
        raise CatalogueError("DBC: no message has signals that a CAN frame can hold")
    if frames < len(messages):
        raise ValueError(f"frames {frames}: must be at least {len(messages)}, one for each message")

    batch = random_frames(messages, frames, np.random.default_rng(seed))
    vehicle_index, time_us = np.zeros(frames, np.int32), np.arange(frames, dtype=np.int64) * _GRID_US
    one_by_one = [
        (can_id & ~EXTENDED, row[:length].tobytes(), bool(can_id & EXTENDED))
        for can_id, row, length in zip(batch.can_id.tolist(), batch.data, batch.length.tolist(), strict=True)
    ]

    def decode(size: int) -> CanDecoded:
        for begin in range(0, frames, size):
            part = slice(begin, begin + size)
            decoded = decoder.decode(
                vehicle_index[part], time_us[part], batch.can_id[part], batch.length[part], batch.data[part]
            )
        return decoded

    def decode_baseline() -> None:
        for frame_id, payload, is_extended in one_by_one:
            database.decode_message(frame_id, payload, decode_choices=False, force_extended_id=is_extended)

    sizes = [frames, *(size for size in batches if size < frames)]
    works: list[Callable[[], object]] = [*(partial(decode, size) for size in sizes), decode_baseline]
    for work in works:
        work()
    seconds = [[_seconds(work, clock_s) for work in works] for _ in range(rounds)]
    own_s, *smaller_s, baseline_s = (median(column) for column in zip(*seconds, strict=True))
    ratios = [of_round[-1] / of_round[0] for of_round in seconds]

    decoded = decode(frames)
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
        "by_batch_frames": {
            str(size): {"frames_per_s": round(frames / size_s), "ratio": round(baseline_s / size_s, 2)}
            for size, size_s in zip(sizes, [own_s, *smaller_s], strict=True)
        },
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

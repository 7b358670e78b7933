"""Buses made up: databases of a given size, and random frames that say everything a database can say."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.records import IntArray


@dataclass(frozen=True, slots=True)
class RandomFrames:
    """Frames of all messages of a database."""

    can_id: npt.NDArray[np.uint32]  #: (n,), bit 31 set on extended identifiers
    length: npt.NDArray[np.uint8]  #: (n,)
    data: npt.NDArray[np.uint8]  #: (n, 8) or (n, 64)


def made_up_dbc(messages: int, rng: np.random.Generator) -> str:
    """Return a database of messages of 8 bytes, ten signals each, as large as those of production cars.

    Half of the signals are little endian, half big endian; a third is signed; lengths are from 1 to 12 bits;
    every other message has an extended identifier.
    """
    lines = ['VERSION ""', "", "NS_ :", "", "BS_:", "", "BU_: X", ""]
    for number in range(messages):
        identifier = 0x100 + number if number % 2 else 0x98FF0000 + 256 * number
        lines.append(f"BO_ {identifier} M{number}: 8 X")
        cuts = np.sort(rng.choice(np.arange(1, 32), size=4, replace=False))
        for half, is_big_endian in ((0, False), (32, True)):
            bounds = [0, *cuts.tolist(), 32]
            for place, (low, high) in enumerate(itertools.pairwise(bounds)):
                bit, length = half + low, min(high - low, 12)
                start = 8 * (bit // 8) + 7 - bit % 8 if is_big_endian else bit
                sign = "-" if rng.integers(3) == 0 else "+"
                scale, offset = ((1, 0), (0.1, 0), (0.5, -40), (0.01, 0))[int(rng.integers(4))]
                lines.append(
                    f" SG_ S{half}{place} : {start}|{length}@{int(not is_big_endian)}{sign}"
                    f' ({scale},{offset}) [0|0] "" X'
                )
        lines.append("")
    return "\n".join(lines)


def random_frames(messages: Mapping[int, Any], frames: int, rng: np.random.Generator) -> RandomFrames:
    """Return frames of all messages, equally often and mixed; data beyond a frame's length is zero."""
    identifiers = np.array(list(messages), dtype=np.uint32)
    lengths = np.array([message.length for message in messages.values()], dtype=np.uint8)
    which = rng.permutation(np.arange(frames) % identifiers.size)
    width = 8 if lengths.max() <= 8 else 64
    bits = rng.integers(0, 2, (frames, 8 * width), dtype=np.uint8)
    for position, message in enumerate(messages.values()):
        _select_branches(bits, np.flatnonzero(which == position), message, message.signal_tree, rng)
    bits[np.arange(8 * width) >= 8 * lengths[which, None].astype(np.int64)] = 0
    return RandomFrames(identifiers[which], lengths[which], np.packbits(bits, axis=1, bitorder="little"))


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

"""The messages of a bus database as arrays over all signals, which the kernel reads by index.

Signals stand in nodes: the signals of a message that are always there are one node, and so are those that
appear with the same values of one multiplexer. A frame of a message is an entry of its first node and, for
each multiplexer value in it, of the nodes that this value selects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from data.records import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from ingest.can.database import CompiledMessage, CompiledSignal

Words = npt.NDArray[np.uint64]


#: Bits of ``Layout.run`` below the kind.
IS_LINEAR, IS_BIG_ENDIAN, IS_BEYOND = 1, 2, 4
_KIND_SHIFT = 3


class Kind(IntEnum):
    """How the bits of a signal become a number."""

    UNSIGNED = 0  #: up to 63 bits
    SIGNED = 1
    UNSIGNED_64 = 2
    EXACT_UNSIGNED = 3  #: integers whose scaling would round twice in double precision
    EXACT_SIGNED = 4
    FLOAT_16 = 5
    FLOAT_32 = 6
    FLOAT_64 = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Signals (s), nodes (k), selectors (m) and the values that select (v)."""

    signals: tuple[CompiledSignal, ...]  #: in order of node
    names: tuple[str, ...]  #: ``Message.Signal`` of each
    node_start: IntArray  #: (k + 1,): signals of node i are ``node_start[i]:node_start[i + 1]``
    first: (
        Words  #: (s,), first bit: the least significant, or, big endian, the most significant from the left
    )
    length: Words  #: (s,), bits
    needed: IntArray  #: (s,), bytes a frame must have
    run: npt.NDArray[np.int16]  #: (s,), kind, place, byte order and scaling, see ``run_kind`` and the bits
    scale: FloatArray  #: (s,)
    offset: FloatArray  #: (s,)
    is_mapped: BoolArray  #: (s,)
    is_finite: BoolArray  #: (s,), whatever the bits are
    selector_start: IntArray  #: (k + 1,): selectors of node i
    selector_signal: IntArray  #: (m,)
    levels: Words  #: (v,), values that select anything, ascending
    choice_key: IntArray  #: ``selector * v + position in levels``, ascending
    choice_start: IntArray  #: (keys + 1,): nodes that a key selects
    choice_node: IntArray

    @property
    def node_count(self) -> int:
        """Return the number of nodes; those of messages come first, in order of messages."""
        return self.node_start.size - 1


def build_layout(messages: Sequence[CompiledMessage]) -> Layout:
    """Return the arrays of compiled messages; node i is message i for the first ones."""
    members: list[list[tuple[int, int]]] = [[] for _ in messages]  # by node: message, position in it
    choices: list[tuple[tuple[int, int], tuple[int, ...], int]] = []  # multiplexer, its values, node
    for number, message in enumerate(messages):
        node_of: dict[tuple[int, tuple[int, ...]], int] = {(-1, ()): number}
        for position, signal in enumerate(message.signals):
            key = (signal.multiplexer, signal.multiplexer_values)
            if key not in node_of:
                node_of[key] = len(members)
                choices.append(((number, signal.multiplexer), signal.multiplexer_values, len(members)))
                members.append([])
            members[node_of[key]].append((number, position))
    places = [place for node in members for place in node]
    index_of = {place: index for index, place in enumerate(places)}
    node_start = _starts([len(node) for node in members])
    signals = tuple(messages[number].signals[position] for number, position in places)
    selector_signal = np.unique(np.array([index_of[place] for place, _, _ in choices], dtype=np.int64))
    selector_node = np.searchsorted(node_start, selector_signal, side="right") - 1
    values = [np.array(chosen, dtype=np.uint64) for _, chosen, _ in choices]
    levels = np.unique(np.concatenate([np.empty(0, np.uint64), *values]))
    keys = np.concatenate(
        [np.empty(0, np.int64)]
        + [
            np.searchsorted(levels, chosen) + np.searchsorted(selector_signal, index_of[place]) * levels.size
            for (place, _, _), chosen in zip(choices, values, strict=True)
        ]
    )
    nodes = np.repeat(np.array([node for _, _, node in choices], np.int64), [len(v) for v in values])
    choice_key, sizes = np.unique(keys, return_counts=True)
    return Layout(
        signals=signals,
        names=tuple(signal.name for signal in signals),
        node_start=node_start,
        first=np.array([signal.first for signal in signals], dtype=np.uint64),
        length=np.array([signal.length for signal in signals], dtype=np.uint64),
        needed=np.array([signal.needed for signal in signals], dtype=np.int64),
        run=np.array([_run(signal) for signal in signals], dtype=np.int16),
        scale=np.array([signal.scale for signal in signals], dtype=np.float64),
        offset=np.array([signal.offset for signal in signals], dtype=np.float64),
        is_mapped=np.array([signal.target is not None for signal in signals], dtype=np.bool_),
        is_finite=np.array([_is_finite(signal) for signal in signals], dtype=np.bool_),
        selector_start=_starts(np.bincount(selector_node, minlength=len(members)).tolist()),
        selector_signal=selector_signal,
        levels=levels,
        choice_key=choice_key.astype(np.int64),
        choice_start=_starts(sizes.tolist()),
        choice_node=nodes[np.argsort(keys, kind="stable")],
    )


def _is_finite(signal: CompiledSignal) -> bool:
    return not signal.is_float and isfinite(abs(signal.scale) * 2.0**64 + abs(signal.offset))


def _run(signal: CompiledSignal) -> int:
    if signal.is_float:
        kind = {16: Kind.FLOAT_16, 32: Kind.FLOAT_32, 64: Kind.FLOAT_64}[signal.length]
    elif signal.exact is not None:
        kind = Kind.EXACT_SIGNED if signal.is_signed else Kind.EXACT_UNSIGNED
    elif signal.is_signed:
        kind = Kind.SIGNED
    else:
        kind = Kind.UNSIGNED_64 if signal.length == 64 else Kind.UNSIGNED
    run = kind << _KIND_SHIFT
    run |= IS_LINEAR * ((signal.scale, signal.offset) != (1.0, 0.0))
    return run | IS_BIG_ENDIAN * signal.is_big_endian | IS_BEYOND * (signal.needed > 8)


def run_kind(run: int) -> Kind:
    """Return the kind in a value of ``Layout.run``."""
    return Kind(run >> _KIND_SHIFT)


def _starts(sizes: Sequence[int]) -> IntArray:
    return np.concatenate(([0], np.cumsum(np.array(sizes, dtype=np.int64)))).astype(np.int64)

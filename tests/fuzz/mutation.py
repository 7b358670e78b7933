"""What goes wrong with a message on its way, or in a vehicle's software: bytes, structure, topics, frames."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import cbor2

from tests.fuzz.corpus import TOPICS, UP

#: Values that software trips over.
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 255, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30,
    0.1, -0.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"),
    "", "0", "nan", "\0", "\ud7ff", "b1", "x" * 70, [], [[]], [None], {}, {"": None}, [[1, 2], [3]], b"",
    b"\xff" * 18,
    cbor2.CBORTag(85, b"\0" * 8), cbor2.CBORTag(79, b"\xff" * 16), cbor2.CBORTag(81, b"odd"),
    *(cbor2.CBORTag(40, [shape, cbor2.CBORTag(64, b"ab")]) for shape in ([1, 2], [2, 1], [0, 4], 2)),
    cbor2.CBORTag(1040, [[2**40, 2**40], cbor2.CBORTag(64, b"a")]),
)  # fmt: skip
_NUMBERS = tuple(value for value in ODD if isinstance(value, int | float))
_CHUNK = 16


def mutate_payload(payload: bytes, rng: random.Random) -> bytes:
    """Return a payload with one to four things wrong."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        payload = rng.choices(_WAYS, _WEIGHTS)[0](payload, rng)
    return payload


def mutate_topic(topic: str, rng: random.Random) -> str:
    """Return a topic that a broker would deliver: mostly the right one."""
    kind = rng.random()
    if kind < 0.90:
        return topic
    if kind < 0.96:
        return rng.choice(TOPICS)
    at = rng.randrange(len(UP) - 30, len(topic))
    odd = rng.choice(("", "/", "x", "ü", "\u20ac", "//", " ", "-" * 40, "\x7f"))
    return topic[:at] + odd + topic[at + rng.randrange(3) :]


def _flip_bits(payload: bytes, rng: random.Random) -> bytes:
    out = bytearray(payload)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if out:
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def _cut(payload: bytes, rng: random.Random) -> bytes:
    return payload[: rng.randrange(len(payload) + 1)]


def _insert(payload: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(payload) + 1)
    return payload[:at] + rng.randbytes(rng.randrange(1, _CHUNK)) + payload[at:]


def _drop(payload: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(payload) + 1)
    return payload[:at] + payload[at + rng.randrange(1, _CHUNK) :]


def _repeat(payload: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(payload) + 1)
    return payload[:at] + payload[at : at + _CHUNK] * rng.randrange(2, 5) + payload[at + _CHUNK :]


def _overwrite(payload: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(payload) + 1)
    odd = rng.choice(
        (b"\xff" * 8, b"\0" * 8, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\x9f\x9f\x9f", b"\xfb\x7f\xf0")
    )
    return payload[:at] + odd + payload[at + len(odd) :]


def _nest(payload: bytes, rng: random.Random) -> bytes:
    depth = rng.choice((5, 200, 3000))
    if payload[:1] == b"{":
        return payload[:-1] + b',"x":' + b"[" * depth + b"]" * depth + b"}"
    return b"\x81" * depth + payload


def _seal(payload: bytes, rng: random.Random) -> bytes:
    """Change a GB/T 32960 frame and make its checksum right again: more than that is to be tested."""
    try:
        tree = None if payload[:2] in (b"##", b"$$") else cbor2.loads(payload)
    except Exception:
        return payload
    frame = payload if tree is None else tree.get("frame") if isinstance(tree, dict) else None
    if not isinstance(frame, bytes) or len(frame) < 26:
        return _flip_bits(payload, rng)
    changed = bytearray(rng.choice((_flip_bits, _overwrite, _repeat, _drop))(frame[24:-1], rng))
    head = bytearray(frame[:24])
    if rng.random() < 0.8:
        head[22:24] = len(changed).to_bytes(2, "big")
    if rng.random() < 0.1:
        head[2] = rng.randrange(256)
    code = 0
    for byte in head[2:] + changed:
        code ^= byte
    sealed = bytes(head + changed + bytes([code]))
    return sealed if tree is None else cbor2.dumps(tree | {"frame": sealed})


def _change_tree(payload: bytes, rng: random.Random) -> bytes:
    """Change what the payload says: a field gone, added, of another type or size, a list longer."""
    is_json = payload[:1] == b"{"
    try:
        tree = json.loads(payload) if is_json else cbor2.loads(payload)
    except Exception:
        return _flip_bits(payload, rng)
    if not isinstance(tree, dict) or not tree:
        return _flip_bits(payload, rng)
    _change(tree, rng)
    try:
        if is_json:
            return json.dumps(
                tree, default=lambda value: value.hex() if isinstance(value, bytes) else None
            ).encode()
        return cbor2.dumps(tree)
    except Exception:
        return payload


def _change(node: Any, rng: random.Random) -> None:
    if isinstance(node, list):
        _change_list(node, rng)
        return
    key = rng.choice(list(node))
    value = node[key]
    if isinstance(value, dict | list) and value and rng.random() < 0.75:
        _change(value, rng)
        return
    way = rng.randrange(4)
    if way == 0:
        del node[key]
    elif way == 1:
        node[rng.choice(("x", "t", "s", "f", "fd", "v", "vin", "origin", "speed", "cell.voltage", 7, ""))] = (
            rng.choice(ODD)
        )
    else:
        node[key] = rng.choice(_NUMBERS if isinstance(value, int | float) and rng.random() < 0.7 else ODD)


def _change_list(node: list[Any], rng: random.Random) -> None:
    at = rng.randrange(len(node)) if node else 0
    way = rng.randrange(5)
    if way == 0 and node:
        del node[at]
    elif way == 1:
        node.insert(at, rng.choice(ODD))
    elif way == 2 and node and isinstance(node[at], list | dict) and node[at]:
        _change(node[at], rng)
    elif way == 3:
        node *= rng.choice((0, 2, 3))
    elif node:
        node[at] = rng.choice(_NUMBERS if rng.random() < 0.7 else ODD)


_WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip_bits, _cut, _insert, _drop, _repeat, _overwrite, _nest, _seal, _change_tree,
)  # fmt: skip
_WEIGHTS = (6, 2, 2, 2, 1, 2, 0.2, 4, 8)

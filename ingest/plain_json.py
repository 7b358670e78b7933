"""What vehicles say in free text and free data, as PostgreSQL's text and jsonb can hold it."""

from __future__ import annotations

import math
from typing import Any

#: Python refuses to write out integers of more than some thousands of digits.
_LONGEST_BITS = 1000
#: Levels of lists and maps that are kept: nobody reads more, and writing each takes a call of its own.
_DEEPEST = 50
_TOO_DEEP = "nested too deep"


def plain_text(text: str) -> str:
    """Return a text without what PostgreSQL cannot store: NUL and halves of surrogate pairs."""
    return text.replace("\0", "\\0").encode("utf-8", "replace").decode("utf-8")


def plain_json(value: Any, *, levels: int = _DEEPEST) -> Any:
    """Return a value out of JSON or CBOR as jsonb can hold it.

    Texts as ``plain_text``; numbers that are not finite become null, bytes hexadecimal, all else its text.

    Args:
        value: The value.
        levels: Lists and maps within one another that are kept; what is deeper is named so.
    """
    match value:
        case None | bool():
            return value
        case int():
            return value if value.bit_length() <= _LONGEST_BITS else hex(value)[:200]
        case float():
            return value if math.isfinite(value) else None
        case str():
            return plain_text(value)
        case bytes():
            return value.hex()
        case dict() | list() | tuple() if not levels:
            return _TOO_DEEP
        case dict():
            return {
                plain_text(str(key)): plain_json(inner, levels=levels - 1) for key, inner in value.items()
            }
        case list() | tuple():
            return [plain_json(inner, levels=levels - 1) for inner in value]
        case _:
            return plain_text(str(value)[:200])

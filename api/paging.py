"""Cursors of lists: opaque to callers, checked when they come back."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Query

from api.errors import BadRequest

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=500, description="longest page")]
Cursor = Annotated[str | None, Query(max_length=400, description="next_cursor of the page before")]

_PARSERS: Mapping[str, Callable[[str], object]] = {
    "int": int,
    "str": str,
    "datetime": datetime.fromisoformat,
    "uuid": UUID,
}


def make_cursor(*values: object) -> str:
    """Return a cursor that holds the place of the last row."""
    return base64.urlsafe_b64encode(json.dumps([str(v) for v in values]).encode()).decode().rstrip("=")


def parse_cursor(cursor: str | None, *kinds: str) -> tuple[object, ...] | None:
    """Return what ``make_cursor`` was given, as ``kinds`` (int, str, datetime, uuid); None without a cursor.

    Raises:
        BadRequest: Not a cursor of this list.
    """
    if cursor is None:
        return None
    try:
        texts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        values = tuple(_PARSERS[kind](str(text)) for kind, text in zip(kinds, texts, strict=True))
    except (ValueError, TypeError, binascii.Error) as error:
        raise BadRequest(f"cursor {cursor[:40]!r}: must be next_cursor of a page of this list") from error
    for value in values:
        is_bad = (isinstance(value, int) and not 0 <= value < 2**63) or (
            isinstance(value, str) and "\0" in value
        )
        if is_bad or (isinstance(value, datetime) and value.tzinfo is None):
            raise BadRequest(f"cursor {cursor[:40]!r}: must be next_cursor of a page of this list")
    return values


def cut(rows: Sequence[T], limit: int) -> tuple[Sequence[T], T | None]:
    """Return the page and its last row when more follow; ``rows`` was fetched with ``limit + 1``."""
    return (rows[:limit], rows[limit - 1]) if len(rows) > limit else (rows, None)

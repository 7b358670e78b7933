"""Rows of a COPY, read in one exchange with the server."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql

from data.db import Connection
from models.binary import parse_rows


def fetch_copied(
    connection: Connection,
    query: str | sql.SQL | sql.Composed,
    params: Mapping[str, object],
    layout: np.dtype[Any],
) -> npt.NDArray[Any]:
    """Return the rows that ``COPY … TO STDOUT (FORMAT binary)`` yields.

    psycopg goes into its waiting loop for every row; of days with thousands of rows that was most of the time
    of reading them.

    Args:
        connection: To read from.
        query: The COPY.
        params: Of the query.
        layout: Of ``models.binary.row_type``.

    Raises:
        ModelError: The rows have another layout.
    """
    with connection.cursor().copy(query, params) as copy:
        data = connection.wait(_all_of(copy))
    return parse_rows(data, layout)


def _all_of(copy: psycopg.Copy) -> Generator[Any, Any, bytes]:
    """Take every row within one wait; the step of psycopg's own ``read``, which has no public name."""
    rows = []
    while row := (yield from copy._read_gen()):  # noqa: SLF001 - see above
        rows.append(bytes(row))
    return b"".join(rows)

"""What every store of alerts is: the named queries of one file on one connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from data.db import Connection, fetch_rows, load_queries


class SqlStore:
    """Runs the queries of its ``FILE``; the caller owns the transaction."""

    FILE: ClassVar[str] = "queries.sql"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._queries = load_queries("alerts", self.FILE)

    def _rows(self, query: str, /, **values: Any) -> list[dict[str, Any]]:
        return fetch_rows(self._connection, self._queries[query], values)

    def _run(self, query: str, /, **values: Any) -> int:
        return self._connection.execute(self._queries[query], values).rowcount


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return rows as the columns that queries take; every row has the names of the first."""
    return {name: [row[name] for row in rows] for name in rows[0]}

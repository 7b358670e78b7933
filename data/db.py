"""PostgreSQL access: pool, transactions, named queries from .sql files, driver errors wrapped once."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import resources
from typing import Any, ClassVar, LiteralString, TypeVar, cast

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from data.errors import DatabaseAway, DatabaseError

Connection = psycopg.Connection[TupleRow]
Pool = ConnectionPool[Connection]
#: A row by the names of its columns.
Row = dict[str, Any]

_NAME = re.compile(r"^--\s*([a-z_][a-z0-9_]*)\s*--\s*$", re.MULTILINE)

#: Channels of NOTIFY: written by one folder, listened to by another.
CHANNEL_BATCHES = "anxin_batches"  #: ingest committed a batch
CHANNEL_PREDICTIONS = "anxin_predictions"  #: models wrote predictions
CHANNEL_OUTBOX = "anxin_outbox"  #: alerts queued a message
CHANNEL_LIVE = "anxin_live"  #: something a browser shows changed; payload: JSON {"kind","id"}


#: A peer that vanished without a word (half-open TCP) is noticed within half a minute; libpq's own names.
_ALIVE: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}


#: An answer so young is enough to lend a connection again without asking.
_TRUSTED_S = 1.0

_Answer = TypeVar("_Answer")


class _Connection(psycopg.Connection[TupleRow]):
    """A connection that closes when the server says nothing for ``answer_s`` while it owes an answer.

    TCP notices a peer that is gone. It does not notice one that hangs, nor a proxy that holds the connection
    open and forwards nothing: there a statement would wait for ever, and the service with it.
    """

    answer_s: ClassVar[float] = 0.0  #: 0: wait for ever
    answered_at_s = 0.0  #: clock of the server's last answer

    def wait(self, gen: Generator[Any, Any, _Answer], *args: Any, **kwargs: Any) -> _Answer:
        """Run one exchange with the server; psycopg asks the generator again a few times a second."""
        answer = super().wait(self._until_silent(gen) if self.answer_s else gen, *args, **kwargs)
        self.answered_at_s = time.monotonic()
        return answer

    def _until_silent(self, gen: Generator[Any, Any, _Answer]) -> Generator[Any, Any, _Answer]:
        last_s = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                now_s = time.monotonic()
                if ready:
                    last_s = now_s
                elif now_s - last_s > self.answer_s:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"no answer within {self.answer_s:g} s: connection closed")
                wanted = gen.send(ready)
        except StopIteration as end:
            return cast("_Answer", end.value)


def _check(connection: psycopg.Connection[TupleRow]) -> None:
    """Ask whether the server is there before a connection is lent, unless it has just answered.

    The question is a round trip for each transaction. What breaks within the second is told by the first
    statement, and is as good a reason to try again.
    """
    answered_at_s = connection.answered_at_s if isinstance(connection, _Connection) else 0.0
    if time.monotonic() - answered_at_s > _TRUSTED_S:
        ConnectionPool.check_connection(connection)


def _connection_class(answer_s: float) -> type[_Connection]:
    return type("_Connection", (_Connection,), {"answer_s": answer_s})


def open_pool(
    url: str,
    *,
    size: int = 4,
    name: str = "anxin",
    timeout_s: float = 30.0,
    statement_timeout_s: float = 0.0,
    answer_s: float = 0.0,
) -> Pool:
    """Return an open pool of at most ``size`` connections, time zone UTC.

    A statement that takes longer than ``statement_timeout_s`` is cancelled as if the database were away;
    0 leaves that to the server. A connection on which the server owes an answer and says nothing for
    ``answer_s`` is closed as if the database were away; 0 waits for ever.

    Raises:
        DatabaseAway: No connection within ``timeout_s``.
    """
    options = "-c timezone=UTC"
    if statement_timeout_s:
        options += f" -c statement_timeout={statement_timeout_s * 1000:.0f}"
    pool: Pool = ConnectionPool(
        url,
        connection_class=_connection_class(answer_s),
        min_size=1,
        max_size=size,
        timeout=timeout_s,
        kwargs={**_ALIVE, "application_name": name, "options": options},
        check=_check,
        open=False,
    )
    try:
        pool.open(wait=True, timeout=timeout_s)
    except PoolTimeout as error:
        pool.close()
        raise DatabaseAway(f"no database connection within {timeout_s:.0f} s") from error
    return pool


def connect(
    url: str, *, name: str = "anxin", is_autocommit: bool = False, answer_s: float = 0.0
) -> Connection:
    """Return one connection outside any pool, for LISTEN and advisory locks.

    ``answer_s`` is as in ``open_pool``; not for LISTEN, which waits.

    Raises:
        DatabaseAway: The server does not answer.
    """
    with wrap_errors():
        return _connection_class(answer_s).connect(
            url, **_ALIVE, application_name=name, options="-c timezone=UTC", autocommit=is_autocommit
        )


@contextmanager
def transaction(pool: Pool) -> Iterator[Connection]:
    """Lend a connection inside one transaction; commit at the end, roll back on any error.

    Raises:
        DatabaseAway: The connection was lost or none was free; the same work may succeed later.
        DatabaseError: The server refused a statement.
    """
    with wrap_errors(), pool.connection() as connection:
        yield connection


@contextmanager
def wrap_errors() -> Iterator[None]:
    """Turn driver errors into the errors of ``data.errors``; constraint violations pass unchanged."""
    try:
        yield
    except psycopg.errors.IntegrityError:
        raise
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
        raise DatabaseAway(f"database away: {str(error).strip()[:300]}") from error
    except psycopg.Error as error:
        raise DatabaseError(f"database refused: {str(error).strip()[:500]}") from error


class Queries(Mapping[str, LiteralString]):
    """The named statements of a package's .sql file, read at first use: importing a module reads nothing.

    A statement begins after a line ``-- name --`` and ends before the next one.
    """

    def __init__(self, package: str, file: str) -> None:
        self._package, self._file = package, file
        self._statements: dict[str, LiteralString] | None = None

    def __getitem__(self, name: str) -> LiteralString:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def _read(self) -> dict[str, LiteralString]:
        if self._statements is None:
            text = resources.files(self._package).joinpath(self._file).read_text("utf-8")
            pieces = _NAME.split(text)
            found: dict[str, LiteralString] = {}
            for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
                if name in found:
                    raise DatabaseError(f"{self._package}/{self._file}: query {name!r} is defined twice")
                found[name] = cast("LiteralString", body.strip())
            self._statements = found
        return self._statements


@cache
def load_queries(package: str, file: str = "queries.sql") -> Queries:
    """Return the named statements of a package's .sql file."""
    return Queries(package, file)


def fetch_rows(
    connection: Connection,
    statement: LiteralString | sql.Composed,
    parameters: Mapping[str, Any] | None = None,
) -> list[Row]:
    """Return all rows of a statement by the names of their columns."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, parameters).fetchall()


def notify(connection: Connection, channel: str, payload: str = "") -> None:
    """Wake the listeners of a channel when this transaction commits."""
    connection.execute("SELECT pg_notify(%s, %s)", (channel, payload))

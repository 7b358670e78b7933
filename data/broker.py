"""An MQTT broker for one machine: Mosquitto where it is installed, else amqtt; accounts and access rules."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from string import Template
from types import MappingProxyType, TracebackType
from typing import Self
from urllib.parse import quote

from data.errors import EmbeddedError
from data.processes import DirectoryLock, ServerProcess, make_directory, make_reachable, server_account
from data.topics import PREFIX
from data.vehicle_accounts import accounts_version, read_accounts

#: How long a starting broker waits for the owner before it to end.
OWNER_WAIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Access:
    """Topic filters that one account may read and write."""

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()


#: The accounts of an embedded broker and what each may do.
ROLES: Mapping[str, Access] = MappingProxyType(
    {
        "ingest": Access(
            read=(f"{PREFIX}/+/+/up/#", "$SYS/#"),
            write=(f"{PREFIX}/+/+/down/resend", f"{PREFIX}/+/+/down/read"),
        ),
        "notify": Access(read=("$SYS/#",), write=(f"{PREFIX}/+/+/down/warning",)),
        "gateway": Access(write=(f"{PREFIX}/+/+/up/#",)),
        # Writes the topics of ANXIN_ADAPTERS, and ingest reads them: see grant_foreign.
        "adapter": Access(),
        "simulator": Access(read=(f"{PREFIX}/+/+/down/#",), write=(f"{PREFIX}/+/+/up/#",)),
    }
)


def grant_foreign(roles: Mapping[str, Access], filters: Sequence[str]) -> dict[str, Access]:
    """Return the roles with topics that are not ours: ``adapter`` may write what ``ingest`` may read."""
    ingest, adapter = roles["ingest"], roles["adapter"]
    return {
        **roles,
        "ingest": replace(ingest, read=(*ingest.read, *filters)),
        "adapter": replace(adapter, write=(*adapter.write, *filters)),
    }


class EmbeddedBroker:
    """A broker that one process owns; it listens on the loopback address and ends with its owner."""

    def __init__(self, home: Path, *, kind: str = "auto", port: int = 0, foreign: Sequence[str] = ()) -> None:
        """Remember where; nothing is touched before ``start``.

        Args:
            home: Directory of the embedded servers; the broker lives in ``home/broker``.
            kind: ``mosquitto``, ``amqtt``, or ``auto`` for Mosquitto when it is installed.
            port: 0 lets the system choose at the first start; later starts keep that port.
            foreign: Topic filters that adapters read.
        """
        self._root = home.expanduser().resolve() / "broker"
        self._kind = kind
        self._wanted_port = port
        self._foreign = tuple(foreign)
        self._lock = DirectoryLock(self._root)
        self._server = ServerProcess("broker", self._root)
        self._port = 0
        self._passwords: dict[str, str] = {}
        self._accounts_version = 0

    @property
    def kind(self) -> str:
        """Return ``mosquitto`` or ``amqtt``: what runs, or would run."""
        if self._kind != "auto":
            return self._kind
        return "mosquitto" if find_mosquitto() else "amqtt"

    @property
    def port(self) -> int:
        """Return the port; 0 before the first start."""
        return self._port

    @property
    def pid(self) -> int | None:
        """Return the broker's process id, None when it does not run."""
        return self._server.pid

    def url(self, role: str) -> str:
        """Return the address for one of the accounts in ``ROLES``.

        Raises:
            EmbeddedError: No such role, or the broker was never started.
        """
        if role not in self._passwords:
            raise EmbeddedError(f"broker role {role!r}: must be one of {', '.join(ROLES)}, after start")
        return f"mqtt://{quote(role)}:{quote(self._passwords[role])}@127.0.0.1:{self._port}"

    def start(self, *, timeout_s: float = 30.0) -> None:
        """Start the broker and wait until it listens.

        Raises:
            EmbeddedError: It did not come up; holds the last lines of its log.
        """
        make_directory(self._root)
        self._lock.acquire(wait_s=OWNER_WAIT_S)
        try:
            self._passwords = self._load_passwords()
            self._server.end_left_over(self._command()[0])
            self._port = self._choose_port()
            self._launch(timeout_s)
        except BaseException:
            self.stop()
            raise

    def ensure_running(self, *, timeout_s: float = 30.0) -> bool:
        """Start the broker again, on the same port, if it has died; tell whether that was needed.

        Raises:
            EmbeddedError: It did not come up.
        """
        if not self._server.has_ended():
            return False
        self._launch(timeout_s)
        return True

    def refresh_accounts(self) -> bool:
        """Let the broker know accounts of vehicles that were issued since; tell whether it does.

        Mosquitto reads them again, connections stay; amqtt knows them from its next start on.
        """
        pid = self._server.pid
        if self.kind != "mosquitto" or pid is None or self._accounts_version == accounts_version(self._root):
            return False
        self._write_passwords()
        os.kill(pid, signal.SIGHUP)
        return True

    def stop(self) -> None:
        """Stop the broker; Mosquitto writes its sessions and queues to disk first."""
        self._server.stop()
        self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _command(self) -> list[str]:
        if self.kind == "amqtt":
            return [sys.executable, "-m", "data.amqtt_broker", str(self._root / "amqtt.json")]
        program = find_mosquitto()
        if program is None:
            raise EmbeddedError("mosquitto: not found on PATH; install it or set ANXIN_BROKER=amqtt")
        return [program, "-c", str(self._root / "mosquitto.conf")]

    def _launch(self, timeout_s: float) -> None:
        command = self._command()
        if self.kind == "mosquitto":
            self._write_mosquitto_files()
        else:
            given = {"port": self._port, "passwords": self._accounts(), "foreign": self._foreign}
            self._write_private("amqtt.json", json.dumps(given))
        # amqtt is our own interpreter, which the account of the servers may be unable to read.
        self._server.launch(command, is_own_account=self.kind == "mosquitto")
        deadline = time.monotonic() + timeout_s
        while not self._is_listening():
            if self._server.has_ended() or time.monotonic() > deadline:
                self._server.stop()
                raise EmbeddedError(f"{self.kind} did not start in {self._root}:\n{self._server.tail()}")
            time.sleep(0.05)

    def _is_listening(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=1.0).close()
        except OSError:
            return False
        return True

    def _choose_port(self) -> int:
        """Return the wanted port, else the one of last time if it is free, else a free one."""
        path = self._root / "port"
        candidates = [self._wanted_port, 0] if not self._wanted_port else [self._wanted_port]
        if not self._wanted_port and path.exists():
            candidates = [int(path.read_text()), 0]
        for candidate in candidates:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", candidate))
                except OSError:
                    continue
                port = int(probe.getsockname()[1])
            path.write_text(f"{port}\n")
            return port
        raise EmbeddedError(f"broker port {self._wanted_port}: in use by another program")

    def _load_passwords(self) -> dict[str, str]:
        """Return the password of each role; made once, kept readable by the owner only."""
        path = self._root / "passwords.json"
        known: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        passwords = {role: known.get(role) or secrets.token_urlsafe(24) for role in ROLES}
        if passwords != known:
            self._write_private(path.name, json.dumps(passwords))
        return passwords

    def _write_mosquitto_files(self) -> None:
        template = resources.files("data").joinpath("mosquitto/embedded.conf").read_text("utf-8")
        self._write_private(
            "mosquitto.conf", Template(template).substitute(port=self._port, directory=str(self._root))
        )
        self._write_passwords()
        self._write_private("mosquitto.acl", access_rules(grant_foreign(ROLES, self._foreign)))
        program = find_mosquitto()
        if program and server_account():
            make_reachable(Path(program))

    def _accounts(self) -> dict[str, str]:
        """Return every user and password; a vehicle's user name has a slash, so it is never a role's."""
        self._accounts_version = accounts_version(self._root)
        return read_accounts(self._root) | self._passwords

    def _write_passwords(self) -> None:
        lines = [f"{user}:{hash_password(password)}\n" for user, password in self._accounts().items()]
        self._write_private("mosquitto.passwd", "".join(lines))

    def _write_private(self, name: str, text: str) -> None:
        """Replace a file of the broker at once, readable by the server's account only."""
        fresh = self._root / f"{name}.new"
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        account = server_account()
        if account:
            os.chown(fresh, account.pw_uid, account.pw_gid)
        fresh.replace(self._root / name)


def find_mosquitto() -> str | None:
    """Return the path of Mosquitto, also where a plain user's PATH leaves out the ``sbin`` directories."""
    return shutil.which("mosquitto") or shutil.which(
        "mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
    )


def hash_password(password: str) -> str:
    """Return a password as Mosquitto stores it: ``$7$``, PBKDF2 with SHA-512 (mosquitto_passwd of 2.0)."""
    salt, rounds = secrets.token_bytes(12), 101
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds, 64)
    return f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def access_rules(roles: Mapping[str, Access]) -> str:
    """Return the access rules as a Mosquitto ``acl_file``; vehicles get their own branch only."""
    lines = []
    for role, access in roles.items():
        if not (access.read or access.write):
            continue
        lines.append(f"user {role}")
        lines += [f"topic read {topic}" for topic in access.read]
        lines += [f"topic write {topic}" for topic in access.write]
        lines.append("")
    return "\n".join([*lines, f"pattern read {PREFIX}/%u/down/#", f"pattern write {PREFIX}/%u/up/#", ""])

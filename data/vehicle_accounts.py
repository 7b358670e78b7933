"""Accounts of vehicles at the broker: user name ``tenant/VIN``, whose access rules are its own branch only.

A fleet uses certificates whose common name is ``tenant/VIN``; passwords are for a bench and for devices that
have none.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from data.errors import FleetError
from data.processes import server_account
from data.records import Vin

_FILE = "vehicles.json"


def read_accounts(root: Path) -> dict[str, str]:
    """Return the password of each vehicle that has an account at the embedded broker in ``root``."""
    path = root / _FILE
    found: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def accounts_version(root: Path) -> int:
    """Return a number that changes with the accounts."""
    try:
        return (root / _FILE).stat().st_mtime_ns
    except OSError:
        return 0


def issue_account(root: Path, *, tenant: str, vin: Vin) -> tuple[str, str]:
    """Give a vehicle an account at the embedded broker, or another password; return user name and password.

    Raises:
        FleetError: No embedded broker lives in ``root``.
    """
    if not root.is_dir():
        raise FleetError(f"broker {str(root)!r}: no embedded broker lives there; give --password-file")
    user, password = f"{tenant}/{vin}", secrets.token_urlsafe(24)
    _write(root / _FILE, json.dumps(read_accounts(root) | {user: password}))
    return user, password


def put_into_password_file(
    path: Path, *, tenant: str, vin: Vin, hashed: str, password: str
) -> tuple[str, str]:
    """Put a vehicle's line into a Mosquitto password file, in place of an older one; return user, password.

    Args:
        path: The file; made when there is none.
        tenant: Of the vehicle.
        vin: The vehicle.
        hashed: The password as Mosquitto stores it.
        password: The password itself.

    Raises:
        FleetError: The file cannot be read or written.
    """
    user = f"{tenant}/{vin}"
    try:
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        kept = [line for line in lines if line.partition(":")[0] != user]
        _write(path, "\n".join([*kept, f"{user}:{hashed}", ""]))
    except (OSError, UnicodeDecodeError) as error:
        raise FleetError(f"--password-file {str(path)!r}: cannot be written ({error})") from error
    return user, password


def _write(path: Path, text: str) -> None:
    """Replace a file at once, readable by its owner only."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    if path.exists():
        owner = path.stat()
        os.chmod(fresh, owner.st_mode & 0o777)
        if os.geteuid() == 0:
            os.chown(fresh, owner.st_uid, owner.st_gid)
    elif account := server_account():
        os.chown(fresh, account.pw_uid, account.pw_gid)
    fresh.replace(path)

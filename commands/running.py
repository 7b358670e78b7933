"""What a command needs of the installation it works on: settings, a connection, when to stop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from data.settings import Settings

if TYPE_CHECKING:
    from data.audit import Deed
    from data.db import Connection


#: The tenant of an installation on one machine.
TENANT = "demo"


def read_settings(*, least_level: int = 0) -> Settings:
    """Return the settings of the environment; logs follow them from here on."""
    from data.logs import configure_logs

    settings = Settings.from_env(os.environ)
    configure_logs(settings, least_level=least_level)
    return settings


def stop_on_signal(*, is_supervised: bool = False) -> threading.Event:
    """Return an event that SIGTERM, SIGINT, a closed terminal or the end of a supervised input sets."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # ignored under nohup
            signal.signal(number, lambda *_: stop.set())
    if is_supervised:

        def watch() -> None:
            # Not sys.stdin: a thread that holds its lock aborts the interpreter's end.
            while os.read(0, 1024):
                continue
            stop.set()

        threading.Thread(target=watch, name="stdin", daemon=True).start()
    return stop


def stop_when(condition: Callable[[], bool], stop: threading.Event) -> None:
    """Set an event once a condition holds, asked ten times a second."""

    def watch() -> None:
        while not condition() and not stop.wait(0.1):
            continue
        stop.set()

    threading.Thread(target=watch, name="condition", daemon=True).start()


def running_settings(role: str | None = None) -> Settings:
    """Return the settings of the installation that runs: given URLs, else the one of ``anxin up``."""
    from data.installation import find_running

    settings = read_settings()
    return find_running(settings).settings_for(settings, role)


def own_deed() -> Deed:
    """Return what the audit is to say of this command: who ran it, and when."""
    from getpass import getuser

    from data.audit import Deed

    return Deed(actor=f"command:{getuser()}", now=datetime.now(UTC))


def connect_running() -> Connection:
    """Return a connection to the database of the installation that runs; leaving it commits."""
    from data.db import connect

    return connect(running_settings().database_url, name="anxin-command")

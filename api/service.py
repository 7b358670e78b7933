"""The API as a service: uvicorn in this thread, the database follower in another."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

import structlog
import uvicorn

from alerts.commands import Commands
from alerts.desk import terms_of
from alerts.telling.ack_link import PURPOSE
from api.app import create_app
from api.errors import CannotListen
from api.live import Hub, follow_database
from data.db import Pool, open_pool
from data.errors import DatabaseAway
from data.heartbeat import Heartbeat
from data.keys import load_push_keys
from data.settings import Settings

#: How long running requests may take to finish after a stop.
GRACE_S = 3
#: How long a starting API waits for the database.
_DATABASE_S = 30.0
#: A question that takes longer would keep others from being answered.
_STATEMENT_S = 15.0

logger = structlog.get_logger()


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs the services."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # uvicorn says Generator
        """Capture none."""
        return nullcontext()


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise CannotListen(f"http_host {host!r}, http_port {port}: cannot listen there: {error}") from error


def _open_pool(settings: Settings, stop: threading.Event) -> Pool | None:
    """Return a pool, None when stopped before the database answered."""
    give_up_at = time.monotonic() + _DATABASE_S
    while not stop.is_set():
        try:
            return open_pool(
                settings.database_url,
                size=settings.db_pool_size,
                name="anxin-api",
                timeout_s=2.0,
                statement_timeout_s=_STATEMENT_S,
            )
        except DatabaseAway:
            if time.monotonic() > give_up_at:
                raise
    return None


def run(settings: Settings, *, stop: threading.Event) -> None:
    """Serve HTTP until ``stop``.

    Raises:
        DatabaseAway: The database did not answer within half a minute.
        CannotListen: The address is taken or not of this machine.
    """
    listening = _listen(settings.http_host, settings.http_port)
    pool = _open_pool(settings, stop)
    if pool is None:
        listening.close()
        return
    hub, keys = Hub(), load_push_keys(settings.home_path)
    app = create_app(
        settings,
        pool,
        commands=Commands(pool, terms_of(settings)),
        clock=lambda: datetime.now(UTC),
        push_key=keys.public_key,
        link_key=keys.derive(PURPOSE),
        hub=hub,
    )
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.http_host,
            port=settings.http_port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    follower = threading.Thread(
        target=follow_database, args=(settings.database_url, hub), kwargs={"stop": stop}, name="api-live"
    )

    def end() -> None:
        stop.wait()
        hub.close()
        server.should_exit = True

    ender = threading.Thread(target=end, name="api-stop", daemon=True)
    follower.start()
    ender.start()
    logger.info("serving", action="serve", host=settings.http_host, port=settings.http_port)
    try:
        with Heartbeat(settings.database_url, "api"):
            server.run(sockets=[listening])
    finally:
        stop.set()
        follower.join(timeout=GRACE_S)
        pool.close()
        listening.close()

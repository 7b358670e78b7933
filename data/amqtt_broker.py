"""The pure-Python broker as a process: ``python -m data.amqtt_broker FILE`` with the port and passwords."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from amqtt.broker import Broker


def broker_config(port: int, passwords: dict[str, str], foreign: list[str]) -> dict[str, Any]:
    """Return amqtt's configuration: one loopback listener, no limits, our accounts and rules."""
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}", "max_connections": 0}},
        "plugins": {
            "data.amqtt_plugins.AccountPlugin": {"passwords": passwords},
            "data.amqtt_plugins.AccessPlugin": {"foreign": foreign},
        },
    }


async def serve(port: int, passwords: dict[str, str], foreign: list[str]) -> None:
    """Serve until SIGINT or SIGTERM."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    broker = Broker(broker_config(port, passwords, foreign))
    await broker.start()
    await stop.wait()
    # amqtt keeps nothing on disk, so nothing is lost when a slow client makes its shutdown take too long.
    with suppress(TimeoutError):
        await asyncio.wait_for(broker.shutdown(), timeout=3.0)


def main() -> None:
    """Read the file named on the command line and serve."""
    given = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    # amqtt formats a debug line for each step of each message, and warns of every late acknowledgement.
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.disable(logging.WARNING)
    asyncio.run(serve(given["port"], given["passwords"], given["foreign"]))


if __name__ == "__main__":
    main()

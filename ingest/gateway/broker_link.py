"""One connection of the event loop to the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ingest.mqtt_packets import Control, MqttError, PacketReader


class BrokerLink(asyncio.Protocol):
    """One connection to the broker: its packets in, ours out.

    Args:
        reader: Cuts what arrives into packets.
        on_packet: Called with each packet but deliveries, of which there are none.
        on_read: Called after the packets of one read.
    """

    def __init__(
        self,
        reader: PacketReader,
        *,
        on_packet: Callable[[BrokerLink, Control], None],
        on_read: Callable[[], None],
    ) -> None:
        self._reader, self._on_packet, self._on_read = reader, on_packet, on_read
        self.transport: asyncio.Transport | None = None
        self.is_lost, self.changed = asyncio.Event(), asyncio.Event()
        self.reason = ""
        self.heard_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream, it is one
        self.transport = transport
        self.heard_s = asyncio.get_running_loop().time()

    def data_received(self, data: bytes) -> None:
        """Take what the broker says."""
        self.heard_s = asyncio.get_running_loop().time()
        try:
            _, controls = self._reader.feed(data, 0)
            for control in controls:
                self._on_packet(self, control)
        except MqttError as error:
            self.fail(str(error))
        self._on_read()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self.reason = self.reason or (str(exc) if exc else "")
        self.is_lost.set()
        self.changed.set()

    def write(self, data: bytes) -> None:
        """Send; what the broker does not take stays in the transport, no more than the window."""
        if self.transport is not None:
            self.transport.write(data)

    def fail(self, reason: str) -> None:
        """End a connection that is of no use."""
        self.reason = reason
        if self.transport is not None:
            self.transport.abort()
        self.is_lost.set()
        self.changed.set()

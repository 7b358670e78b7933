"""The end of a session that a broker keeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

import structlog

from ingest import mqtt_packets as packets
from ingest.mqtt_link import MqttLink
from ingest.mqtt_packets import MqttError

_log = structlog.get_logger("ingest")
_PAUSE_S = 0.2


def end_session(
    dial: Callable[[], MqttLink], connect: Callable[[MqttLink], bytes], *, within_s: float
) -> bool:
    """End a session by a connection that wants none; tell whether the broker has confirmed it.

    A clean start discards the session there is (MQTT 3.1.1 §3.1.2.4, MQTT 5 §3.1.2.4). Only its answer proves
    it: a DISCONNECT with an expiry of 0 may be lost with its connection.

    Args:
        dial: Opens a connection.
        connect: Returns the CONNECT packet of a clean start under the session's client id.
        within_s: How long to try.
    """
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        try:
            with closing(dial()) as link:
                link.send(connect(link))
                while time.monotonic() < until_s:
                    for control in link.receive(0.5, lambda: 0)[1]:
                        if control.kind == packets.CONNACK:
                            link.send(packets.DISCONNECT)
                            return control.reason(1) == 0
        except (OSError, MqttError) as error:
            _log.warning("session not ended yet", error=str(error)[:200])
            time.sleep(_PAUSE_S)
    return False

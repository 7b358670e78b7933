"""What the ingest benchmark sends: payloads, persistent sessions that queue them, and a fast publisher."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import cbor2
import numpy as np

from data.catalogue import load_catalogue
from data.records import Vin
from data.topics import Up, up
from ingest import mqtt_packets as packets
from ingest.errors import IngestError
from ingest.mqtt_link import MqttLink

TENANT = "bench"
SCALARS = tuple(s.alias for s in load_catalogue().signals.values() if not s.is_array)[:24]
ARRAYS = ("tire.pressure", "tire.temperature", "cell.voltage", "cell.temperature")
WHEELS, CELLS, PROBES = 4, 96, 32
#: Signals in one sample: a scalar each, an element of an array each.
SIGNALS_OF_A = len(SCALARS)
SIGNALS_OF_B = len(SCALARS) + 2 * WHEELS + CELLS + PROBES
SAMPLES_OF_B = 10
#: Different contents; every message has its own sample times and sequence number.
_CONTENTS = 64
_WINDOW = 8000

Encoding = Literal["json", "cbor", "cbor_typed"]


def make_vin(n: int) -> Vin:
    """Return the VIN of the ``n``-th vehicle."""
    return Vin(f"LBEN{n:013d}")


def make_messages(
    kind: Literal["a", "b"],
    *,
    count: int,
    vehicles: int,
    encoding: Encoding,
    start_ms: int,
    boot: str,
    rng: np.random.Generator,
) -> Iterator[tuple[str, bytes]]:
    """Yield topic and payload of each message: the vehicles in turn, each with consecutive samples.

    Args:
        kind: ``a``: one sample of 24 scalars; ``b``: ten samples with tires, cells and probes.
        count: Messages.
        vehicles: Senders.
        encoding: ``cbor_typed`` writes numbers as RFC 8746 arrays of 32-bit floats.
        start_ms: Time of the first sample.
        boot: Sequence numbers of each vehicle count from 0 in it.
        rng: Draws the contents.
    """
    samples = 1 if kind == "a" else SAMPLES_OF_B
    contents = [_content(kind, samples, encoding, rng) for _ in range(_CONTENTS)]
    topics = [up(TENANT, make_vin(n), Up.TELE) for n in range(vehicles)]
    for i in range(count):
        seq = i // vehicles
        first = start_ms + 1000 * samples * seq
        tree = {
            "v": 1, "boot": boot, "seq": seq, "sent": first + 1000 * samples, "hist": 0,
            "t": [first + 1000 * k for k in range(samples)],
            "s": contents[i % _CONTENTS],
        }  # fmt: skip
        payload = json.dumps(tree).encode() if encoding == "json" else cbor2.dumps(tree)
        yield topics[i % vehicles], payload


def _content(kind: str, samples: int, encoding: Encoding, rng: np.random.Generator) -> dict[str, Any]:
    """Return values as sensors resolve them: one to three digits after the point, all within their range."""
    signals = load_catalogue().signals
    found: dict[str, Any] = {}
    for alias in SCALARS:
        signal = signals[alias]
        low, high = max(signal.low, -60.0), min(signal.high, 115.0)
        drawn = rng.uniform(low, high, samples)
        found[alias] = np.rint(drawn) if signal.sql_type == "smallint" else np.round(drawn, 2)
    if kind == "b":
        found["tire.pressure"] = np.round(rng.normal(250, 2, (samples, WHEELS)), 1)
        found["tire.temperature"] = np.round(rng.normal(25, 1, (samples, WHEELS)), 1)
        found["cell.voltage"] = np.round(rng.normal(3.7, 0.01, (samples, CELLS)), 3)
        found["cell.temperature"] = np.round(rng.normal(25, 1, (samples, PROBES)), 1)
    if encoding == "cbor_typed":
        return {alias: _typed(values) for alias, values in found.items()}
    return {alias: values.tolist() for alias, values in found.items()}


def _typed(values: np.ndarray[Any, Any]) -> Any:
    """Return RFC 8746 tag 85 (float32, little-endian), in tag 40 (row-major) when it has two dimensions."""
    flat = cbor2.CBORTag(85, values.astype("<f4").tobytes())
    return flat if values.ndim == 1 else cbor2.CBORTag(40, [list(values.shape), flat])


def open_session(
    url: str, client_id: str, filters: Sequence[str], *, is_v5: bool, receive_maximum: int
) -> None:
    """Leave a persistent session at the broker that queues what is published from now on."""
    link = _connect(url, client_id, is_v5=is_v5, expiry_s=86_400, receive_maximum=receive_maximum)
    link.send(packets.encode_subscribe(1, filters, is_v5=is_v5))
    _wait_for(link, packets.SUBACK)
    link.send(packets.DISCONNECT)
    link.close()


def end_session(url: str, client_id: str, *, is_v5: bool) -> None:
    """Make the broker forget a session and what it queued."""
    link = _connect(url, client_id, is_v5=is_v5, is_clean=True)
    link.send(packets.DISCONNECT)
    link.close()


def publish_all(url: str, messages: Iterator[tuple[str, bytes]]) -> int:
    """Publish at QoS 1, some thousand under way at a time, until all are acknowledged; return how many."""
    link = _connect(url, "anxin-bench-load", is_v5=False, is_clean=True)
    sent = acknowledged = 0
    piece = bytearray()
    for topic, payload in messages:
        piece += packets.encode_publish(topic, payload, sent % 65_535 + 1, is_v5=False)
        sent += 1
        if len(piece) > 100_000:
            link.send(bytes(piece))
            piece.clear()
        while sent - acknowledged >= _WINDOW:
            link.send(bytes(piece))
            piece.clear()
            acknowledged += _count_acknowledgements(link)
    link.send(bytes(piece))
    while acknowledged < sent:
        acknowledged += _count_acknowledgements(link)
    link.send(packets.DISCONNECT)
    link.close()
    return sent


def _connect(
    url: str,
    client_id: str,
    *,
    is_v5: bool,
    is_clean: bool = False,
    expiry_s: int = 0,
    receive_maximum: int = 65_535,
) -> MqttLink:
    parts = urlsplit(url)
    link = MqttLink(parts.hostname or "127.0.0.1", parts.port or 1883, is_tls=False, is_v5=is_v5)
    link.send(
        packets.encode_connect(
            client_id,
            is_v5=is_v5,
            keepalive_s=600,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            is_clean=is_clean,
            session_expiry_s=expiry_s,
            receive_maximum=receive_maximum,
        )
    )
    answer = _wait_for(link, packets.CONNACK)
    if answer.reason(1):
        raise IngestError(f"broker refused {client_id}: reason {answer.reason(1):#x}")
    return link


def _wait_for(link: MqttLink, kind: int) -> packets.Control:
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline:
        for control in link.receive(0.5, lambda: 0)[1]:
            if control.kind == kind:
                return control
    raise IngestError("broker did not answer within 30 s")


def _count_acknowledgements(link: MqttLink) -> int:
    return sum(control.kind == packets.PUBACK for control in link.receive(5.0, lambda: 0)[1])

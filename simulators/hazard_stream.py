"""A steady stream of small messages with hazards in it, published by a process of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import numpy as np
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from data import topics
from data.records import Family, FamilyRows, Vin
from simulators.encode import Envelope, birth_payload, event_payload, tele_payload
from simulators.errors import LinkError
from simulators.link import Address

#: A vehicle's own alarm, acted on as it comes; an insulation that falls, found by the live rule.
KINDS = ("alarm", "insulation")
_ROUND_S = 1.0  #: every vehicle sends once
#: Messages go out in small bursts: waking up for each would cost more than the message.
_TICK_S = 0.01
_HEALTHY_KOHM, _LOST_KOHM = 5000.0, 20.0
_PACK_V = 400.0
_MODEL, _FIRMWARE, _TIME_ZONE = "anxin-sedan-96-ncm", "bench", "Asia/Shanghai"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """What is published; vehicle n is struck by the n-th hazard, of ``KINDS`` in turn."""

    tenant: str
    vins: tuple[Vin, ...]  #: each sends one message a second
    boot: str
    warm_up_s: float
    seconds: float  #: hazards are spread over this time after the warm-up
    hazards: int
    evidence_s: float  #: how long a low insulation must have lasted to be believed

    def strikes_at(self, n: int) -> float:
        """Return the earliest time of the message that completes hazard n, seconds since the start."""
        return self.warm_up_s + self.seconds * n / self.hazards


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A hazard that was published."""

    vin: Vin
    kind: str
    time_ms: int  #: event time of the reading that completes it
    published_at: float  #: seconds since 1970, before the message was handed to the client


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """What has been published."""

    strikes: tuple[Strike, ...]
    messages: int
    seconds: float
    longest_lag_s: float  #: how late the stream was at most: a generator that lags measures itself


@dataclass(slots=True)
class _Vehicle:
    vin: Vin
    seq: int = 0
    low_since_ms: int | None = None
    is_struck: bool = False


@dataclass(slots=True)
class HazardStream:
    """Says for each vehicle in turn what it sends; knows nothing of clocks and connections."""

    plan: StreamPlan
    strikes: list[Strike] = field(default_factory=list)
    _vehicles: list[_Vehicle] = field(init=False)

    def __post_init__(self) -> None:
        self._vehicles = [_Vehicle(vin) for vin in self.plan.vins]

    def birth(self, n: int, now_s: float) -> tuple[str, bytes]:
        """Return topic and payload of a vehicle's first message."""
        vehicle, envelope = self._next(n, now_s)
        payload = birth_payload(envelope, model=_MODEL, firmware=_FIRMWARE, time_zone=_TIME_ZONE)
        return topics.up(self.plan.tenant, vehicle.vin, topics.Up.BIRTH), payload

    def message(self, n: int, at_s: float, now_s: float) -> tuple[str, bytes]:
        """Return topic and payload of vehicle n's next message.

        Args:
            n: Index of the vehicle.
            at_s: Seconds since the start.
            now_s: Wall time of the sample.
        """
        plan = self.plan
        vehicle, envelope = self._next(n, now_s)
        kind = KINDS[n % len(KINDS)]
        time_ms = envelope.sent_ms
        if n < plan.hazards and not vehicle.is_struck:
            due_s = plan.strikes_at(n)
            if kind == "alarm" and at_s >= due_s:
                self._strike(vehicle, kind, time_ms, now_s)
                data = {"bits": [1]}
                payload = event_payload(envelope, time_ms=time_ms, kind="alarm", level=3, data=data)
                return topics.up(plan.tenant, vehicle.vin, topics.Up.EVENT), payload
            if kind == "insulation" and at_s >= due_s - plan.evidence_s:
                vehicle.low_since_ms = vehicle.low_since_ms or time_ms
                if time_ms - vehicle.low_since_ms >= 1000 * plan.evidence_s:
                    self._strike(vehicle, kind, time_ms, now_s)
        kohm = _HEALTHY_KOHM if vehicle.low_since_ms is None else _LOST_KOHM
        payload = tele_payload(envelope, [_readings(time_ms, n, kohm)], encoding="json")
        return topics.up(plan.tenant, vehicle.vin, topics.Up.TELE), payload

    def _strike(self, vehicle: _Vehicle, kind: str, time_ms: int, now_s: float) -> None:
        vehicle.is_struck = True
        self.strikes.append(Strike(vin=vehicle.vin, kind=kind, time_ms=time_ms, published_at=now_s))

    def _next(self, n: int, now_s: float) -> tuple[_Vehicle, Envelope]:
        vehicle = self._vehicles[n]
        sent_ms = int(now_s * 1000)
        envelope = Envelope(
            boot=self.plan.boot, seq=vehicle.seq, sent_ms=sent_ms, is_hist=False, origin="simulated"
        )
        vehicle.seq += 1
        return vehicle, envelope


def _readings(time_ms: int, n: int, kohm: float) -> FamilyRows:
    columns = {
        "speed": 30.0 + n % 60,
        "soc": 40.0 + n % 50,
        "pack.voltage": _PACK_V,
        "pack.current": -20.0,
        "insulation": kohm,
    }
    return FamilyRows(
        family=Family.DRIVE,
        vehicle_id=np.zeros(1, np.int32),
        time_us=np.array([time_ms * 1000]),
        sent_us=np.array([time_ms * 1000]),
        received_us=np.array([time_ms * 1000]),
        is_hist=np.zeros(1, np.bool_),
        columns={alias: np.array([value]) for alias, value in columns.items()},
    )


def publish_stream(mqtt_url: str, plan: StreamPlan, answer: Connection) -> None:
    """Publish the whole plan and send a :class:`Streamed` back; the target of a process.

    Raises:
        LinkError: The broker refuses, or does not take the stream.
    """
    client = _connect(mqtt_url)
    stream = HazardStream(plan)
    for n in range(len(plan.vins)):
        client.publish(*stream.birth(n, time.time()), qos=1)
    step_s = _ROUND_S / len(plan.vins)
    total = int((plan.warm_up_s + plan.seconds + 2 * _ROUND_S) / step_s)
    began, longest_lag_s = time.monotonic(), 0.0
    for number in range(total):
        due_s = number * step_s
        lag_s = time.monotonic() - began - due_s
        if lag_s < 0:
            time.sleep(max(-lag_s, _TICK_S))
        longest_lag_s = max(longest_lag_s, lag_s)
        topic, payload = stream.message(number % len(plan.vins), due_s, time.time())
        client.publish(topic, payload, qos=1)
    seconds = time.monotonic() - began
    answer.send(
        Streamed(
            strikes=tuple(stream.strikes),
            messages=total + len(plan.vins),
            seconds=seconds,
            longest_lag_s=longest_lag_s,
        )
    )
    client.disconnect()
    client.loop_stop()


def _connect(mqtt_url: str) -> mqtt.Client:
    address = Address.parse(mqtt_url)
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id="anxin-bench-stream",
        protocol=mqtt.MQTTv311,
        clean_session=True,
    )
    if address.account:
        client.username_pw_set(*address.account)
    client.max_inflight_messages_set(2000)
    client.connect(address.host, address.port)
    client.loop_start()
    until = time.monotonic() + 10.0
    while not client.is_connected():
        if time.monotonic() > until:
            raise LinkError("mqtt_url: the broker does not let the stream in")
        time.sleep(0.02)
    return client


def vins_of(count: int) -> Sequence[Vin]:
    """Return the vehicles of a stream."""
    return [Vin(f"LBX{n:014d}") for n in range(count)]

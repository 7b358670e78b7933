"""One delivery in, what it says out; what cannot be read comes out as a reject. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from data.catalogue import Catalogue
from data.errors import TopicError, VinError
from data.records import VehicleEvent, Vin
from data.topics import PREFIX, Up, UpTopic, parse_sender, parse_up
from ingest import native, payloads
from ingest.errors import PayloadError
from ingest.gbt32960 import decode_frame
from ingest.messages import (
    Adapted,
    Adapter,
    CanFrames,
    Delivery,
    Envelope,
    JoinedFrames,
    Message,
    Part,
    Reject,
    TroubleCode,
    Vehicle,
)
from ingest.quality import EARLIEST_US

#: Topics whose vehicle is remembered until the registry is read again.
_ROUTES = 200_000


class CanParser(Protocol):
    """Reads the records of a CAN payload."""

    def __call__(self, records: bytes, t0_ms: int, /, *, is_fd: bool) -> tuple[Any, Any, Any, Any, Any]:
        """Return time_us, can_id, flags, length, data."""


#: Puts the frames of transfers that a bus had left open before those of a message: frames to decode, what was
#: given up by reason.
JoinCan = Callable[[Vehicle, str, CanFrames], JoinedFrames]


class Decoder:
    """Reads deliveries.

    Args:
        catalogue: Shapes and families of the native aliases.
        find_vehicle: (tenant, VIN) -> the registered vehicle in service, or None.
        is_retired: (tenant, VIN) that was not found -> whether it is registered, but out of service.
        parse_can: Reads the records of a CAN payload.
        join_can: Keeps transfers whole that span two messages of a bus.
        future_s: How far a vehicle's clock may be ahead, seconds.
        adapters: Read topics that are not ours; asked in order.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        find_vehicle: Callable[[str, Vin], Vehicle | None],
        parse_can: CanParser,
        future_s: float,
        adapters: Sequence[Adapter] = (),
        is_retired: Callable[[str, Vin], bool] = lambda _tenant, _vin: False,
        join_can: JoinCan = lambda _vehicle, _bus, frames: JoinedFrames(frames),
    ) -> None:
        self._catalogue = catalogue
        self._find_vehicle = find_vehicle
        self._is_retired = is_retired
        self._parse_can = parse_can
        self._join_can = join_can
        self._future_us = round(future_s * 1e6)
        self._adapters = tuple(adapters)
        self._routes: dict[str, tuple[UpTopic, Vehicle]] = {}

    def decode(self, delivery: Delivery) -> tuple[Message | None, Reject | None]:
        """Return what the delivery says and what of it could not be read.

        A reject beside a message means: the rest counts. A message without content means: nothing of it could
        be read but its place in the stream, so that it is not asked for again.
        """
        route = self._routes.get(delivery.topic)
        if route is not None:
            return self._decode(route[0], route[1], delivery)
        if self._adapters and not delivery.topic.startswith(PREFIX):
            for adapter in self._adapters:
                if adapter.matches(delivery.topic):
                    return self._adapt(adapter, delivery)
        try:
            topic = parse_up(delivery.topic)
        except (TopicError, VinError) as error:
            reject = _reject(delivery, None, PayloadError("bad_topic", str(error)))
            return self.account_only(delivery), reject
        vehicle = self._find_vehicle(topic.tenant, topic.vin)
        if vehicle is None:
            return None, _reject(delivery, topic, self._refusal("topic", topic.tenant, topic.vin))
        if len(self._routes) >= _ROUTES:
            self._routes.clear()
        self._routes[delivery.topic] = (topic, vehicle)
        return self._decode(topic, vehicle, delivery)

    def forget(self) -> None:
        """Look up every vehicle anew: the registry may have changed."""
        self._routes.clear()

    def _decode(
        self, topic: UpTopic, vehicle: Vehicle, delivery: Delivery
    ) -> tuple[Message | None, Reject | None]:
        message = Message(vehicle=vehicle, received_us=delivery.received_us)
        try:
            problems = self._read(topic, delivery, message)
        except PayloadError as error:
            message = Message(vehicle=vehicle, received_us=delivery.received_us)
            message.envelope = None if topic.kind is Up.STATUS else native.parse_envelope(delivery.payload)
            return (message if message.envelope else None), _reject(delivery, topic, error)
        return message, _reject(delivery, topic, problems) if problems else None

    def _adapt(self, adapter: Adapter, delivery: Delivery) -> tuple[Message | None, Reject | None]:
        try:
            adapted = adapter.adapt(delivery)
        except PayloadError as error:
            return None, _reject(delivery, None, error)
        vehicle = self._find_vehicle(adapted.tenant, adapted.vin)
        if vehicle is None:
            why = self._refusal("adapter", adapted.tenant, adapted.vin)
            reject = replace(_reject(delivery, None, why), tenant=adapted.tenant, vin=adapted.vin)
            return None, reject
        misfit = self._misfit(adapted, vehicle)
        if misfit is not None:
            reject = replace(_reject(delivery, None, misfit), tenant=adapted.tenant, vin=adapted.vin)
            return None, reject
        message = Message(vehicle=vehicle, received_us=delivery.received_us)
        message.envelope = Envelope(boot=None, seq=None, sent_us=adapted.sent_us, is_hist=adapted.is_hist)
        message.parts, message.masked = list(adapted.parts), dict(adapted.masked)
        message.extra, message.extra_time_us = adapted.extra, adapted.sent_us
        message.coordinates = adapted.coordinates
        return message, None

    def _misfit(self, adapted: Adapted, vehicle: Vehicle) -> PayloadError | None:
        """Return why the arrays of a message cannot be of this vehicle; None where they can."""
        model = vehicle.model
        columns = ((alias, c) for part in adapted.parts for alias, c in part.columns.items() if c.ndim == 2)
        for alias, column in columns:
            found, width = column.shape[1], model.width(self._catalogue.signals[alias].shape)
            if found > width:
                rule = f"must be {width} at most ({model.model_id})"
                return PayloadError("wrong_length", f"{alias} has {found} values: {rule}")
        return None

    def _refusal(self, source: str, tenant: str, vin: Vin) -> PayloadError:
        if self._is_retired(tenant, vin):
            return PayloadError("retired_vehicle", f"vin of the {source}: must be of a vehicle in service")
        return PayloadError("unknown_vehicle", f"vin of the {source}: must be registered for its tenant")

    def account_only(self, delivery: Delivery) -> Message | None:
        """Return a message whose content stays a reject: its number has come; None where it has none."""
        sender = parse_sender(delivery.topic)
        vehicle = self._find_vehicle(*sender) if sender is not None else None
        envelope = native.parse_envelope(delivery.payload) if vehicle is not None else None
        if vehicle is None or envelope is None:
            return None
        return Message(vehicle=vehicle, received_us=delivery.received_us, envelope=envelope)

    def _read(self, topic: UpTopic, delivery: Delivery, message: Message) -> PayloadError | None:
        payload, vin = delivery.payload, topic.vin
        match topic.kind:
            case Up.TELE:
                message.envelope, message.tele = native.parse_tele(payload, vin)
            case Up.CAN:
                self._read_can(native.parse_payload(payload, payloads.CanPayload, vin), topic.bus, message)
            case Up.GBT32960:
                return self._read_gbt(payload, vin, message)
            case Up.EVENT:
                self._read_event(native.parse_payload(payload, payloads.EventPayload, vin), message)
            case Up.BIRTH:
                birth = native.parse_payload(payload, payloads.BirthPayload, vin)
                message.envelope = payloads.envelope_of(birth)
                message.birth = payloads.birth_of(birth)
                data = {"boot": birth.boot, "model": birth.model, "firmware": birth.firmware, "tz": birth.tz}
                event = VehicleEvent(
                    vehicle_id=0,
                    time_us=birth.sent * 1000,
                    kind="birth",
                    source="event",
                    code=birth.boot,
                    data=data,
                )
                message.events = [self._event(message, event)]
            case Up.STATUS:
                message.status = payloads.status_of(
                    native.parse_payload(payload, payloads.StatusPayload, vin)
                )
        return None

    def _read_can(self, can: payloads.CanPayload, bus: str, message: Message) -> None:
        message.envelope = payloads.envelope_of(can)
        if message.vehicle.model.dbc is None:
            model = message.vehicle.model.model_id
            raise PayloadError("missing_dbc", f"vehicle model {model!r} has no DBC: must have one for can")
        if (can.f is None) == (can.fd is None):
            raise PayloadError("malformed", "f and fd: exactly one of them must be there")
        records = can.f if can.f is not None else can.fd
        time_us, can_id, _, length, data = self._parse_can(records or b"", can.t0, is_fd=can.fd is not None)
        frames = CanFrames(time_us, can_id, length, data)
        joined = self._join_can(message.vehicle, bus, frames)
        message.can, message.cut, message.masked = joined.frames, joined.cut, joined.lost

    def _read_gbt(self, payload: bytes, vin: Vin, message: Message) -> PayloadError | None:
        is_bare = payload[:2] in (b"##", b"$$")
        frame_bytes = payload
        envelope: Envelope | None = None
        if not is_bare:
            wrapped = native.parse_payload(payload, payloads.GbtPayload, vin)
            frame_bytes, envelope = wrapped.frame, payloads.envelope_of(wrapped)
        frame = decode_frame(frame_bytes)
        if frame.vin != vin:
            raise PayloadError(
                "vin_mismatch", "vin of the frame is not the vin of the topic: must be the same"
            )
        time_us = message.received_us if frame.time_us is None else frame.time_us
        if envelope is None:
            envelope = Envelope(boot=None, seq=None, sent_us=time_us, is_hist=frame.is_resupply)
        elif frame.is_resupply and not envelope.is_hist:
            envelope = replace(envelope, is_hist=True)
        message.envelope = envelope
        times = np.array([time_us], np.int64)
        message.parts = [
            Part(family, times, columns, keys.get("sub_pack", 1), keys.get("first_cell", 1))
            for family, columns, keys in frame.families
        ]
        message.masked = {reason.replace(": ", ":"): count for reason, count in frame.masked.items()}
        message.events = [self._event(message, event) for event in frame.events]
        message.extra, message.extra_time_us = frame.extra, time_us
        if frame_bytes[:2] == b"$$":  # edition 2025 names the datum; the decoder has converted
            message.coordinates = "wgs84"
        if not frame.rejects:
            return None
        return PayloadError(frame.rejects[0][0], "; ".join(detail for _, detail in frame.rejects)[:1000])

    def _read_event(self, event: payloads.EventPayload, message: Message) -> None:
        message.envelope = payloads.envelope_of(event)
        named = event.data.get("warning_id" if event.kind == "warning_receipt" else "code")
        code = named if isinstance(named, str) else "+".join(sorted({c.code for c in event.codes}))
        told = VehicleEvent(
            vehicle_id=0,
            time_us=event.t * 1000,
            kind=event.kind,
            source="event",
            level=event.level,
            code=code[:200],
            data=event.data,
        )
        stored = self._event(message, told)
        message.events = [stored]
        message.codes = [TroubleCode(stored.time_us, c.ecu, c.code, c.status) for c in event.codes]

    def _event(self, message: Message, event: VehicleEvent) -> VehicleEvent:
        """Return the vehicle's own event; one with an impossible time counts from its arrival."""
        is_hist = bool(message.envelope and message.envelope.is_hist)
        event = replace(event, vehicle_id=message.vehicle.vehicle_id, is_hist=is_hist)
        if EARLIEST_US <= event.time_us <= message.received_us + self._future_us:
            return event
        message.masked = {**message.masked, "event:time": message.masked.get("event:time", 0) + 1}
        data = {**event.data, "vehicle_time_ms": event.time_us // 1000}
        return replace(event, time_us=message.received_us, data=data)


def _reject(delivery: Delivery, topic: UpTopic | None, error: PayloadError) -> Reject:
    return Reject(
        topic=delivery.topic,
        payload=delivery.payload,
        received_us=delivery.received_us,
        reason=error.reason,
        detail=error.detail,
        tenant=topic.tenant if topic else None,
        vin=topic.vin if topic else None,
    )


def reject_delivery(delivery: Delivery, error: PayloadError) -> Reject:
    """Return the reject of a delivery that was read but could not be used."""
    try:
        topic = parse_up(delivery.topic)
    except (TopicError, VinError):
        topic = None
    return _reject(delivery, topic, error)

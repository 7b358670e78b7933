"""Peers that are slow, silent, strange or broken cost only themselves."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from data.db import Pool
from simulators import encode_gbt_frames as frames
from tests.integration.gateway.steps import SECOND, VIN, Heard, login, readings, serving, settings_for


def test_garbage_half_frames_and_damage_cost_only_themselves(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    damaged = bytearray(readings(1))
    damaged[-5] ^= 1
    with serving(settings_for(database_url, broker)) as port:
        car = dial(port)
        assert car.mark(login()) == 1
        car.say(b"##\x02\xfegarbage$$", readings(0)[:20])
        time.sleep(0.1)
        assert car.mark(readings(0)[20:]) == 1
        assert car.mark(bytes(damaged)) == 2  # to be sent again
        assert car.mark(readings(1)) == 1
        car.say(readings(2)[:50], readings(3), readings(4))
        marks = [car.hear(), car.hear()]
        assert (
            [a and (a.mark, a.time) for a in marks]
            == [
                (2, readings(2)[24:30]),  # swallowed the next one's first bytes
                (1, readings(3)[24:30]),
            ]
        )
        assert car.hear() is not None

    assert [payload for _, payload in heard.frames[1:]] == [readings(i) for i in (0, 1, 3, 4)]


def test_heartbeats_and_the_time_are_answered_without_the_broker(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with serving(settings_for(database_url, broker)) as port:
        car = dial(port)
        car.say(frames.time_sync_frame(VIN))
        told = car.hear()
        assert car.mark(login()) == 1
        assert car.mark(frames.heartbeat_frame(VIN)) == 1

    assert told is not None
    at = datetime(2000 + told.time[0], *told.time[1:6], tzinfo=UTC)
    assert abs((at - datetime.now(UTC)).total_seconds() - 8 * 3600) < 30
    assert len(heard.frames) == 1


def test_slow_and_silent_peers_are_let_go_and_disturb_nobody(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    change = {"gateway_login_s": 0.5, "gateway_idle_s": 1.0, "gateway_connections": 4}
    with serving(settings_for(database_url, broker, **change)) as port:
        silent, dripping = dial(port), dial(port)
        car = dial(port)
        assert car.mark(login()) == 1
        sleeper = dial(port)
        assert sleeper.mark(login(SECOND)) == 1
        deadline = time.monotonic() + 15.0
        for byte in login()[:12]:
            try:
                dripping.say(bytes([byte]))
            except OSError:
                break
            time.sleep(0.1)
            assert car.mark(frames.heartbeat_frame(VIN)) == 1
        for peer in (silent, dripping, sleeper):
            while not peer.is_closed(within_s=0.3):
                assert time.monotonic() < deadline
                assert car.mark(frames.heartbeat_frame(VIN)) == 1
        assert car.mark(readings(0)) == 1


def test_strangers_cannot_keep_vehicles_out(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with serving(settings_for(database_url, broker, gateway_connections=2)) as port:
        strangers = [dial(port), dial(port)]
        assert strangers[0].mark(frames.time_sync_frame(VIN)) == 1
        assert strangers[1].mark(frames.time_sync_frame(VIN)) == 1
        cars = []
        for stranger, vin in zip(strangers, (VIN, SECOND), strict=True):
            cars.append(dial(port))
            assert cars[-1].mark(login(vin)) == 1
            assert stranger.is_closed()
        assert dial(port).is_closed()  # one too many
        assert [
            car.mark(frames.heartbeat_frame(vin)) for car, vin in zip(cars, (VIN, SECOND), strict=True)
        ] == [
            1,
            1,
        ]


def test_a_stranger_may_send_little_garbage_and_a_vehicle_much(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    garbage = b"##" * 50_000
    with serving(settings_for(database_url, broker)) as port:
        stranger, car = dial(port), dial(port)
        with suppress(ConnectionError):
            stranger.say(garbage)
        assert stranger.is_closed()
        assert car.mark(login()) == 1
        assert car.mark(garbage, readings(0)) == 1


def test_a_peer_that_fetches_no_answers_is_not_read_any_more(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with serving(settings_for(database_url, broker, gateway_idle_s=20.0)) as port:
        greedy, car = dial(port), dial(port)
        greedy.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert greedy.mark(login(SECOND)) == 1
        assert car.mark(login()) == 1
        greedy.sock.settimeout(0.5)
        blocked, sent = frames.heartbeat_frame(SECOND) * 1000, 0
        with suppress(TimeoutError):
            while sent < 10_000_000:
                sent += greedy.sock.send(blocked)
        assert sent < 5_000_000
        assert car.mark(readings(0)) == 1

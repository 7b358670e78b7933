"""Who may speak through the gateway, and what it needs to start."""

from __future__ import annotations

import socket
import ssl
import threading
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from data.db import Pool, connect
from data.errors import SettingsError
from ingest.errors import IngestError
from ingest.gateway.service import run
from ingest.gateway.store import add_platform, list_platforms, revoke_platform
from simulators import encode_gbt_frames as frames
from simulators.gbt_vehicle import Answer
from tests.integration.gateway.steps import (
    ICCID,
    RETIRED,
    SECOND,
    START_US,
    TWICE,
    VIN,
    Heard,
    free_port,
    login,
    readings,
    self_signed,
    serving,
    settings_for,
)

LISTENING: dict[str, Any] = {"stop": threading.Event(), "on_listening": lambda _: None}


def test_a_vehicle_logs_in_sends_and_is_answered_when_the_broker_has_its_frames(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    metrics_port = free_port()
    with serving(settings_for(database_url, broker, metrics_port=metrics_port)) as port:
        car = dial(port)
        said = [login(), readings(0), readings(1), frames.logout_frame(VIN, START_US)]
        answers = []
        for frame in said:
            car.say(frame)
            answers.append(car.hear())
        assert car.mark(readings(2)) == 2  # logged out
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as page:
            told = page.read().decode()

    assert "anxin_gateway_logins_total 1.0" in told
    assert 'anxin_gateway_refused_total{reason="not_logged_in"} 1.0' in told
    assert answers == [Answer(frame[2], 1, frame[24:30]) for frame in said]
    assert [payload for _, payload in heard.frames] == said
    assert {topic for topic, _ in heard.frames} == {f"anxin/v1/demo/{VIN}/up/gbt32960"}


def test_who_may_not_speak_is_told_so_as_the_standard_says(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with serving(settings_for(database_url, broker)) as port:
        for edition, unknown in (("2016", 2), ("2025", 4)):
            for vin, iccid, mark in (
                ("LANX0000000000009", ICCID, unknown),
                ("not a VIN", ICCID, unknown),
                (RETIRED, ICCID, unknown),
                (VIN, "89860000000000000002", 2),
                (TWICE, ICCID, 3),
                (SECOND, "", 1),
            ):
                said = login(vin, iccid=iccid, edition=edition)
                assert dial(port).mark(said) == mark, (vin, edition)


def test_a_stranger_is_told_no_three_times(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with serving(settings_for(database_url, broker)) as port:
        stranger = dial(port)
        marks = [stranger.mark(readings(i)) for i in range(3)]
        assert stranger.is_closed()
        car = dial(port)
        assert car.mark(login()) == 1
        assert [car.mark(readings(0, SECOND)) for _ in range(5)] == [2] * 5

    assert marks == [2, 2, 2]
    assert len(heard.frames) == 1


def test_a_vehicle_of_another_tenant_is_unknown_to_a_gateway_of_one(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with serving(settings_for(database_url, broker, gateway_tenant="other")) as port:
        assert dial(port).mark(login(SECOND)) == 2
        assert dial(port).mark(login(TWICE)) == 1


def test_a_vehicle_that_connects_again_takes_over_from_its_dead_link(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with serving(settings_for(database_url, broker)) as port:
        old, new = dial(port), dial(port)
        assert old.mark(login()) == 1
        assert new.mark(login()) == 1
        assert old.is_closed()
        assert new.mark(readings(0)) == 1


def test_a_platform_forwards_the_vehicles_of_its_tenant(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with connect(database_url) as connection:
        password = add_platform(connection, "upstream", tenant="demo", now=datetime.now(UTC))
        with pytest.raises(IngestError, match="must be a new name"):
            add_platform(connection, "upstream", tenant="demo", now=datetime.now(UTC))
    with serving(settings_for(database_url, broker)) as port:
        wrong = dial(port)
        assert wrong.mark(frames.platform_login_frame("P1", START_US, user="upstream", password="no")) == 2
        link = dial(port)
        said = frames.platform_login_frame("P1", START_US, user="upstream", password=password)
        assert link.mark(said) == 1
        assert [link.mark(f) for f in (login(VIN), readings(0), readings(1, SECOND))] == [1, 1, 1]
        assert link.mark(frames.heartbeat_frame("P1")) == 1
        assert [link.mark(readings(2, vin)) for vin in (RETIRED, "LANX0000000000009")] == [2, 2]
        assert link.mark(frames.platform_logout_frame("P1", START_US)) == 1
        assert link.mark(readings(3)) == 2
        with connect(database_url) as connection:
            revoke_platform(connection, "upstream", tenant="demo", now=datetime.now(UTC))
            assert [p["name"] for p in list_platforms(connection, tenant="demo")] == ["upstream"]
        assert dial(port).mark(said) == 2

    assert [topic.split("/")[3] for topic, _ in heard.frames] == [VIN, VIN, SECOND]


def test_vehicles_may_come_over_tls(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, tmp_path: Path
) -> None:
    certificate = self_signed(tmp_path / "gateway.pem")
    with serving(settings_for(database_url, broker, gateway_tls_cert=str(certificate))) as port:
        context = ssl.create_default_context(cafile=str(certificate))
        plain = socket.create_connection(("127.0.0.1", port))
        with context.wrap_socket(plain, server_hostname="localhost") as link:
            link.settimeout(5)
            for frame in (login(), readings(0)):
                link.sendall(frame)
                assert link.recv(1024)[3] == 1
    with pytest.raises(SettingsError, match="ANXIN_GATEWAY_TLS_CERT"):
        run(settings_for(database_url, broker, gateway_tls_cert="/nowhere.pem"), **LISTENING)


def test_what_the_gateway_cannot_start_without_is_named(database_url: str, broker: Any) -> None:
    with pytest.raises(SettingsError, match="ANXIN_GATEWAY_PORT is not set"):
        run(settings_for(database_url, broker), stop=threading.Event())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"ANXIN_GATEWAY_PORT={port}: cannot listen"):
            run(settings_for(database_url, broker, gateway_port=port), stop=threading.Event())

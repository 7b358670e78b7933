"""Metrics and health over HTTP: alive and ready are two things."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from dataclasses import replace

import pytest

from data.errors import ExpositionError
from data.exposition import STUCK_AFTER_S, Exposition, Vitals
from data.settings import Settings
from tests.installed import free_port


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def served(vitals: Vitals, port: int) -> Exposition:
    return Exposition(replace(Settings(), metrics_port=port), "ingest", vitals)


def test_a_service_that_waits_for_its_database_is_alive_but_not_ready() -> None:
    vitals = Vitals(clock_s=Clock())
    with served(vitals, free_port()) as exposition:
        vitals.move()
        vitals.become(is_well=False)

        assert get(exposition.port, "/health/live") == (200, '{"status": "ok", "service": "ingest"}')
        assert get(exposition.port, "/health/ready") == (503, '{"status": "unready", "service": "ingest"}')
        vitals.become(is_well=True)
        assert get(exposition.port, "/health/ready")[0] == 200


def test_a_loop_that_stands_still_is_named() -> None:
    clock = Clock()
    vitals = Vitals(clock_s=clock)
    vitals.move("store")
    vitals.move("repair")
    clock.now_s += STUCK_AFTER_S + 1
    vitals.move("repair")

    with served(vitals, free_port()) as exposition:
        status, body = get(exposition.port, "/health/live")

    assert status == 503
    assert json.loads(body)["stuck_s"] == {"store": STUCK_AFTER_S + 1}
    vitals.rest("store")
    assert vitals.stuck_loops() == {}


def test_numbers_of_service_and_process_are_exposed() -> None:
    with served(Vitals(lambda: False), free_port()) as exposition:
        status, text = get(exposition.port, "/metrics?x=1")

        assert (status, get(exposition.port, "/")[0]) == (200, 404)
    assert 'anxin_service_ready{service="ingest"} 0.0' in text
    assert "process_resident_memory_bytes" in text


def test_port_0_serves_nothing() -> None:
    with served(Vitals(), 0) as exposition:
        assert exposition.port == 0


def test_a_taken_port_is_told_by_the_name_of_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ExpositionError, match=f"ANXIN_METRICS_PORT={port}: cannot listen"):
            served(Vitals(), port).__enter__()

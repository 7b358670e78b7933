"""Distances come from the routing engine where it answers, and never wait for one that does not."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from alerts.dispatch.roads import NO_WAY_KM, Roads
from alerts.dispatch.ways import distance_km

LATS, LONS = np.array([31.3, 31.2, 31.9]), np.array([121.5, 121.4, 121.9])
GUESS = distance_km(31.23, 121.47, LATS, LONS) * 1.3
Answer = Callable[[str], tuple[int, bytes]]


@contextmanager
def engine(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def table(*metres: float | None) -> Answer:
    body = json.dumps({"code": "Ok", "distances": [[0, *metres]]}).encode()
    return lambda _: (200, body)


def test_without_an_engine_the_road_is_the_great_circle_and_a_factor() -> None:
    assert Roads(1.3).measure(31.23, 121.47, LATS, LONS).tolist() == GUESS.tolist()
    assert Roads(1.3, "http://127.0.0.1:1").measure(31.23, 121.47, LATS[:0], LONS[:0]).size == 0


def test_the_engine_is_asked_once_for_all_stations_the_nearest_first() -> None:
    with engine(table(6100, 12500, None)) as (url, asked):
        km = Roads(1.3, url + "/").measure(31.23, 121.47, LATS, LONS)

    near = np.argsort(GUESS, kind="stable")
    assert km[near].tolist() == [6.1, 12.5, NO_WAY_KM]
    places = ";".join(f"{LONS[i]:.6f},{LATS[i]:.6f}" for i in near)
    assert asked == [f"/table/v1/driving/121.470000,31.230000;{places}?sources=0&annotations=distance"]


def test_stations_beyond_the_nearest_sixty_are_estimated() -> None:
    lats, lons = np.linspace(31.3, 33.0, 70), np.full(70, 121.47)
    with engine(table(*[1000.0] * 60)) as (url, _):
        km = Roads(1.3, url).measure(31.23, 121.47, lats, lons)

    assert km[:60].tolist() == [1.0] * 60
    assert km[60:].tolist() == (distance_km(31.23, 121.47, lats, lons) * 1.3)[60:].tolist()


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: (200, b"<html>"),
        lambda _: (400, b'{"code": "TooBig"}'),
        lambda _: (200, b'{"code": "Ok"}'),
        table(1.0),
        table(1.0, -2.0, 3.0),
        lambda _: (200, b'{"code": "Ok", "distances": [[0, "a", 1, 2]]}'),
        lambda _: (200, b"[]"),
    ],
    ids=["no JSON", "refused", "no distances", "too few", "negative", "no number", "no object"],
)
def test_nonsense_counts_as_no_answer_and_the_engine_is_left_alone_for_a_minute(answer: Answer) -> None:
    now = [100.0]
    with engine(answer) as (url, asked):
        roads = Roads(1.3, url, clock_s=lambda: now[0])
        for now[0] in (100.0, 130.0, 161.0):
            assert roads.measure(31.23, 121.47, LATS, LONS).tolist() == GUESS.tolist()

    assert len(asked) == 2


def test_an_engine_that_is_away_costs_one_attempt() -> None:
    roads = Roads(1.3, "http://127.0.0.1:1")

    assert roads.measure(31.23, 121.47, LATS, LONS).tolist() == GUESS.tolist()
    assert roads.clock_s() < roads._rests_until_s

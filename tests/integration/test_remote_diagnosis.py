"""A technician asks a vehicle for readings: one question at a time, sent once, answered by an event."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from alerts.errors import InvalidDetails, InvalidTransition, UnknownOrder
from alerts.work.actions import Action
from alerts.work.diagnosis import ANSWER_WITHIN, ask_vehicle
from api.diagnosis import build_request
from api.store_guidance import fetch_requests
from data.db import transaction
from ingest.asking import Asker
from tests.integration.alerts_seed import rows
from tests.integration.work_steps import book

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)


@pytest.fixture
def order(pool):
    """An order that its owner agreed to."""
    return book(pool, NOW)


def ask(pool, order, now=NOW, signals=("soc", "tire.pressure")):
    return ask_vehicle(pool, order_id=order.order_id, signals=signals, actor="station:li", now=now)


def asker(pool, sent, *, is_away=False):
    def publish(topic, payload):
        if not is_away:
            sent.append((topic, json.loads(payload)))
        return not is_away

    return Asker(pool, publish=publish, is_connected=lambda: True, stop=threading.Event(), clock=lambda: NOW)


def answer(pool, order, request_id, data, at):
    with transaction(pool) as connection:
        connection.execute(
            "INSERT INTO vehicle_events (vehicle_id, time, kind, source, code, data, is_hist, received)"
            " SELECT vehicle_id, %s, 'answer', 'event', %s, %s, false, %s FROM repair_orders"
            " WHERE order_id = %s",
            (at, str(request_id), Jsonb(data), at, order.order_id),
        )


def shown(pool, order, now):
    with transaction(pool) as connection:
        return [build_request(row, now=now) for row in fetch_requests(connection, order.order_id)]


def test_a_question_reaches_the_vehicle_and_its_answer_the_technician(pool, order):
    asked, sent = ask(pool, order), []

    asker(pool, sent).run_round(NOW)
    ((topic, body),) = sent
    told = {"code": str(asked.request_id), "s": {"soc": {"t": int(NOW.timestamp() * 1000), "v": 61}}}
    answer(pool, order, asked.request_id, told, NOW + timedelta(seconds=2))

    assert topic.endswith("/down/read")
    assert body == {
        "v": 1,
        "id": str(asked.request_id),
        "s": ["soc", "tire.pressure"],
        "until": int(asked.expires_at.timestamp() * 1000),
    }
    (request,) = shown(pool, order, NOW + timedelta(seconds=3))
    assert (request.state, request.asked_by, request.values[0].value) == ("answered", "li", 61.0)
    assert request.missing == ["tire.pressure"]
    ((who, what),) = rows(pool, "SELECT actor, data FROM audit_events WHERE action = 'order.ask_vehicle'")
    assert (who, what["signals"]) == ("station:li", ["soc", "tire.pressure"])


def test_an_answer_to_another_question_is_none_to_this_one(pool, order):
    ask(pool, order)

    answer(pool, order, uuid4(), {"s": {"soc": {"t": 1, "v": 61}}}, NOW)

    assert shown(pool, order, NOW)[0].state == "waiting"
    assert shown(pool, order, NOW + ANSWER_WITHIN)[0].state == "silent"


def test_a_vehicle_is_asked_again_once_it_has_answered_or_its_time_is_over(pool, order):
    first = ask(pool, order)
    with pytest.raises(InvalidTransition, match="has not answered the last request"):
        ask(pool, order, NOW + timedelta(seconds=5))

    answer(pool, order, first.request_id, {}, NOW + timedelta(seconds=6))
    second = ask(pool, order, NOW + timedelta(seconds=7))
    ask(pool, order, second.expires_at)

    assert len(shown(pool, order, NOW)) == 3


def test_two_technicians_at_once_ask_once(pool, order):
    def attempt(_):
        try:
            return ask(pool, order)
        except InvalidTransition:
            return None

    with ThreadPoolExecutor(4) as many:
        asked = [found for found in many.map(attempt, range(4)) if found]

    assert len(asked) == 1


def test_two_processes_send_a_question_once_and_an_expired_one_never(pool, order):
    ask(pool, order)
    sent = []

    with ThreadPoolExecutor(2) as many:
        list(many.map(lambda _: asker(pool, sent).run_round(NOW), range(2)))
    assert len(sent) == 1

    ask(pool, order, NOW + ANSWER_WITHIN)
    assert asker(pool, sent).run_round(NOW + 2 * ANSWER_WITHIN) == 0


def test_a_question_waits_for_the_broker(pool, order):
    ask(pool, order)
    sent = []

    assert asker(pool, sent, is_away=True).run_round(NOW) == 0
    assert asker(pool, sent).run_round(NOW) == 1


@pytest.mark.parametrize(
    ("signals", "rule"),
    [
        ([], "must be 1 to 20"),
        (["soc"] * 2 + ["warp"], "'warp': not in the catalogue"),
        (["latitude"], "where the vehicle is"),
    ],
)
def test_what_cannot_be_asked_for_is_named(pool, order, signals, rule):
    with pytest.raises(InvalidDetails, match=rule):
        ask(pool, order, signals=signals)


def test_only_the_vehicle_of_an_agreed_order_can_be_asked(pool, order):
    order.do(Action.CANCEL)

    with pytest.raises(InvalidTransition, match="is cancelled"):
        ask(pool, order)
    with pytest.raises(UnknownOrder):
        ask_vehicle(pool, order_id=999, signals=["soc"], actor="station:li", now=NOW)

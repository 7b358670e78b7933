"""The API as a service: it starts, streams, stops, and the alerts side's own commands answer."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime

import pytest

from api.errors import CannotListen
from api.service import run
from data.settings import Settings
from tests.api_world import fill


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.fixture
def served(pool, database_url, tmp_path):
    """A running service with the keys of its callers; stops at the end."""
    keys = fill(pool, now=datetime.now(UTC))
    settings = Settings(database_url=database_url, http_port=free_port(), home=str(tmp_path))
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(settings,), kwargs={"stop": stop})
    thread.start()
    yield settings.base_url, keys
    stop.set()
    began = time.monotonic()
    thread.join(10)
    assert not thread.is_alive()
    assert time.monotonic() - began < 5


def ask(url, key=None, *, body=None, timeout=10):
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, headers=headers, data=data)  # noqa: S310 - loopback
    for _ in range(200):
        try:
            return urllib.request.urlopen(request, timeout=timeout)  # noqa: S310 - loopback
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


def read_event(stream, kind):
    while line := stream.readline().decode():
        if line.strip() == f"event: {kind}":
            return json.loads(stream.readline().decode().removeprefix("data: "))
    raise AssertionError("the stream ended")


def wait_until_followed(pool):
    """The follower asks for the newest batch once it listens."""
    asked = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'anxin-live' AND state = 'idle' AND query LIKE '%%ingest_batches%%'"
    )
    for _ in range(400):
        with pool.connection() as connection:
            if connection.execute(asked, ()).fetchone() == (1,):
                return
        time.sleep(0.05)
    raise AssertionError("nobody follows the database")


def test_the_stream_tells_each_caller_what_changed_for_them_and_ends_at_stop(served, pool):
    url, keys = served
    with ask(f"{url}/health/ready") as answer:
        assert answer.status == 200
    owner, engineer = (ask(f"{url}/events", keys[who]) for who in ("owner", "engineer"))
    for stream in (owner, engineer):
        read_event(stream, "hello")
    wait_until_followed(pool)

    with pool.connection() as connection:
        for order_id in (2, 1):
            notice = json.dumps({"kind": "order", "id": order_id})
            connection.execute("SELECT pg_notify('anxin_live', %s)", (notice,))
    assert read_event(owner, "order") == {"ids": ["1"], "count": 1}
    told = read_event(engineer, "order")["ids"]
    if len(told) == 1:
        told += read_event(engineer, "order")["ids"]
    assert sorted(told) == ["1", "2"]

    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO ingest_batches (slot, message_count, duplicate_count, reject_count, row_count,"
            " families, vehicle_ids, vehicle_families, time_from, time_to, has_live)"
            " VALUES ('0', 1, 0, 0, 1, '{drive}', '{1,2}', '{drive,drive}', '{now,now}', '{now,now}',"
            " '{t,t}')"
        )
        connection.execute("SELECT pg_notify('anxin_batches', '1')")
    assert read_event(owner, "telemetry") == {"ids": ["LANXTEST000000001"], "count": 1}
    assert read_event(engineer, "telemetry")["count"] == 2
    for stream in (owner, engineer):
        stream.close()


def test_an_answer_goes_through_to_the_order(served, pool):
    url, keys = served

    with ask(f"{url}/api/v1/orders/1/answer", keys["owner"], body={"answer": "yes", "version": 1}) as answer:
        order = json.load(answer)
    assert order["state"] == "booked"
    assert order["owner_answer"] == "yes"

    with pytest.raises(urllib.error.HTTPError) as stale:
        ask(f"{url}/api/v1/orders/1/answer", keys["owner"], body={"answer": "no", "version": 1})
    assert stale.value.code == 409
    stale.value.close()


def test_an_address_in_use_is_named(database_url):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"http_port {port}"):
            run(Settings(database_url=database_url, http_port=port), stop=threading.Event())


def test_a_stop_while_the_database_is_away_ends_the_service(tmp_path):
    settings = Settings(
        database_url=f"postgresql://nobody@127.0.0.1:{free_port()}/none",
        http_port=free_port(),
        home=str(tmp_path),
    )
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(settings,), kwargs={"stop": stop})
    thread.start()
    time.sleep(0.5)
    stop.set()
    thread.join(10)

    assert not thread.is_alive()

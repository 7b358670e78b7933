"""The embedded servers survive what happens to demo machines: kills, restarts, left-overs, long paths."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
import psutil
import psycopg
import pytest

from data.broker import EmbeddedBroker
from data.embedded import EmbeddedDatabase
from data.errors import EmbeddedError

TOPIC = "anxin/v1/demo/LSVAA000000000001/up/tele"
UP = "anxin/v1/+/+/up/#"


def test_rows_outlive_a_restart_and_a_kill(server_home: Path) -> None:
    database = EmbeddedDatabase(server_home / "restart")
    with database:
        _execute(database.url, "CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
    with database:
        _execute(database.url, "INSERT INTO t VALUES (2)")
        assert database.pid is not None
        os.kill(database.pid, signal.SIGKILL)
        _wait(lambda: database.pid is None)

        assert database.ensure_running()
        assert not database.ensure_running()
        with psycopg.connect(database.url) as connection:
            assert connection.execute("SELECT array_agg(n ORDER BY n) FROM t").fetchone() == ([1, 2],)


def test_a_stale_pid_file_that_names_a_living_process_does_not_hinder_the_start(server_home: Path) -> None:
    database = EmbeddedDatabase(server_home / "stale")
    with database:
        pass
    file = server_home / "stale" / "postgres" / "cluster" / "postmaster.pid"
    file.write_text(f"{os.getpid()}\n{file.parent}\n1\n5432\n\n\n\n\n")

    with database:
        assert _execute(database.url, "SELECT 1") is None


def test_a_path_too_long_for_a_socket_still_works(server_home: Path) -> None:
    with EmbeddedDatabase(server_home / ("d" * 100), is_durable=False) as database:
        sockets = Path(unquote(urlsplit(database.url).query.removeprefix("host=")))
        assert _execute(database.url, "SELECT 1") is None
        assert sockets.is_dir()

    assert not sockets.exists()


def test_a_second_owner_is_refused_by_name(server_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedBroker(server_home / "owned", kind="amqtt"):
        second = EmbeddedBroker(server_home / "owned", kind="amqtt")
        monkeypatch.setattr("data.broker.OWNER_WAIT_S", 0.2)

        with pytest.raises(EmbeddedError, match="in use by another Anxin"):
            second.start()


def test_servers_end_when_their_owner_is_killed(server_home: Path) -> None:
    home = server_home / "orphan"
    code = (
        "import sys, time; from pathlib import Path; from data.embedded import *;"
        f"h = Path({str(home)!r}); d = EmbeddedDatabase(h); d.start(); b = EmbeddedBroker(h); b.start();"
        "print(d.pid, b.pid, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pids = [int(text) for text in owner.stdout.readline().split()]
    assert len(pids) == 2
    assert all(map(psutil.pid_exists, pids))
    owner.kill()
    owner.wait()
    owner.stdout.close()

    _wait(lambda: not any(map(psutil.pid_exists, pids)))
    with EmbeddedDatabase(home) as database:
        assert _execute(database.url, "SELECT 1") is None


def test_a_broker_keeps_port_and_passwords_over_restart_and_kill(any_broker: EmbeddedBroker) -> None:
    before = any_broker.url("ingest")
    any_broker.stop()
    any_broker.start()
    assert any_broker.url("ingest") == before

    assert any_broker.pid is not None
    os.kill(any_broker.pid, signal.SIGKILL)
    _wait(lambda: any_broker.pid is None)
    assert any_broker.ensure_running()
    assert any_broker.url("ingest") == before


def test_secrets_of_the_broker_are_readable_by_its_owner_only(
    any_broker: EmbeddedBroker, server_home: Path
) -> None:
    files = [f for f in server_home.glob("broker-*/broker/*") if "passw" in f.name or f.suffix == ".json"]

    assert files
    assert {0o600} == {f.stat().st_mode & 0o777 for f in files}


def test_a_wrong_password_and_no_password_are_refused(any_broker: EmbeddedBroker) -> None:
    parts = urlsplit(any_broker.url("ingest"))

    assert not _is_let_in(any_broker.port, parts.username, "wrong")
    assert not _is_let_in(any_broker.port, None, None)
    assert _is_let_in(any_broker.port, parts.username, parts.password)


@pytest.mark.parametrize(
    ("role", "topic", "is_heard"),
    [
        ("simulator", "anxin/v1/demo/LSVAA000000000001/up/tele", True),
        ("ingest", "anxin/v1/demo/LSVAA000000000001/up/tele", False),
        ("notify", "anxin/v1/demo/LSVAA000000000001/up/tele", False),
        ("notify", "anxin/v1/demo/LSVAA000000000001/down/warning", True),
        ("ingest", "anxin/v1/demo/LSVAA000000000001/down/warning", False),
        ("ingest", "anxin/v1/demo/LSVAA000000000001/down/resend", True),
        ("ingest", "anxin/v1/demo/LSVAA000000000001/down/read", True),
        ("simulator", "anxin/v1/demo/LSVAA000000000001/down/resend", False),
    ],
)
def test_each_role_writes_only_what_it_may(
    any_broker: EmbeddedBroker, role: str, topic: str, is_heard: bool
) -> None:
    reader = _Client(any_broker, "simulator" if "/down/" in topic else "ingest", "reader")
    reader.subscribe("anxin/v1/+/+/down/#" if "/down/" in topic else UP)
    writer = _Client(any_broker, role, "writer")
    writer.client.publish(topic, b"1", qos=1)

    if is_heard:
        _wait(lambda: reader.heard == [b"1"])
    else:
        time.sleep(0.3)
        assert reader.heard == []
    reader.close()
    writer.close()


def test_what_arrives_while_a_subscriber_is_away_waits_for_it(any_broker: EmbeddedBroker) -> None:
    reader = _Client(any_broker, "ingest", "slot-0")
    reader.subscribe(UP)
    reader.close()
    writer = _Client(any_broker, "simulator", "vehicle")
    sent = [b"%d" % n for n in range(3000)]
    for token in [writer.client.publish(TOPIC, payload, qos=1) for payload in sent]:
        token.wait_for_publish(30)
    if any_broker.kind == "mosquitto":
        any_broker.stop()
        any_broker.start()
    again = _Client(any_broker, "ingest", "slot-0")

    _wait(lambda: len(set(again.heard)) >= len(sent))
    # amqtt promises neither order nor a single delivery to a session that comes back.
    assert set(again.heard) == set(sent)
    if any_broker.kind == "mosquitto":
        assert again.heard == sent
    again.close()
    writer.close()


class _Client:
    """A client with a session that the broker keeps."""

    def __init__(self, broker: EmbeddedBroker, role: str, name: str) -> None:
        parts, connected = urlsplit(broker.url(role)), threading.Event()
        self.heard: list[bytes] = []
        self._subscribed = threading.Event()
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=name, clean_session=False, protocol=mqtt.MQTTv311
        )
        self.client.username_pw_set(parts.username or "", parts.password)
        self.client.on_message = lambda _c, _u, message: self.heard.append(message.payload)
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_connect = lambda *_: connected.set()
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        assert connected.wait(10)

    def subscribe(self, topic: str) -> None:
        self.client.subscribe(topic, qos=1)
        assert self._subscribed.wait(10)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def _is_let_in(port: int, user: str | None, password: str | None) -> bool:
    answered, codes = threading.Event(), []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    if user:
        client.username_pw_set(user, password)
    client.on_connect = lambda _c, _u, _f, code, _p: (codes.append(code.is_failure), answered.set())
    client.connect("127.0.0.1", port)
    client.loop_start()
    answered.wait(5)
    client.disconnect()
    client.loop_stop()
    return codes[:1] == [False]


def _execute(url: str, *statements: str) -> None:
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[arg-type]


def _wait(is_done: object, timeout_s: float = 20.0) -> None:
    assert callable(is_done)
    deadline = time.monotonic() + timeout_s
    while not is_done():
        assert time.monotonic() < deadline, "not within the time allowed"
        time.sleep(0.02)

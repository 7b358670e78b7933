"""What is under way between broker and commit, and how long to wait for the broker."""

from __future__ import annotations

from ingest.broker_address import parse_address
from ingest.broker_pauses import Pauses
from ingest.messages import Delivery
from ingest.window import Window


def delivery(size: int) -> Delivery:
    return Delivery("t", b"x" * size, 0)


def test_the_window_is_full_by_messages_or_by_bytes_until_they_are_released() -> None:
    window = Window(messages=3, payload_bytes=100)
    small, large = [delivery(1)] * 3, [delivery(120)]

    window.put(small)
    by_messages = window.is_full
    first, second = window.take(0.0, limit=2), window.take(0.0, limit=2)
    still = window.is_full
    was_full = window.release(first + second)
    window.put(large)

    assert (by_messages, still, was_full, window.is_full) == (True, True, True, True)
    assert (len(first), len(second), window.messages, window.payload_bytes) == (2, 1, 1, 120)
    assert window.release(window.take(0.0, limit=9)) is True
    assert (window.is_full, window.messages, window.payload_bytes) == (False, 0, 0)
    assert window.release([]) is False


def test_pauses_grow_and_are_longest_where_another_process_takes_the_session() -> None:
    pauses = Pauses()

    losses = [pauses.after_loss(is_refused=False) for _ in range(9)]
    pauses.begin_anew()

    assert losses[:3] == [0.2, 0.4, 0.8]
    assert losses[-1] == 15.0
    assert pauses.after_loss(is_refused=False) == 0.2
    assert [pauses.after_takeover(is_guess=True) for _ in range(3)] == [2.0, 4.0, 8.0]
    assert [pauses.after_takeover(is_guess=False) for _ in range(6)] == [
        16.0,
        32.0,
        64.0,
        128.0,
        256.0,
        300.0,
    ]
    assert [pauses.count_cut(s) for s in (1.0, 1.0, 20.0, 1.0, 1.0, 1.0)] == [False] * 5 + [True]
    assert pauses.count_cut(None) is False


def test_an_address_names_host_port_and_account() -> None:
    plain, safe = parse_address("mqtt://u%40x:p%2F@broker:99"), parse_address("mqtts://broker")

    assert (plain.host, plain.port, plain.is_tls, plain.user, plain.password) == (
        "broker",
        99,
        False,
        "u@x",
        "p/",
    )
    assert (safe.port, safe.is_tls, safe.user, safe.password) == (8883, True, None, None)

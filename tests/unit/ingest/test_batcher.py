from __future__ import annotations

from ingest.batcher import Batcher


def make_batcher() -> Batcher[str]:
    return Batcher(rows=100, messages=3, payload_bytes=1000, after_s=0.5)


def test_a_batch_goes_when_it_has_rows_messages_bytes_or_age_enough() -> None:
    by_rows, by_messages, by_bytes, by_age = (make_batcher() for _ in range(4))
    by_rows.add("a", rows=100, payload_bytes=1, now_s=0)
    for name in "abc":
        by_messages.add(name, rows=1, payload_bytes=1, now_s=0)
    by_bytes.add("a", rows=1, payload_bytes=1000, now_s=0)
    by_age.add("a", rows=1, payload_bytes=1, now_s=0)

    assert by_rows.is_due(0)
    assert by_messages.is_due(0)
    assert by_bytes.is_due(0)
    assert [b.is_full() for b in (by_rows, by_messages, by_bytes, by_age)] == [True, True, True, False]
    assert (by_age.is_due(0.4), by_age.is_due(0.5)) == (False, True)


def test_taking_a_batch_keeps_arrival_order_and_begins_the_next() -> None:
    batcher = make_batcher()
    for name in "abc":
        batcher.add(name, rows=50, payload_bytes=1, now_s=1)

    assert list(batcher.take()) == ["a", "b", "c"]
    assert (len(batcher), batcher.is_due(100)) == (0, False)


def test_the_wait_for_the_next_message_ends_with_the_age_of_the_first() -> None:
    batcher = make_batcher()
    assert batcher.wait_s(10) == 0.5
    batcher.add("a", rows=1, payload_bytes=1, now_s=10)

    assert (batcher.wait_s(10.25), batcher.wait_s(12)) == (0.25, 0.0)

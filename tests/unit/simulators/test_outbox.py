from __future__ import annotations

from data.records import parse_vin
from simulators.outbox import Outbox
from simulators.sent_store import SentMessage


def test_repeats_under_way_take_no_place_from_new_messages() -> None:
    vin = parse_vin("LAXSM0A00VA000000")
    box = Outbox("demo", vin, "b1", "simulated")
    for mid in range(7):
        box.in_flight[mid] = (SentMessage(vin, "b0", mid, 0, "topic", b""), mid >= 2)

    assert (box.count_under_way(is_repeat=False), box.count_under_way(is_repeat=True)) == (2, 5)

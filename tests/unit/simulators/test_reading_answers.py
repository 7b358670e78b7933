"""A vehicle that is asked for readings tells what its sensors said last, once."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from data.records import Family, FamilyRows, parse_vin
from simulators.inbox import read_down
from simulators.newest import Newest, newest_of
from simulators.outbox import Outbox

VIN = parse_vin("LANXTEST000000001")
TOPIC = f"anxin/v1/demo/{VIN}/down/read"
NOW_MS = 1_768_000_000_000


def make_outbox() -> Outbox:
    outbox = Outbox("demo", VIN, "b1", "simulated")
    outbox.newest = {"soc": Newest(NOW_MS - 4000, 55.0)}
    return outbox


def ask(outbox: Outbox, **given: Any) -> None:
    request = {"v": 1, "id": "r1", "s": ["soc", "speed"], "until": NOW_MS + 1000, **given}
    read_down(outbox, TOPIC, json.dumps(request).encode(), now_ms=NOW_MS)


def test_the_answer_names_the_request_and_the_age_of_each_value() -> None:
    outbox = make_outbox()

    ask(outbox)

    (message,) = outbox.waiting
    body = json.loads(message.payload)
    assert message.topic.endswith("/up/event")
    assert (body["kind"], body["level"]) == ("answer", 0)
    assert body["data"] == {"code": "r1", "s": {"soc": {"t": NOW_MS - 4000, "v": 55.0}}}


def test_a_request_is_answered_once_however_often_it_comes() -> None:
    outbox = make_outbox()

    ask(outbox)
    ask(outbox)
    ask(outbox, id="r2")

    assert len(outbox.waiting) == 2


def test_a_request_that_waited_too_long_at_the_broker_is_not_answered() -> None:
    outbox = make_outbox()

    ask(outbox, until=NOW_MS - 1)

    assert not outbox.waiting


def test_the_newest_value_of_each_signal_is_kept() -> None:
    nan = np.nan
    drive = FamilyRows(
        family=Family.DRIVE,
        vehicle_id=np.zeros(3, np.int32),
        time_us=np.array([3_000_000, 1_000_000, 2_000_000]),
        sent_us=np.zeros(3, np.int64),
        received_us=np.zeros(3, np.int64),
        is_hist=np.zeros(3, np.bool_),
        columns={
            "speed": np.array([nan, 10.0, 20.0]),
            "soc": np.full(3, nan),
            "tire.pressure": np.array([[250.0, nan], [1.0, 1.0], [2.0, 2.0]]),
        },
    )

    none = FamilyRows(
        family=Family.CELL,
        vehicle_id=np.zeros(0, np.int32),
        time_us=np.zeros(0, np.int64),
        sent_us=np.zeros(0, np.int64),
        received_us=np.zeros(0, np.int64),
        is_hist=np.zeros(0, np.bool_),
        columns={"cell.voltage": np.zeros((0, 96))},
    )

    assert newest_of([drive, none]) == {
        "speed": Newest(2000, 20.0),
        "tire.pressure": Newest(3000, [250.0, None]),
    }

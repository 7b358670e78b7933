"""Frames of several messages of a vehicle in one batch: the last value of a grid cell counts."""

from __future__ import annotations

import struct

import numpy as np

from data.catalogue import load_catalogue
from data.records import Family
from ingest.assemble import assemble
from ingest.assembled import Assembled
from ingest.can.rows import CanDecoders
from ingest.messages import CanFrames, Envelope, Message, Model, Vehicle

DBC = """VERSION ""

NS_ :

BS_:

BU_: X

BO_ 256 Front: 8 X
 SG_ Speed : 0|16@1+ (0.1,0) [0|0] "km/h" X
 SG_ Counter : 16|8@1+ (1,0) [0|0] "" X

BO_ 257 Rear: 8 X
 SG_ Speed : 0|16@1+ (0.1,0) [0|0] "km/h" X
"""
MODEL = Model(
    model_id="m",
    cell_count=8,
    probe_count=2,
    wheel_count=4,
    grid_s=1.0,
    dbc=DBC,
    signal_map={"Front.Speed": {"alias": "speed"}, "Rear.Speed": {"alias": "speed"}},
)
START_US = 1_700_000_000_000_000


def message(vehicle_id: int, *frames: tuple[float, int, float], width: int = 8) -> Message:
    """Return a message of frames of (seconds, identifier, km/h); the third byte counts whole km/h."""
    time_us = [START_US + round(at * 1e6) for at, _, _ in frames]
    payloads = [struct.pack("<HB5x", round(kmh * 10), round(kmh)) for _, _, kmh in frames]
    can = CanFrames(
        np.array(time_us, dtype=np.int64),
        np.array([identifier for _, identifier, _ in frames], dtype=np.uint32),
        np.full(len(frames), 8, dtype=np.uint8),
        np.frombuffer(b"".join(p.ljust(width, b"\0") for p in payloads), dtype=np.uint8).reshape(-1, width),
    )
    return Message(
        vehicle=Vehicle(vehicle_id, MODEL),
        received_us=max(time_us),
        envelope=Envelope(boot="b", seq=0, sent_us=max(time_us), is_hist=False),
        can=can,
    )


def run(*messages: Message) -> Assembled:
    return assemble(messages, catalogue=load_catalogue(), future_s=60.0, can_decode=CanDecoders())


def speeds(assembled: Assembled) -> list[tuple[int, int, float]]:
    rows = assembled.families[Family.DRIVE].rows
    seconds = ((rows.time_us - START_US) // 1_000_000).tolist()
    return list(zip(rows.vehicle_id.tolist(), seconds, rows.columns["speed"].round(1).tolist(), strict=True))


def test_last_frame_of_a_grid_cell_counts_when_the_cell_is_cut_by_two_messages() -> None:
    assembled = run(
        message(7, (0.1, 256, 10.0), (0.4, 256, 20.0)), message(7, (0.6, 256, 30.0), (0.9, 256, 40.0))
    )

    assert speeds(assembled) == [(7, 0, 40.0)]
    assert assembled.conflict_count == 0


def test_messages_that_arrive_out_of_order_do_not_bring_an_older_value_back() -> None:
    assembled = run(message(7, (0.6, 256, 30.0)), message(7, (0.1, 256, 10.0), (1.2, 256, 50.0)))

    assert speeds(assembled) == [(7, 0, 30.0), (7, 1, 50.0)]


def test_two_bus_messages_that_feed_one_column_are_taken_by_time() -> None:
    assembled = run(message(7, (0.1, 257, 10.0), (0.2, 256, 20.0), (0.5, 257, 25.0), (0.9, 256, 30.0)))
    other = run(message(7, (0.1, 256, 10.0), (0.9, 257, 20.0)))

    assert speeds(assembled) == [(7, 0, 30.0)]
    assert speeds(other) == [(7, 0, 20.0)]


def test_classic_and_can_fd_messages_that_feed_one_column_are_taken_by_time() -> None:
    early, late = (0.1, 256, 10.0), (0.9, 257, 20.0)

    for widths in ((8, 64), (64, 8)):
        assembled = run(message(7, early, width=widths[0]), message(7, late, width=widths[1]))
        swapped = run(message(7, late, width=widths[1]), message(7, early, width=widths[0]))

        assert speeds(assembled) == speeds(swapped) == [(7, 0, 20.0)]
        assert assembled.conflict_count == swapped.conflict_count == 0


def test_vehicles_of_one_batch_keep_their_own_cells() -> None:
    assembled = run(message(7, (0.1, 256, 10.0)), message(8, (0.1, 256, 20.0)), message(7, (0.2, 256, 30.0)))

    assert speeds(assembled) == [(7, 0, 30.0), (8, 0, 20.0)]


def test_unmapped_signals_follow_the_same_rule() -> None:
    assembled = run(message(7, (0.1, 256, 10.0)), message(7, (0.2, 256, 30.0)))

    batch = assembled.families[Family.SIGNAL]
    assert batch.names is not None
    assert (batch.names.tolist(), batch.rows.columns["value"].tolist()) == (["Front.Counter"], [30.0])


def test_rows_belong_to_the_message_of_their_last_frame() -> None:
    early, late = message(7, (0.1, 256, 10.0)), message(7, (0.2, 256, 30.0))

    assembled = run(early, late)

    assert assembled.families[Family.DRIVE].rows.received_us.tolist() == [late.received_us]

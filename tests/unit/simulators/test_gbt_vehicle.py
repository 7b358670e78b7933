"""A terminal keeps what is not confirmed, and sends it again."""

from __future__ import annotations

from ingest.gbt32960 import decode_frame
from ingest.gbt32960.stream import answer_frame
from simulators.encode_gbt_frames import data_frame
from simulators.gbt_vehicle import Answer, AnswerReader, GbtCounters, GbtVehicle, late

VIN = "LANX0000000000001"
NOW_US = 1_768_437_000_000_000


def make_vehicle(count: int, *, window: int = 2) -> tuple[GbtVehicle, list[bytes], GbtCounters]:
    vehicle, counters = GbtVehicle(vin=VIN, iccid="8986", window=window), GbtCounters()
    frames = [data_frame(VIN, NOW_US + i * 1_000_000, []) for i in range(count)]
    for frame in frames:
        vehicle.add(frame)
    vehicle.connected()
    return vehicle, frames, counters


def taken(frame: bytes) -> Answer:
    (answer,) = AnswerReader().feed(answer_frame(frame, 1))
    return answer


def test_readings_wait_for_the_login_to_be_confirmed() -> None:
    vehicle, frames, counters = make_vehicle(1)

    (login,) = vehicle.next_frames(0.0, NOW_US, counters)
    assert decode_frame(login).events[0].kind == "login"
    assert not vehicle.next_frames(1.0, NOW_US, counters)
    vehicle.answered(taken(login), counters)

    assert vehicle.next_frames(1.0, NOW_US, counters) == frames


def test_no_more_than_the_window_is_under_way_and_an_answer_makes_room() -> None:
    vehicle, frames, counters = make_vehicle(4)
    vehicle.is_logged_in = True

    assert vehicle.next_frames(0.0, NOW_US, counters) == frames[:2]
    assert not vehicle.next_frames(0.0, NOW_US, counters)
    vehicle.answered(taken(frames[0]), counters)

    assert vehicle.next_frames(0.0, NOW_US, counters) == [frames[2]]
    assert counters.confirmed == 1


def test_a_frame_answered_with_an_error_is_sent_again() -> None:
    vehicle, frames, counters = make_vehicle(1)
    vehicle.is_logged_in = True
    vehicle.next_frames(0.0, NOW_US, counters)
    (refusal,) = AnswerReader().feed(answer_frame(frames[0], 2))
    vehicle.answered(refusal, counters)

    assert not vehicle.next_frames(9.0, NOW_US, counters)
    assert vehicle.next_frames(10.1, NOW_US, counters) == frames
    assert not vehicle.is_idle


def test_what_was_under_way_when_the_link_broke_goes_out_of_the_store_first() -> None:
    vehicle, frames, counters = make_vehicle(3)
    vehicle.is_logged_in = True
    vehicle.next_frames(0.0, NOW_US, counters)
    vehicle.connected()
    vehicle.is_logged_in = True

    again = vehicle.next_frames(1.0, NOW_US, counters)

    assert again == [late(frame) for frame in frames[:2]]
    assert all(decode_frame(frame).is_resupply for frame in again)


def test_answers_are_read_in_any_pieces_with_garbage_between() -> None:
    _, frames, _ = make_vehicle(2)
    stream = b"#x" + answer_frame(frames[0], 1) + b"noise" + answer_frame(frames[1], 2)
    reader = AnswerReader()

    found = [answer for i in range(len(stream)) for answer in reader.feed(stream[i : i + 1])]

    assert [(a.command, a.mark, a.time) for a in found] == [
        (2, 1, frames[0][24:30]),
        (2, 2, frames[1][24:30]),
    ]

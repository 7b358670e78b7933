"""What GB/T 32960 frames say beside readings: logins, maker's blocks, signatures, answers, headers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.gbt32960 import decode_frame
from ingest.gbt32960.stream import answer_frame, checksum, encode_time, parse_header

ICCID = b"89860000000000000001"


def test_login_of_2025_lists_the_packs_of_each_battery_system(gbt: Any) -> None:
    codes = [b"PACK-A1", b"PACK-A2", b"PACK-B1"]
    data = gbt.TIME + b"\x00\x07" + ICCID + b"\x02\x02\x01" + b"".join(code.ljust(24) for code in codes)

    frame = decode_frame(gbt.build(data, command=1, start=b"$$"))

    assert not frame.rejects
    assert frame.events[0].data["pack_codes"] == [["PACK-A1", "PACK-A2"], ["PACK-B1"]]


def test_login_cut_short_keeps_what_came_before_and_says_so(gbt: Any) -> None:
    frame = decode_frame(gbt.build(gbt.TIME + b"\x00\x07" + ICCID + b"\x01\x08PK", command=1))

    assert frame.events[0].data == {"serial": 7, "iccid": ICCID.decode()}
    assert frame.rejects == [("bad_command", "command 01: data unit of 32 bytes ends inside a field")]


def test_platform_login_keeps_the_user_and_never_the_password(gbt: Any) -> None:
    data = (
        gbt.TIME + b"\x00\x01" + b"upstream".ljust(12, b"\0") + b"top secret word".ljust(20, b"\0") + b"\x01"
    )

    frame = decode_frame(gbt.build(data, command=5))

    assert (frame.events[0].kind, frame.events[0].data["user"]) == ("platform_login", "upstream")
    assert "secret" not in repr(frame)


@pytest.mark.parametrize(("command", "kind"), [(4, "logout"), (6, "platform_logout")])
def test_logouts_carry_the_serial_number_of_their_login(gbt: Any, command: int, kind: str) -> None:
    (event,) = decode_frame(gbt.build(gbt.TIME + b"\x01\x02", command=command)).events

    assert (event.kind, event.data) == (kind, {"serial": 258})


def test_activation_of_2025_is_kept_with_its_signature(gbt: Any) -> None:
    data = gbt.TIME + b"CHIP01".ljust(16) + b"\x00\x03\x01\x02\x03" + gbt.VIN.encode()
    data += b"\x01\x00\x01\xaa\x00\x02\xbb\xcc"

    (event,) = decode_frame(gbt.build(data, command=9, start=b"$$")).events

    assert event.data["public_key"] == "010203"
    assert event.data["signature"] == {"algorithm": "SM2", "r": "aa", "s": "bbcc"}


@pytest.mark.parametrize("command", [7, 8])
def test_heartbeat_and_time_sync_say_nothing(gbt: Any, command: int) -> None:
    frame = decode_frame(gbt.build(b"", command=command))

    assert (frame.time_us, list(frame.events), list(frame.rejects)) == (None, [], [])


def test_unknown_command_with_content_is_a_reject(gbt: Any) -> None:
    frame = decode_frame(gbt.build(b"\x01\x02", command=0xC4))

    assert frame.rejects == [("unknown_command", "command c4: 2 bytes not read")]


def test_answers_of_the_server_side_make_no_events(gbt: Any) -> None:
    assert not decode_frame(gbt.build(gbt.TIME, command=1, response=1)).events


def test_makers_blocks_of_one_frame_become_one_event_that_tells_frames_of_one_second_apart(gbt: Any) -> None:
    first, again, other = (
        decode_frame(gbt.build(gbt.TIME + b"\x80\x00\x02\x01\x02\x81\x00\x01" + last)).events
        for last in (b"\x07", b"\x07", b"\x08")
    )

    assert [e.kind for e in first] == ["oem_block"]
    assert first[0].data["blocks"] == [
        {"type": "80", "bytes": 2, "hex": "0102"},
        {"type": "81", "bytes": 1, "hex": "07"},
    ]
    assert first[0].code == again[0].code != other[0].code


def test_makers_bytes_kept_of_one_frame_are_bounded_and_the_true_length_is_told(gbt: Any) -> None:
    blocks = b"\x80\x75\x30" + bytes(30_000) + b"\x81\x00\x01\x05"

    (event,) = decode_frame(gbt.build(gbt.TIME + blocks)).events

    assert [(b["type"], b["bytes"], len(b["hex"])) for b in event.data["blocks"]] == [
        ("80", 30_000, 2 * 16_384),
        ("81", 1, 0),
    ]


@pytest.mark.parametrize(
    ("start", "block", "level", "codes"),
    [
        (b"##", "07 04 00000000 00000000", 3, None),  # a level that the standard does not know
        (b"##", "07 FE 00000400 00000000", 0, None),
        (
            b"##",
            "07 02 00000400 02 00010003 0001",
            2,
            {"battery": ["00010003"]},
        ),  # cut off in the second code
        (b"$$", "06 01 00800000 00000000 01 17 03", 3, None),  # the thermal event by itself is worse
        (b"$$", "06 01 00800000 00000000 01 17 FF", 1, None),
    ],
)
def test_no_alarm_is_made_light_of(gbt: Any, start: bytes, block: str, level: int, codes: Any) -> None:
    (event,) = decode_frame(gbt.build(gbt.TIME + bytes.fromhex(block), start=start)).events

    assert (event.kind, event.level, event.data.get("codes")) == ("alarm", level, codes)


def test_signature_of_2025_is_read_and_makes_no_event(gbt: Any) -> None:
    frame = decode_frame(gbt.build(gbt.TIME + b"\xff\x02\x00\x02\x0a\x0b\x00\x01\x0c", start=b"$$"))

    assert not frame.rejects
    assert frame.signature is not None
    assert frame.signature.as_data() == {"algorithm": "RSA", "r": "0a0b", "s": "0c"}
    assert not frame.events, "a fleet of 2025 signs every frame"


@pytest.mark.parametrize(
    ("tail", "detail"),
    [
        (b"\xff\x01\x00\x09\x0a", "signature at byte 30: ends after 5 bytes"),
        (b"\xff\x01\x00\x00\x00\x00\x05", "1 bytes after the signature: not read"),
    ],
)
def test_damaged_signature_is_a_reject(gbt: Any, tail: bytes, detail: str) -> None:
    frame = decode_frame(gbt.build(gbt.TIME + tail, start=b"$$"))

    assert [text for _, text in frame.rejects] == [detail]


def test_late_frames_make_late_events(gbt: Any) -> None:
    events = decode_frame(gbt.build(gbt.TIME + b"\x80\x00\x01\x01", command=3)).events

    assert [e.is_hist for e in events] == [True]


@pytest.mark.parametrize("first", [0, 32_768, 65_535])
def test_cells_that_begin_at_an_impossible_number_are_masked_and_counted(gbt: Any, first: int) -> None:
    block = b"\x08\x01\x01\x19\x03\x27\x10\x00\x04" + first.to_bytes(2, "big") + b"\x02\x0d\x02\x0d\x03"

    frame = decode_frame(gbt.build(gbt.TIME + block))

    assert frame.masked == {"cell.voltage: first cell out of range": 2}
    assert all("cell.voltage" not in columns for _, columns, _ in frame.families)


def test_pack_in_two_blocks_of_one_frame_is_one_string(gbt: Any) -> None:
    block = b"\x01\x19\x03\x27\x10\x01\x80"
    data = gbt.TIME + b"\x08\x02" + block + b"\x00\x01\x01\x0d\x02" + block + b"\x00\xc9\x01\x0d\x03"

    rows = decode_frame(gbt.build(data)).families

    assert rows[0][1]["pack.voltage"].tolist() == [640.3]
    assert [keys["first_cell"] for _, _, keys in rows[1:]] == [1, 201]


def test_answer_keeps_the_time_and_leaves_out_the_rest(gbt: Any) -> None:
    asked = bytes.fromhex(gbt.hex("full"))

    answer = answer_frame(asked, 1)

    assert answer.hex() == "23230201414e584e544553543030303030303030310100061a010f081e0038"
    assert answer_frame(gbt.build(b"", command=7), 1)[22:24] == b"\0\0"


def test_time_sync_is_answered_with_the_time_of_china(gbt: Any) -> None:
    now = datetime(2026, 1, 15, 0, 30, tzinfo=UTC)

    answer = answer_frame(gbt.build(b"", command=8), 1, time=encode_time(now))

    assert answer[24:30] == gbt.TIME
    assert checksum(answer) == answer[-1]
    assert encode_time(now + timedelta(hours=16))[2] == 16


@pytest.mark.parametrize(
    ("place", "byte"),
    [(0, 0x24), (2, 0x00), (2, 0x0C), (3, 0x08), (6, 0x07), (21, 0x06), (22, 0xFF)],
)
def test_bytes_that_cannot_be_a_header_are_none(gbt: Any, place: int, byte: int) -> None:
    frame = bytearray(gbt.build(gbt.TIME))
    frame[place] = byte
    if place == 22:
        frame[23] = 0xFC

    assert parse_header(frame) is None
    assert parse_header(gbt.build(gbt.TIME)) is not None


@given(data=st.binary(max_size=60), command=st.sampled_from([1, 4, 5, 6, 9, 10, 0x80, 0x81, 0x82]))
def test_any_command_decodes_or_says_why_not(gbt: Any, data: bytes, command: int) -> None:
    frame = decode_frame(gbt.build(gbt.TIME + data, command=command, start=b"$$"))

    assert len(frame.events) == 1
    assert len(frame.rejects) <= 1

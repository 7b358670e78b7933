"""Frames out of a stream as it arrives: any pieces, any garbage between."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.gateway.framing import FrameReader
from ingest.gbt32960.stream import split_frames
from simulators.encode_gbt_blocks import oem_block
from simulators.encode_gbt_frames import data_frame, heartbeat_frame

VIN = "LANX0000000000001"
FRAME = data_frame(VIN, 1_768_437_000_000_000, [oem_block(0x80, bytes(range(200)))])
OTHER = heartbeat_frame(VIN, edition="2025")


def read_all(reader: FrameReader) -> list[bytes]:
    found = []
    while (item := reader.next()) is not None:
        if item.is_intact:
            found.append(item.frame)
    return found


@given(
    pieces=st.lists(
        st.one_of(
            st.sampled_from([FRAME, OTHER, FRAME[:40], FRAME[:-1] + b"\0", b"##", b"$", b"##$$#"]),
            st.binary(max_size=30),
        ),
        max_size=12,
    ),
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=20),
)
def test_a_stream_in_any_pieces_gives_the_frames_of_the_whole(pieces: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pieces)
    reader, found, at, turn = FrameReader(limit_bytes=65_556), [], 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        reader.append(stream[at : at + size])
        found += read_all(reader)
        at, turn = at + size, turn + 1
    while reader.give_up():
        found += read_all(reader)

    assert found == list(split_frames(stream))


def test_a_header_that_cannot_be_one_makes_nobody_wait() -> None:
    reader = FrameReader(limit_bytes=65_556)
    reader.append(b"##\x02\xfe" + b"\x07" * 17 + b"\x01\xff\x00" + FRAME)

    assert read_all(reader) == [FRAME]


def test_a_frame_longer_than_believed_is_skipped() -> None:
    reader = FrameReader(limit_bytes=100)
    reader.append(FRAME + OTHER)

    assert read_all(reader) == [OTHER]
    assert reader.skipped_bytes == len(FRAME)


def test_a_damaged_frame_is_told_of_and_what_follows_is_read() -> None:
    reader = FrameReader(limit_bytes=65_556)
    damaged = bytearray(FRAME)
    damaged[60] ^= 1
    reader.append(bytes(damaged) + FRAME)

    first = reader.next()

    assert first is not None
    assert (first.is_intact, first.header.identifier) == (False, VIN)
    assert read_all(reader) == [FRAME]


@pytest.mark.parametrize("size", [25, 100, len(FRAME) - 26])
def test_giving_up_half_a_frame_finds_the_next_one(size: int) -> None:
    reader = FrameReader(limit_bytes=65_556)
    reader.append(FRAME[:size] + OTHER)

    assert reader.next() is None
    assert reader.give_up()
    assert read_all(reader) == [OTHER]


def test_half_a_frame_alone_leaves_nothing_to_read() -> None:
    reader = FrameReader(limit_bytes=65_556)
    reader.append(FRAME[:100])

    assert reader.next() is None
    assert not reader.give_up()


def test_memory_is_one_frame_and_one_read() -> None:
    reader = FrameReader(limit_bytes=8192)
    for _ in range(1000):
        reader.append(b"\x55" * 4096)
        assert reader.next() is None
    assert reader.waiting_bytes == 0
    assert reader.skipped_bytes == 4_096_000

"""Transfers that messages cut: put together across them, given up, bounded."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data.records import Family
from ingest.messages import CanFrames
from ingest.transport import OpenTransfers
from simulators.encode_transport import isotp_frames
from tests.effort import examples
from tests.unit.ingest.buses import (
    J1939,
    START_US,
    UDS,
    UDS_MAP,
    columns,
    decoder,
    signals,
    timed,
)


def test_a_transfer_over_three_messages_is_whole_and_decoded_once() -> None:
    of, opened = decoder(), OpenTransfers()
    frames = timed(isotp_frames(0x7EC, bytes.fromhex("620101 a7 1e11 00") + bytes(20)))
    found = []

    for piece in (frames[:1], frames[1:2], frames[2:]):
        joined = opened.join(of.receiver, 1, "main", columns(piece))
        n = joined.frames.time_us.size
        found.append(signals(of.decode(np.zeros(n, np.int64), joined.frames)))
        assert joined.lost == {}

    assert [values.get("Bms.Soc") for values in found] == [None, None, 83.5]


def test_a_message_read_again_is_completed_again() -> None:
    of, opened = decoder(), OpenTransfers()
    frames = timed(isotp_frames(0x7EC, bytes.fromhex("620101 a7 1e11 00") + bytes(20)))
    head, tail = columns(frames[:2]), columns(frames[2:])
    opened.join(of.receiver, 1, "main", head)

    sizes = [opened.join(of.receiver, 1, "main", tail).frames.time_us.size for _ in range(3)]

    assert sizes == [len(frames)] * 3


def test_other_vehicles_buses_and_late_messages_leave_an_open_transfer_alone() -> None:
    of, opened = decoder(), OpenTransfers()
    frames = timed(isotp_frames(0x7EC, bytes.fromhex("620101 a7 1e11 00") + bytes(20)))
    late = [(t - 86_400_000_000, i, data) for t, i, data in frames[2:]]
    opened.join(of.receiver, 1, "main", columns(frames[:2]))

    for vehicle, bus, piece in ((2, "main", frames[2:]), (1, "other", frames[2:]), (1, "main", late)):
        assert opened.join(of.receiver, vehicle, bus, columns(piece)).frames.time_us.size == len(piece)

    assert opened.join(of.receiver, 1, "main", columns(frames[2:])).frames.time_us.size == len(frames)


def test_a_transfer_whose_rest_does_not_come_is_given_up_and_counted() -> None:
    of, opened = decoder(), OpenTransfers()
    frames = timed(isotp_frames(0x7EC, bytes(40)))
    opened.join(of.receiver, 1, "main", columns(frames[:2]))

    lost: Counter[str] = Counter()
    for minute in range(1, 20):
        later = timed(isotp_frames(0x7EC, b"next"), START_US + minute * 60_000_000)
        joined = opened.join(of.receiver, 1, "main", columns(later))
        assert joined.frames.time_us.size == 1
        lost.update(joined.lost)

    assert lost == {"can:transfer given up": 1}


def test_messages_sent_again_are_put_together_though_live_ones_come_between() -> None:
    of, opened = decoder(), OpenTransfers()
    live = [timed(isotp_frames(0x7EC, bytes(40)), START_US + k * 1_000_000) for k in (0, 1)]
    late = timed(isotp_frames(0x7EC, bytes.fromhex("620101 a7 1e11 00") + bytes(20)), START_US - 10**9)
    pieces = [live[0][:2], late[:2], live[0][2:] + live[1][:3], late[2:], live[1][3:]]

    sizes = [opened.join(of.receiver, 1, "main", columns(p)).frames.time_us.size for p in pieces]

    assert sizes == [2, 2, len(live[0]) + 3, len(late), len(live[1])]


def test_classic_and_can_fd_messages_of_a_bus_leave_each_others_transfers_alone() -> None:
    of, opened = decoder(), OpenTransfers()
    classic = timed(isotp_frames(0x7EC, bytes.fromhex("620101 a7 1e11 00") + bytes(20)))
    fd = timed(isotp_frames(0x7E9, bytes(100), frame_size=64))
    pieces = [(classic[:2], 8), (fd[:1], 64), (classic[2:], 8), (fd[1:], 64)]

    joined = [opened.join(of.receiver, 1, "main", columns(p, width=width)) for p, width in pieces]

    assert [one.frames.time_us.size for one in joined] == [2, 1, len(classic), len(fd)]
    assert [one.lost for one in joined] == [{}] * 4


def test_what_is_kept_of_open_transfers_is_bounded_over_all_buses() -> None:
    of, opened = decoder(), OpenTransfers(most_frames=10)
    frames = timed(isotp_frames(0x7EC, bytes(40)))

    for vehicle in range(6):
        opened.join(of.receiver, vehicle, "main", columns(frames[:3]))
    sizes = [
        opened.join(of.receiver, vehicle, "main", columns(frames[3:])).frames.time_us.size
        for vehicle in range(6)
    ]

    assert sizes == [len(frames) - 3] * 3 + [len(frames)] * 3


ALL = [decoder(UDS), decoder(J1939), decoder(None, reads_j1939=True)]


@settings(max_examples=examples(40), deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([8, 64]))
def test_random_frames_never_raise(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    n = 300
    ids = np.array([0x7E8, 0x7EC, 0x607, 0x98DAF110, 0x98ECFF00, 0x98EBFF00, 0x98FECA00, 0x98FEF433])
    likely = rng.choice([2, 16, 32, 33, 34, 98, 89], (n, width))
    data = np.where(rng.random((n, width)) < 0.5, rng.integers(0, 256, (n, width)), likely)
    frames = CanFrames(
        np.sort(rng.integers(START_US, START_US + 3_000_000, n)),
        rng.choice(ids, n).astype(np.uint32),
        rng.integers(0, width + 1, n).astype(np.uint8),
        data.astype(np.uint8),
    )

    for of in ALL:
        of.decode(rng.integers(0, 3, n), frames)
        OpenTransfers().join(of.receiver, 1, "main", frames)


def test_families_of_a_part_have_the_message_that_brought_them() -> None:
    frames = [
        *timed(isotp_frames(0x7EC, bytes.fromhex("620101 a7 1e11 00"))),
        (START_US, 0x7E8, b"\x03\x41\x0d\x50"),
    ]
    index = np.array([4] * (len(frames) - 1) + [9])

    found = decoder(UDS, UDS_MAP).decode(index, columns(frames))

    owners = {
        alias: owner[family.last_frame].tolist()
        for part, owner in zip(found.parts, found.part_index, strict=True)
        for family in part.families
        if family.family is Family.DRIVE
        for alias in family.columns
    }
    assert owners == {"soc": [4], "pack.voltage": [4], "speed": [9]}

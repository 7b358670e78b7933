"""Segmented transfers, cut by an independent encoder, against the joining: interleaved, lost, repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.transport.isotp import join_isotp
from ingest.transport.j1939 import join_transport, split_ids, transported_group
from ingest.transport.segments import Joined
from simulators.encode_transport import isotp_frames, j1939_frames
from tests.effort import examples
from tests.unit.ingest.buses import Timed, columns

SECOND = 1_000_000


def join(frames: Sequence[Timed], *, width: int = 8, is_addressed: bool = False) -> Joined:
    f = columns(frames, width=width)
    extended = np.full(len(frames), is_addressed)
    return join_isotp(f.can_id.astype(np.int64), f.time_us, f.length, f.data, is_extended=extended)


def join_j1939(frames: Sequence[Timed]) -> tuple[Joined, list[tuple[int, bytes]]]:
    f = columns(frames)
    joined = join_transport(np.zeros(len(frames), np.int64), f.time_us, split_ids(f.can_id), f.length, f.data)
    groups = transported_group(joined.payloads, f.data).tolist()
    return joined, list(zip(groups, payloads_of(joined), strict=True))


def payloads_of(joined: Joined) -> list[bytes]:
    p = joined.payloads
    return [p.flat[a : a + n].tobytes() for a, n in zip(p.start.tolist(), p.length.tolist(), strict=True)]


def timed(frames: Sequence[tuple[int, bytes]], start_us: int = 0, step_us: int = 1000) -> list[Timed]:
    return [(start_us + k * step_us, can_id, data) for k, (can_id, data) in enumerate(frames)]


@pytest.mark.parametrize("size", [1, 6, 7, 8, 13, 62, 113, 4095, 4096, 9000])
def test_a_payload_of_any_length_comes_out_whole(size: int) -> None:
    payload = bytes(k % 251 for k in range(size))

    joined = join(timed(isotp_frames(0x7EC, payload)))

    assert payloads_of(joined) == [payload]
    assert (joined.lost, joined.open_rows.size) == (Counter(), 0)


@pytest.mark.parametrize("size", [3, 8, 20, 62, 63, 500])
@pytest.mark.parametrize("frame_size", [12, 64])
def test_can_fd_frames_carry_more(size: int, frame_size: int) -> None:
    payload = bytes(range(1, 256)) * 2
    payload = payload[:size]

    joined = join(timed(isotp_frames(0x7EC, payload, frame_size=frame_size)), width=64)

    assert payloads_of(joined) == [payload]


def test_extended_addresses_are_channels_of_their_own() -> None:
    one, two = bytes(range(20)), bytes(range(100, 140))
    a, b = isotp_frames(0x607, one, target=0xF1), isotp_frames(0x607, two, target=0xF2)
    mixed = [frame for pair in zip(a, b[: len(a)], strict=True) for frame in pair] + b[len(a) :]

    joined = join(timed(mixed), is_addressed=True)

    assert payloads_of(joined) == [one, two]


def test_flow_control_between_the_frames_changes_nothing() -> None:
    payload = bytes(range(40))
    frames = isotp_frames(0x7EC, payload)
    frames.insert(1, (0x7EC, bytes([0x30, 0, 0, 0, 0, 0, 0, 0])))

    assert payloads_of(join(timed(frames))) == [payload]


def test_a_flaw_costs_its_transfer_and_not_the_next() -> None:
    first, second = isotp_frames(0x7EC, bytes(range(40))), isotp_frames(0x7EC, bytes(range(50, 90)))
    flaws = {
        "sequence": first[:2] + first[3:],
        "interrupted": first[:-1],
        "no first frame": first[1:],
        "short frame": [*first[:2], (0x7EC, first[2][1][:4]), *first[3:]],
    }
    for reason, broken in flaws.items():
        joined = join(timed([*broken, *second]))

        assert payloads_of(joined) == [bytes(range(50, 90))], reason
        assert joined.lost == Counter({reason: 1}), reason


def test_a_repeated_frame_drops_its_transfer() -> None:
    frames = isotp_frames(0x7EC, bytes(range(40)))

    joined = join(timed([*frames[:3], frames[2], *frames[3:], *isotp_frames(0x7EC, b"whole")]))

    assert payloads_of(joined) == [b"whole"]
    assert joined.lost == Counter({"sequence": 1})


def test_a_pause_ends_a_transfer() -> None:
    frames = timed(isotp_frames(0x7EC, bytes(range(40))))
    late = [(t + (2 * SECOND if k > 2 else 0), i, data) for k, (t, i, data) in enumerate(frames)]

    joined = join(late)

    assert (payloads_of(joined), joined.lost) == ([], Counter({"timeout": 1}))


def test_what_may_still_go_on_is_open_and_not_lost() -> None:
    frames = timed(isotp_frames(0x7EC, bytes(range(40))))

    joined = join(frames[:3])

    assert (joined.open_rows.tolist(), joined.lost) == ([0, 1, 2], Counter())


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\0\0\0\0\0\0\0",
        b"\x10\x04abcdef",
        b"\x10\0\0\0\0\x08ab",
        b"\x09abcdefg",
        b"\x45abcdefg",
        b"\x03ab",
    ],
)
def test_protocol_information_that_contradicts_itself_is_counted(data: bytes) -> None:
    joined = join(timed([(0x7EC, data), *isotp_frames(0x7EC, b"good")]))

    assert payloads_of(joined) == [b"good"]
    assert joined.lost == Counter({"malformed": 1})


@st.composite
def bus_traffic(draw: st.DrawFn) -> tuple[list[list[Timed]], list[bytes], int]:
    """Return frames per channel, what must come out, and how many damages can be told apart.

    A transfer without its first frame that follows a damaged one looks like more of the same damage.
    """
    channels: list[list[Timed]] = []
    expected: list[bytes] = []
    damaged = 0
    for number in range(draw(st.integers(1, 4))):
        at, frames, is_damaged = draw(st.integers(0, 5000)), [], False
        for _ in range(draw(st.integers(1, 5))):
            payload = draw(st.binary(min_size=1, max_size=200))
            cut = isotp_frames(0x7E8 + number, payload)
            flaw = draw(st.sampled_from(["none", "none", "lost", "repeated"])) if len(cut) > 2 else "none"
            was_damaged, is_damaged = is_damaged, flaw != "none"
            if flaw == "none":
                expected.append(payload)
            else:
                k = (
                    draw(st.integers(0, len(cut) - 2))
                    if flaw == "lost"
                    else draw(st.integers(1, len(cut) - 2))
                )
                cut = cut[:k] + cut[k + 1 :] if flaw == "lost" else cut[: k + 1] + cut[k:]
                damaged += not (was_damaged and flaw == "lost" and k == 0)
            frames += timed(cut, at)
            at += len(cut) * 1000 + 3 * SECOND
        channels.append(frames)
    return channels, expected, damaged


@settings(max_examples=examples(150), deadline=None)
@given(bus_traffic(), st.randoms(use_true_random=False))
def test_every_whole_transfer_comes_out_once_and_every_damaged_one_is_counted(
    traffic: tuple[list[list[Timed]], list[bytes], int], rng: object
) -> None:
    channels, expected, damaged = traffic
    frames = [frame for channel in channels for frame in channel]
    rng.shuffle(frames)  # type: ignore[attr-defined]

    joined = join(frames)

    assert sorted(payloads_of(joined)) == sorted(expected)
    assert sum(joined.lost.values()) == damaged
    assert joined.open_rows.size == 0


@settings(max_examples=examples(100), deadline=None)
@given(st.binary(min_size=0, max_size=800), st.integers(0, 2**32 - 1))
def test_random_frames_never_raise(noise: bytes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = len(noise) // 8
    frames = [
        (int(rng.integers(0, 3 * SECOND)), int(rng.choice([0x98ECFF01, 0x98EBFF01, 0x98EC0201])),
         noise[8 * k : 8 * k + int(rng.integers(0, 9))])
        for k in range(n)
    ]  # fmt: skip
    if frames:
        join(frames)
        join(frames, is_addressed=True)
        join_j1939(frames)


@pytest.mark.parametrize("size", [9, 14, 40, 1785])
@pytest.mark.parametrize("destination", [0xFF, 0x21])
def test_j1939_transfers_come_out_whole(size: int, destination: int) -> None:
    payload = bytes(k % 250 for k in range(size))

    joined, found = join_j1939(timed(j1939_frames(65226, payload, source=3, destination=destination)))

    assert found == [(65226, payload)]
    assert joined.lost == Counter()


def test_j1939_connections_are_told_apart_by_sender_and_receiver() -> None:
    a = timed(j1939_frames(65226, bytes(range(30)), source=3), 0, 1000)
    b = timed(j1939_frames(65226, bytes(range(60, 90)), source=4), 300, 1000)
    c = timed(j1939_frames(61184, bytes(range(90, 110)), source=3, destination=9), 600, 1000)

    _, found = join_j1939([*c, *b, *a])

    assert sorted(found) == [
        (61184, bytes(range(90, 110))),
        (65226, bytes(range(30))),
        (65226, bytes(range(60, 90))),
    ]


def test_a_broadcast_that_lost_a_packet_is_dropped_and_counted() -> None:
    frames = j1939_frames(65226, bytes(range(30)), source=3)

    joined, found = join_j1939(timed([*frames[:2], *frames[3:], *j1939_frames(65227, bytes(9), source=3)]))

    assert found == [(65227, bytes(9))]
    assert joined.lost == Counter({"sequence": 1})


def test_packets_that_the_receiver_asked_for_again_count_once() -> None:
    frames = j1939_frames(65226, bytes(range(30)), source=3, destination=9)
    again = [*frames[:4], *frames[2:]]

    joined, found = join_j1939(timed(again))

    assert (found, joined.lost) == ([(65226, bytes(range(30)))], Counter())


@pytest.mark.parametrize(("source", "destination"), [(3, 9), (9, 3)])
def test_an_abort_of_either_side_ends_the_transfer(source: int, destination: int) -> None:
    frames = timed(j1939_frames(65226, bytes(range(30)), source=3, destination=9))
    abort = 0x9CEC_0000 | destination << 8 | source
    frames[3] = (frames[3][0], abort, b"\xff\x01\xff\xff\xff\xca\xfe\0")

    joined, found = join_j1939(frames)

    assert found == []
    assert joined.lost["interrupted"] == 1


def test_a_length_that_contradicts_the_packets_is_malformed() -> None:
    frames = j1939_frames(65226, bytes(range(30)), source=3)
    head = bytearray(frames[0][1])
    head[3] += 1

    joined, found = join_j1939(timed([(frames[0][0], bytes(head)), *frames[1:]]))

    assert found == []
    assert joined.lost["malformed"] == 1

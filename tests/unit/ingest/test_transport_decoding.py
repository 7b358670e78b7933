"""From frames to signals and trouble codes: UDS, OBD-II and J1939 with and without a word in the DBC."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import CatalogueError
from data.records import Family
from ingest.can.database import parse_dbc
from ingest.messages import CanFrames
from ingest.transport import BusDecoded, BusDecoder, OpenTransfers, build_plan, looks_like_j1939
from ingest.transport.uds import code_text, short_code_text
from simulators.encode_transport import isotp_frames, j1939_frames
from tests.effort import examples

Timed = tuple[int, int, bytes]
START_US = 1_767_225_600_000_000
HEAD = 'VERSION ""\nNS_ :\nBS_:\nBU_: E\n'

#: One control unit with identifiers 0x0101 (4 bytes) and 0x0102 (2 bytes), one on extended addressing.
UDS = (
    HEAD
    + """BO_ 2028 Bms: 40 E
 SG_ Service M : 7|8@0+ (1,0) [0|0] "" E
 SG_ Id m98M : 15|16@0+ (1,0) [0|0] "" E
 SG_ Soc m257 : 31|8@0+ (0.5,0) [0|0] "%" E
 SG_ Volt m257 : 39|16@0+ (0.1,0) [0|0] "V" E
 SG_ Spare m257 : 55|8@0+ (1,0) [0|0] "" E
 SG_ Temp m258 : 31|16@0- (0.1,0) [0|0] "degC" E

BO_ 1543 Far: 20 E
 SG_ FarByte : 159|8@0+ (1,0) [0|0] "" E

BA_DEF_ BO_ "TransportProtocolType" STRING ;
BA_DEF_DEF_ "TransportProtocolType" "";
BA_ "TransportProtocolType" BO_ 2028 "ISOTP";
BA_ "TransportProtocolType" BO_ 1543 "ISOTP_EXTENDED";
SG_MUL_VAL_ 2028 Id Service 98-98;
SG_MUL_VAL_ 2028 Soc Id 257-257;
SG_MUL_VAL_ 2028 Volt Id 257-257;
SG_MUL_VAL_ 2028 Spare Id 257-257;
SG_MUL_VAL_ 2028 Temp Id 258-258;
"""
)
UDS_MAP = {"Bms.Soc": {"alias": "soc"}, "Bms.Volt": {"alias": "pack.voltage"}}

J1939 = (
    HEAD
    + """BO_ 2566844926 CCVS1: 8 E
 SG_ Speed : 8|16@1+ (0.00390625,0) [0|0] "km/h" E

BO_ 2564817150 Own: 20 E
 SG_ Last : 152|8@1+ (1,0) [0|0] "" E

BA_DEF_ BO_ "VFrameFormat" ENUM "StandardCAN","ExtendedCAN","reserved","J1939PG";
BA_DEF_DEF_ "VFrameFormat" "J1939PG";
"""
)


def columns(frames: Sequence[Timed], *, width: int = 8) -> CanFrames:
    data = b"".join(frame[2].ljust(width, b"\0") for frame in frames)
    return CanFrames(
        np.array([frame[0] for frame in frames], np.int64),
        np.array([frame[1] for frame in frames], np.uint32),
        np.array([len(frame[2]) for frame in frames], np.uint8),
        np.frombuffer(data, np.uint8).reshape(-1, width),
    )


def timed(frames: Sequence[tuple[int, bytes]], start_us: int = START_US) -> list[Timed]:
    return [(start_us + k * 1000, can_id, data) for k, (can_id, data) in enumerate(frames)]


def decoder(dbc: str | None = UDS, signal_map: Any = None, **other: Any) -> BusDecoder:
    return BusDecoder(dbc, signal_map or {}, grid_s=1.0, cell_count=0, probe_count=0, wheel_count=4, **other)


def decode(of: BusDecoder, frames: Sequence[tuple[int, bytes]], *, width: int = 8) -> BusDecoded:
    return of.decode(np.zeros(len(frames), np.int64), columns(timed(frames), width=width))


def signals(decoded: BusDecoded) -> dict[str, Any]:
    """Return the last value of everything."""
    found: dict[str, Any] = {}
    for part in decoded.parts:
        for family in part.families:
            for alias, values in family.columns.items():
                found[alias] = values[-1] if values.ndim == 1 else values[-1].tolist()
        names = [part.extra.names[k] for k in part.extra.signal.tolist()]
        found |= dict(zip(names, part.extra.value.tolist(), strict=True))
    return found


def codes(decoded: BusDecoded) -> list[tuple[str, str, int]]:
    return [(code.ecu, code.code, code.status) for code in decoded.codes]


def test_an_answer_over_several_frames_is_decoded_with_the_dbc() -> None:
    found = decode(decoder(UDS, UDS_MAP), isotp_frames(0x7EC, bytes.fromhex("620101 a7 1e11 00 ffffffff")))

    assert signals(found)["soc"] == 83.5
    assert signals(found)["pack.voltage"] == pytest.approx(769.7)
    assert found.unknown_ids == {}


def test_an_answer_with_several_identifiers_is_split_where_their_lengths_are_known() -> None:
    found = signals(decode(decoder(), isotp_frames(0x7EC, bytes.fromhex("62 0101 a71e1100 0102 ff38"))))

    assert (found["Bms.Soc"], found["Bms.Temp"]) == (83.5, -20.0)


def test_an_answer_that_known_lengths_do_not_fill_is_one_record() -> None:
    found = signals(decode(decoder(), isotp_frames(0x7EC, bytes.fromhex("62 0101 a71e1100 0102 ff38 00"))))

    assert found["Bms.Soc"] == 83.5
    assert "Bms.Temp" not in found


@pytest.mark.parametrize(("answer_at", "soc"), [(0, 20.0), (1, 83.5)])
def test_of_a_plain_frame_and_an_answer_that_feed_one_column_the_last_counts(
    answer_at: int, soc: float
) -> None:
    dbc = UDS.replace(
        "\nBA_DEF_ BO_", 'BO_ 300 Own: 8 E\n SG_ Soc : 0|8@1+ (1,0) [0|0] "%" E\n\nBA_DEF_ BO_', 1
    )
    answer = isotp_frames(0x7EC, bytes.fromhex("620101 a7 1e11 00"))
    plain = [(300, bytes([20]))]

    found = decode(
        decoder(dbc, UDS_MAP | {"Own.Soc": {"alias": "soc"}}), plain + answer if answer_at else answer + plain
    )

    values = [
        family.columns["soc"].tolist()
        for part in found.parts
        for family in part.families
        if "soc" in family.columns
    ]
    assert values == [[soc]]


def test_extended_addressing_is_declared_by_an_attribute() -> None:
    found = signals(decode(decoder(), isotp_frames(0x607, bytes(range(20)), target=0xF1)))

    assert found["Far.FarByte"] == 19


def test_refusals_are_counted_and_no_error() -> None:
    found = decode(decoder(), isotp_frames(0x7EC, bytes.fromhex("7f2231")))

    assert (found.masked, signals(found)) == ({"uds:refused 31": 1}, {})


def test_uds_trouble_codes_have_their_text_and_status() -> None:
    answer = bytes.fromhex("5902ff 0a801a 09 c10087 28")

    found = decode(decoder(), isotp_frames(0x7EC, answer) * 2)

    assert codes(found) == [("7EC", "P0A80-1A", 0x09), ("7EC", "U0100-87", 0x28)]
    assert [code.time_us for code in found.codes] == [START_US] * 2


def test_a_code_that_is_reported_all_the_time_is_kept_once_a_minute_with_its_last_status() -> None:
    frames = [
        (START_US + second * 1_000_000, i, data)
        for second in range(0, 180, 10)
        for i, data in isotp_frames(0x7EC, bytes.fromhex(f"5902ff 0a801a {8 if second else 9:02x}"))
    ]

    found = decoder().decode(np.zeros(len(frames), np.int64), columns(frames))

    assert [(code.time_us - START_US) // 60_000_000 for code in found.codes] == [0, 1, 2]
    assert {code.status for code in found.codes} == {8}


@pytest.mark.parametrize(
    ("code", "text"), [(0x0A9B, "P0A9B"), (0xC100, "U0100"), (0x4123, "C0123"), (0x9234, "B1234")]
)
def test_codes_are_written_as_in_the_workshop(code: int, text: str) -> None:
    assert short_code_text(code) == text
    assert code_text(code << 8 | 0x1A) == f"{text}-1A"


def test_obd_answers_are_read_without_a_word_in_the_dbc() -> None:
    found = decode(
        decoder(),
        [
            *isotp_frames(0x7E8, bytes.fromhex("41 0d 50 46 3c 5b 80 a6 00012345")),
            *isotp_frames(0x98DAF110, bytes.fromhex("41 42 30d4")),
            *isotp_frames(0x7E9, bytes.fromhex("43 02 0a80 c100")),
        ],
    )

    values = signals(found)
    assert (values["speed"], values["ambient"], values["odometer"]) == (80, 20, pytest.approx(7456.5))
    assert values["soc"] == pytest.approx(50.196, abs=1e-3)
    assert values["lv.voltage"] == pytest.approx(12.5)
    assert codes(found) == [("7E9", "P0A80", 8), ("7E9", "U0100", 8)]


def test_a_standard_signal_leaves_an_alias_to_the_model_that_maps_it() -> None:
    found = signals(decode(decoder(UDS, UDS_MAP), isotp_frames(0x7E8, bytes.fromhex("41 5b 80"))))

    assert "soc" not in found
    assert found["OBD2.HybridBatteryCharge"] == pytest.approx(50.196, abs=1e-3)


def test_plain_frames_on_an_obd_identifier_of_the_dbc_stay_plain() -> None:
    dbc = HEAD + 'BO_ 2024 Plain: 8 E\n SG_ First : 0|8@1+ (1,0) [0|0] "" E\n'

    assert signals(decode(decoder(dbc), [(0x7E8, bytes(range(3, 11)))])) == {"Plain.First": 3}


def test_a_layout_that_counts_the_length_byte_is_understood() -> None:
    dbc = HEAD + (
        'BO_ 2028 Old: 62 E\n SG_ service M : 15|8@0+ (1,0) [0|0] "" E\n'
        ' SG_ Soc m98 : 64|8@1+ (0.5,0) [0|0] "%" E\n'
        'BA_DEF_ BO_ "VFrameFormat" ENUM "StandardCAN","ExtendedCAN";\n'
        'BA_DEF_DEF_ "VFrameFormat" "StandardCAN";\nBA_ "VFrameFormat" BO_ 2028 0;\n'
    )

    found = signals(decode(decoder(dbc), isotp_frames(0x7EC, bytes.fromhex("620101 00000000 a7 0000"))))

    assert found["Old.Soc"] == 83.5


def test_long_messages_without_a_word_are_can_fd_where_its_lengths_allow_and_isotp_else() -> None:
    of_fd = HEAD + 'BO_ 300 Long: 12 E\n SG_ Last : 88|8@1+ (1,0) [0|0] "" E\n'

    fd = decode(decoder(of_fd), [(300, bytes(range(12)))], width=64)
    isotp = decode(decoder(of_fd.replace("12 E", "13 E")), isotp_frames(300, bytes(range(13))))

    assert signals(fd) == signals(isotp) == {"Long.Last": 11}


def test_an_unknown_transport_is_refused_by_name() -> None:
    dbc = UDS.replace('BO_ 2028 "ISOTP"', 'BO_ 2028 "CARRIER PIGEON"')

    with pytest.raises(CatalogueError, match="'Bms': TransportProtocolType 'CARRIER PIGEON'"):
        build_plan(parse_dbc(dbc))


def test_j1939_groups_are_found_whoever_sends_them_and_however_long() -> None:
    found = decode(
        decoder(J1939, {"CCVS1.Speed": {"alias": "speed"}}),
        [
            *j1939_frames(65265, bytes.fromhex("f70050ffffffffff"), source=0x2F),
            *j1939_frames((2564817150 >> 8) & 0x3FFFF, bytes(range(20)), source=0x21),
        ],
    )

    assert signals(found) == {"speed": 80.0, "Own.Last": 19.0}


def test_not_available_and_error_are_missing_and_counted() -> None:
    for raw, reason in (("ffff", "not available"), ("00fe", "error")):
        found = decode(decoder(J1939), j1939_frames(65265, bytes.fromhex(f"ff{raw}ffffffffff"), source=0))

        assert signals(found) == {}
        assert found.masked == {f"CCVS1.Speed: {reason}": 1}


def test_obd_parameters_of_several_bytes_are_split_by_their_lengths() -> None:
    """0x67 is three bytes: which sensors there are, and two temperatures (SAE J1979-DA)."""
    found = signals(decode(decoder(), isotp_frames(0x7E8, bytes.fromhex("41 67 037b7c 0d 50"))))

    assert found["speed"] == 80


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        ("0000", (0, -1600, 0, -273)),
        ("4d1f", (400.65, -1199.35, 12.5203125, -22.59375)),
        ("fffa", (None, 1612.75, None, 1734.96875)),
    ],
)
def test_groups_of_the_high_voltage_battery_have_the_published_ranges(
    raw: str, values: tuple[float | None, ...]
) -> None:
    """SPN 5919 to 5921 and the cell temperatures begin at 0 V, -1600 A, 0 % and -273 degC.

    At 0xFAFF they are 3,212.75 V, 1,612.75 A, 100.398 % and 1,734.97 degC: no pack, no charge is like that.
    """
    found = signals(
        decode(
            decoder(J1939),
            [
                (0x8CF09021, bytes.fromhex("ffffffff" + raw + raw)),
                (0x8CF09121, bytes.fromhex(raw + "ffffffffffff")),
                (0x8CF09221, bytes.fromhex(raw + "ffffffffffff")),
            ],
        )
    )

    names = ("pack.voltage", "HVESSD1.BatteryCurrent", "soc", "HVESSD3.HighestCellTemperature")
    assert tuple(found.get(name) for name in names) == pytest.approx(values)


@pytest.mark.parametrize(("wheels", "place"), [(6, 4), (8, None), (10, 4)])
def test_a_tire_has_a_place_where_the_number_of_wheels_tells_the_axles(
    wheels: int, place: int | None
) -> None:
    of = BusDecoder(J1939, {}, grid_s=1.0, cell_count=0, probe_count=0, wheel_count=wheels)

    found = signals(decode(of, [(0x98FEF433, bytes.fromhex("12E100244100005F"))]))

    if place is None:
        assert (found["TIRE.Pressure12"], "tire.pressure" in found) == (900, False)
    else:
        assert found["tire.pressure"][place] == 900


def test_tire_condition_tells_its_tire_by_location() -> None:
    """SPN 241 4 kPa/bit, SPN 242 0.03125 K/bit from -273 degC; 00E100244100005F was seen on a bus."""
    found = signals(
        decode(
            decoder(J1939),
            [
                (0x98FEF433, bytes.fromhex("00E100244100005F")),
                (0x98FEF433, bytes.fromhex("113C00250000FF5F")),
            ],
        )
    )

    assert found["tire.pressure"] == pytest.approx([900, np.nan, np.nan, 240], nan_ok=True)
    assert found["tire.temperature"][0] == 15.0


def test_dm1_is_read_from_one_frame_and_from_a_broadcast() -> None:
    """SPN 1569 FMI 31 with the amber lamp lit; SPN 520211 = 0x7F013 needs all 19 bits."""
    one = bytes.fromhex("04ff 2106 1f 05 ffff")
    many = bytes.fromhex("00ff 2106 1f 05 13f0e3 81 0000 00 00")

    found = decode(
        decoder(J1939), [*j1939_frames(65226, one, source=0), *j1939_frames(65226, many, source=0x27)]
    )

    assert codes(found) == [
        ("J1939-00", "SPN1569-FMI31", 0x80 | 0x29),
        ("J1939-27", "SPN1569-FMI31", 0x29),
        ("J1939-27", "SPN520211-FMI3", 0x29),
    ]
    assert found.masked["j1939:old conversion method"] == 1


def test_dm2_codes_have_been_active_and_dm1_without_codes_has_none() -> None:
    none = bytes.fromhex("f3ff00000000ffff")
    past = bytes.fromhex("00ff 2106 1f 05 ffff")

    found = decode(
        decoder(J1939), [*j1939_frames(65226, none, source=0), *j1939_frames(65227, past, source=1)]
    )

    assert codes(found) == [("J1939-01", "SPN1569-FMI31", 0x28)]


def test_a_log_is_taken_for_j1939_by_its_groups() -> None:
    ids = np.array([0x98FEF100, 0x98FEF547, 0x98FEC117, 0x065], np.uint32)

    assert looks_like_j1939(ids)
    assert not looks_like_j1939(ids[1:])
    assert looks_like_j1939(ids[:1])
    assert not looks_like_j1939(np.array([0x97F00010], np.uint32))


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

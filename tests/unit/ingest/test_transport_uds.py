"""From frames to signals and trouble codes: UDS and OBD-II with and without a word in the DBC."""

from __future__ import annotations

import numpy as np
import pytest

from data.errors import CatalogueError
from ingest.can.database import parse_dbc
from ingest.transport import build_plan
from ingest.transport.uds import code_text, short_code_text
from simulators.encode_transport import isotp_frames
from tests.unit.ingest.buses import (
    HEAD,
    START_US,
    UDS,
    UDS_MAP,
    codes,
    columns,
    decode,
    decoder,
    signals,
)


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


def test_obd_parameters_of_several_bytes_are_split_by_their_lengths() -> None:
    """0x67 is three bytes: which sensors there are, and two temperatures (SAE J1979-DA)."""
    found = signals(decode(decoder(), isotp_frames(0x7E8, bytes.fromhex("41 67 037b7c 0d 50"))))

    assert found["speed"] == 80

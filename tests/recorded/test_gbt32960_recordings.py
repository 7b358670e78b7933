"""Frames from public decoders, some captured from vehicles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingest.errors import PayloadError
from ingest.gbt32960 import GbtFrame, decode_frame
from ingest.recordings import open_recording

pytestmark = pytest.mark.recorded


def test_every_public_frame_decodes(recordings: Path) -> None:
    lines = (recordings / "gb32960" / "frames.jsonl").read_text().splitlines()
    frames = [decode_frame(bytes.fromhex(json.loads(line)["hex"])) for line in lines]

    assert len(frames) == 32
    widest = max(
        values.shape[1]
        for f in frames
        for family, c, _ in f.families
        for a, values in c.items()
        if a == "cell.voltage"
    )
    assert widest == 192
    assert sum(bool(frame.rejects) for frame in frames) == 4


def test_vectors_on_file_decode_and_the_bad_checksum_is_refused(recordings: Path) -> None:
    vectors = json.loads((recordings / "gb32960" / "vectors.json").read_text())

    with pytest.raises(PayloadError, match="bad_checksum"):
        decode_frame(bytes.fromhex(vectors.pop("I_bad_bcc")))
    assert all(decode_frame(bytes.fromhex(text)).vin == "ANXNTEST000000001" for text in vectors.values())


def test_public_frames_open_as_a_recording(recordings: Path) -> None:
    recording = open_recording(recordings / "gb32960" / "frames.jsonl")

    assert recording.format == "gbt32960"
    assert recording.rows == 32
    assert recording.has_position
    assert recording.decoded["cell.voltage"] > 500


def public_frames(recordings: Path) -> list[GbtFrame]:
    lines = (recordings / "gb32960" / "frames.jsonl").read_text().splitlines()
    return [decode_frame(bytes.fromhex(json.loads(line)["hex"])) for line in lines]


def test_cells_of_real_packs_add_up_to_the_pack_voltage(recordings: Path) -> None:
    errors = {}
    for frame in public_frames(recordings):
        columns = {alias: values[0] for _, row, _ in frame.families for alias, values in row.items()}
        cells = columns.get("cell.voltage")
        if cells is not None and cells.size == frame.extra["sub_pack.1.cells"] > 100:
            errors[frame.vin] = abs(cells.sum() / columns["pack.voltage"] - 1)
            assert columns["pack.current"] == frame.extra["sub_pack.1.current"]  # one offset in both blocks

    assert len(errors) == 3
    assert max(errors.values()) < 0.0035


def test_commands_of_public_frames_keep_their_content(recordings: Path) -> None:
    events = [event for frame in public_frames(recordings) for event in frame.events]
    by_kind = {kind: [e.data for e in events if e.kind == kind] for kind in {e.kind for e in events}}

    assert {kind: len(found) for kind, found in by_kind.items()} == {
        "login": 4,
        "logout": 3,
        "platform_login": 1,
        "platform_logout": 2,
        "oem_block": 2,
    }
    assert [login.get("pack_codes") for login in by_kind["login"]] == [
        ["1234", "4567", "9870"],
        None,
        ["10001", "10002"],
        ["1"],
    ]
    assert by_kind["platform_login"][0] == {"serial": 6666, "user": "SmallChi518", "encryption": 1}
    assert [len(kept["blocks"]) for kept in by_kind["oem_block"]] == [9, 1]  # type: ignore[arg-type]

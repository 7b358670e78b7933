"""Frames from public decoders, some captured from vehicles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingest.errors import PayloadError
from ingest.gbt32960 import decode_frame
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

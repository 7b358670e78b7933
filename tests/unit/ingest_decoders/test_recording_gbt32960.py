"""Files of GB/T 32960 frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.records import Family
from ingest.recordings import RecordingError, open_recording


def test_hex_lines_and_json_lines_read_alike(gbt: Any, tmp_path: Path) -> None:
    plain, objects = tmp_path / "frames.hex", tmp_path / "frames.jsonl"
    plain.write_text("\n".join(gbt.VECTORS.values()))
    objects.write_text("\n".join(json.dumps({"hex": vector.upper()}) for vector in gbt.VECTORS.values()))

    first, second = open_recording(plain), open_recording(objects)

    assert first.format == second.format == "gbt32960"
    assert first.decoded == second.decoded
    assert first.rows == 7
    assert first.has_position
    assert first.raw_frames == [bytes.fromhex(vector) for vector in gbt.VECTORS.values()]
    assert [event.kind for event in first.events] == ["login", "alarm", "alarm"]


def test_an_object_of_named_frames_reads_like_lines(gbt: Any, tmp_path: Path) -> None:
    lines, named = tmp_path / "frames.hex", tmp_path / "frames.json"
    lines.write_text("\n".join(gbt.VECTORS.values()))
    for indent in (None, 1):
        named.write_text(json.dumps(dict(gbt.VECTORS), indent=indent))

        assert open_recording(named).raw_frames == open_recording(lines).raw_frames


def test_frames_of_one_instant_merge_and_conflicts_are_counted(gbt: Any, tmp_path: Path) -> None:
    path = tmp_path / "frames.hex"
    path.write_text("\n".join((gbt.hex("full"), gbt.hex("full"), gbt.hex("resupply"))))

    recording = open_recording(path)

    (drive,) = [b for b in recording.batches if b.family is Family.DRIVE]
    assert len(drive) == 1
    np.testing.assert_array_equal(drive.columns["pack.voltage"], [29.8])
    assert recording.skipped["pack.voltage: differs at one instant"] == 1
    firsts = {int(b.first_cell[0]) for b in recording.batches if b.first_cell is not None}
    assert firsts == {1, 201}


def test_bad_lines_are_counted_and_the_rest_is_read(gbt: Any, tmp_path: Path) -> None:
    path = tmp_path / "frames.hex"
    path.write_text("\n".join((gbt.hex("short"), gbt.hex("short")[:-2] + "00", "2323zz", "{broken")))

    recording = open_recording(path)

    assert recording.skipped["frame: bad_checksum"] == 1
    assert recording.skipped["frame: not hex"] == 2
    assert recording.rows == 4


def test_file_without_a_readable_frame_names_the_fault(gbt: Any, tmp_path: Path) -> None:
    path = tmp_path / "frames.hex"
    path.write_text(gbt.hex("short")[:-2] + "00\n")

    with pytest.raises(RecordingError, match="no GB/T 32960 frame of the 1 lines can be read"):
        open_recording(path)

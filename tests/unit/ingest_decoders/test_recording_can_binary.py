"""CAN logs in binary and tool formats: written by their libraries, read back frame by frame."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path

import can
import numpy as np
import pytest

from ingest.recordings import CanLog, RecordingError, open_recording

START_S = 1_700_000_000.0


def messages(*, is_fd: bool = False) -> list[can.Message]:
    """Return frames of two buses: standard, extended and, where asked for, CAN FD."""
    found = [
        can.Message(
            timestamp=START_S + k / 100,
            arbitration_id=0x18FEF100 if k % 2 else 0x123,
            is_extended_id=bool(k % 2),
            data=bytes(range(k % 9)),
            channel=k % 2,
        )
        for k in range(20)
    ]
    if is_fd:
        found.append(
            can.Message(
                timestamp=START_S + 1,
                arbitration_id=0x77,
                is_extended_id=False,
                is_fd=True,
                data=bytes(range(48)),
                channel=0,
            )
        )
    return found


def write(path: Path, frames: Sequence[can.Message]) -> None:
    with can.Logger(str(path)) as logger:
        for frame in frames:
            logger(frame)


def frames_of(path: Path) -> CanLog:
    log = open_recording(path).raw_frames
    assert isinstance(log, CanLog)
    return log


def check(log: CanLog, expected: Sequence[can.Message]) -> None:
    assert [f.arbitration_id | (f.is_extended_id << 31) for f in expected] == log.can_id.tolist()
    assert [bytes(f.data) for f in expected] == [
        row[:n].tobytes() for row, n in zip(log.data, log.length, strict=True)
    ]
    moments = np.array([f.timestamp - expected[0].timestamp for f in expected])
    np.testing.assert_allclose((log.time_us - log.time_us[0]) / 1e6, moments, atol=2e-3)
    buses = {f.channel for f in expected}
    assert len(set(log.bus.tolist())) == len(buses)


@pytest.mark.parametrize("suffix", ["blf", "log", "asc"])
@pytest.mark.parametrize("is_fd", [False, True])
def test_frames_of_every_kind_and_bus_come_back(tmp_path: Path, suffix: str, *, is_fd: bool) -> None:
    path = tmp_path / f"drive.{suffix}"
    write(path, messages(is_fd=is_fd))
    hidden = path.rename(tmp_path / "drive.bin")  # told by its content

    check(frames_of(hidden), messages(is_fd=is_fd))


def test_a_peak_trace_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "drive.trc"
    frames = [m for m in messages() if m.channel == 0]
    write(path, frames)

    check(frames_of(path), frames)


def test_a_blf_log_that_was_cut_off_yields_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "drive.blf"
    many = [
        can.Message(
            timestamp=START_S + k / 1000, arbitration_id=k % 2000, is_extended_id=False, data=bytes(8)
        )
        for k in range(20_000)
    ]
    write(path, many)
    path.write_bytes(path.read_bytes()[:-300])

    recording = open_recording(path)

    assert 0 < recording.rows < 20_002
    assert recording.skipped == {"file: cut off": 1}


def test_a_blf_log_of_noise_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "noise.blf"
    path.write_bytes(b"LOGG" + bytes(range(256)) * 4)

    with pytest.raises(RecordingError, match=r"noise\.blf: (not a readable CAN log|no CAN frame)"):
        open_recording(path)


def test_an_mf4_log_without_asammdf_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "drive.mf4"
    path.write_bytes(b"MDF     4.11    " + bytes(200))
    monkeypatch.setitem(sys.modules, "asammdf", None)

    with pytest.raises(RecordingError, match=r"drive\.mf4: MF4 files need asammdf.*anxin\[mf4\]"):
        open_recording(path)


# asammdf leaves a half-made object behind, whose __del__ fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_mf4_log_is_refused_by_name(tmp_path: Path) -> None:
    pytest.importorskip("asammdf")
    path = tmp_path / "drive.mf4"
    path.write_bytes(b"MDF     4.11    " + bytes(2000))

    with pytest.raises(RecordingError, match=r"drive\.mf4: damaged MF4 file"):
        open_recording(path)
    gc.collect()


def test_the_raw_frames_of_an_mf4_log_come_back(tmp_path: Path) -> None:
    pytest.importorskip("asammdf")
    path = tmp_path / "drive.mf4"
    write(path, messages(is_fd=True))

    log = frames_of(path)

    expected = messages(is_fd=True)
    assert sorted(log.can_id.tolist()) == sorted(
        f.arbitration_id | (f.is_extended_id << 31) for f in expected
    )
    assert sorted(log.length.tolist()) == sorted(len(f.data) for f in expected)

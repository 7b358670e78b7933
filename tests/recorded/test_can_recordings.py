"""The Kona log and the published DBCs, against cantools."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cantools.database
import numpy as np
import pytest

from ingest.can import CanDecoder
from ingest.can.database import EXTENDED
from ingest.recordings import CanLog, open_recording

pytestmark = pytest.mark.recorded
KONA = "230112-7-2019-pcan-ccan-power-off-on-ready-off.csv"


def complete(text: str) -> str:
    """Return the DBC with the empty sections that cantools demands."""
    return text if "BU_:" in text else text.replace("\nBO_ ", "\nBS_:\n\nBU_:\n\nBO_ ", 1)


def test_kona_log_decodes_with_its_dbc_as_it_is(recordings: Path) -> None:
    folder = recordings / "can_kona"

    recording = open_recording(folder / KONA, dbc_path=folder / "pcan.dbc")

    assert (recording.format, recording.rows) == ("can", 39_546)
    assert len(recording.decoded) > 400
    assert sum(recording.decoded.values()) > 200_000
    assert isinstance(recording.raw_frames, CanLog)


def test_bench_pack_log_is_read_with_its_date(recordings: Path) -> None:
    (path,) = (recordings / "can_kona").glob("*.asc")

    recording = open_recording(path, dbc_path=recordings / "can_kona" / "pcan.dbc")

    assert recording.rows == 5934
    assert recording.first.date().isoformat() == "2023-11-09"


def test_kona_frames_decode_as_cantools_decodes_them(recordings: Path) -> None:
    folder = recordings / "can_kona"
    text = (folder / "pcan.dbc").read_text()
    log = open_recording(folder / KONA).raw_frames
    assert isinstance(log, CanLog)
    check_against_cantools(text, log.can_id[::25], log.length[::25], log.data[::25])


@pytest.mark.parametrize(
    "name",
    [
        "can_kona/pcan.dbc",
        "can_kona/bcan.dbc",
        "can_kona/ccan.dbc",
        "can_uds/can1-hyundai-kia-uds-v2.4.dbc",
        "can_uds/can1-nissan-leaf-uds-v2.4.dbc",
        "can_uds/CSS-Electronics-SAE-J1939-DEMO.dbc",
        "can_uds/gnss.dbc",
        "can_uds/tp_uds.dbc",
        "can_uds/tp_j1939.dbc",
    ],
)
def test_random_frames_decode_as_cantools_decodes_them(recordings: Path, name: str) -> None:
    text = (recordings / name).read_text(encoding="utf-8", errors="replace")
    decoder = make_decoder(text)
    rng = np.random.default_rng(7)
    can_id = np.repeat(np.array(list(decoder.messages), dtype=np.uint32), 40)
    data = rng.integers(0, 256, (can_id.size, 64), dtype=np.uint8)
    select_multiplexers(decoder, can_id, data, rng)
    length = np.where(rng.random(can_id.size) < 0.8, 64, rng.integers(0, 9, can_id.size)).astype(np.uint8)
    check_against_cantools(text, can_id, length, data)


def make_decoder(text: str) -> CanDecoder:
    return CanDecoder(text, {}, grid_s=0.001, cell_count=0, probe_count=0, wheel_count=4, j1939_ids=())


def select_multiplexers(
    decoder: CanDecoder,
    can_id: np.ndarray[tuple[int, ...], np.dtype[np.uint32]],
    data: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    rng: np.random.Generator,
) -> None:
    """Write multiplexer values that exist into frames, down to a signal chosen at random."""
    for i, identifier in enumerate(can_id.tolist()):
        signals = decoder.messages[identifier].signals
        if not any(signal.multiplexer >= 0 for signal in signals):
            continue
        signal = signals[int(rng.integers(len(signals)))]
        while signal.multiplexer >= 0:
            value = int(rng.choice(signal.multiplexer_values))
            signal = signals[signal.multiplexer]
            order: Literal["big", "little"] = "big" if signal.is_big_endian else "little"
            first = 8 * (signal.start // 8) + 7 - signal.start % 8
            shift = 512 - first - signal.length if signal.is_big_endian else signal.start
            bits = int.from_bytes(data[i].tobytes(), order)
            bits = bits & ~(((1 << signal.length) - 1) << shift) | value << shift
            data[i] = np.frombuffer(bits.to_bytes(64, order), dtype=np.uint8)


def check_against_cantools(
    text: str,
    can_id: np.ndarray[tuple[int, ...], np.dtype[np.uint32]],
    length: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    data: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
) -> None:
    """Assert that every frame that cantools can decode has the same values here."""
    reference = cantools.database.can.Database(strict=False)
    reference.add_dbc_string(complete(text))
    messages = {m.frame_id | (EXTENDED if m.is_extended_frame else 0): m for m in reference.messages}
    decoder = make_decoder(text)
    n = can_id.size
    result = decoder.decode(np.zeros(n, np.int32), np.arange(n, dtype=np.int64) * 1000, can_id, length, data)
    extra = result.extra
    ours: dict[int, dict[str, float]] = {}
    for time, signal, value in zip(
        extra.time_us.tolist(), extra.signal.tolist(), extra.value.tolist(), strict=True
    ):
        ours.setdefault(time // 1000, {})[extra.names[signal]] = value
    compared = 0
    for i, identifier in enumerate(can_id.tolist()):
        message = messages.get(identifier)
        if message is None or not message.signals:
            continue
        try:
            theirs = message.decode(
                data[i, : length[i]].tobytes(), decode_choices=False, allow_truncated=True
            )
        except cantools.database.errors.DecodeError:
            continue  # an unknown multiplexer value: cantools refuses the whole frame
        assert isinstance(theirs, dict)
        expected = {
            f"{message.name}.{name}": float(value)
            for name, value in theirs.items()
            if np.isfinite(float(value))
        }
        assert ours.get(i, {}) == expected
        compared += 1
    assert compared or not any(message.signals for message in messages.values())

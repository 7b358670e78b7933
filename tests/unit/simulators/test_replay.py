from __future__ import annotations

import cbor2
import numpy as np

from ingest.can import parse_can_payload
from simulators.encode import Envelope
from simulators.encode_can import RECORD
from simulators.replay import CanRecording, _can_pieces

HOUR_US = 3_600_000_000
START_US = 1_767_225_600_000_000


def test_a_pause_in_a_frame_log_is_kept_whatever_its_length() -> None:
    time_us = START_US + np.array([0, 1_000, 8 * HOUR_US, 8 * HOUR_US + 1_000, 9 * HOUR_US], np.int64)
    can = CanRecording(bus="pt", time_us=time_us, frames=np.zeros(time_us.size, RECORD))

    sent: list[int] = []
    for piece in _can_pieces(can, 500):
        payload = piece.make(Envelope(boot="b", seq=0, sent_ms=0, is_hist=True, origin="replayed"))
        body = cbor2.loads(payload)
        sent += parse_can_payload(body["f"], body["t0"], is_fd=False)[0].tolist()

    assert sent == (time_us + 500).tolist()


def test_the_live_end_of_a_frame_log_is_a_message_of_its_own() -> None:
    time_us = START_US + np.arange(10, dtype=np.int64) * 20_000_000
    can = CanRecording(bus="pt", time_us=time_us, frames=np.zeros(time_us.size, RECORD))

    assert [piece.rows for piece in _can_pieces(can, 0)] == [6, 4]

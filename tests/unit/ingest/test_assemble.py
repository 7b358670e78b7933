from __future__ import annotations

import time

import numpy as np

from data.catalogue import load_catalogue
from ingest.assemble import CanRows, assemble
from ingest.messages import CanFrames, Message, Model, TroubleCode, Vehicle

NOW_US = 1_700_000_000_000_000
COUNT = 20_000
MODEL = Model(model_id="m", cell_count=1, probe_count=1, wheel_count=4, grid_s=1.0, dbc="", signal_map={})


def test_many_codes_of_one_message_are_added_once_and_soon() -> None:
    codes = [(0, TroubleCode(NOW_US - n, "engine", "P0001", 0)) for n in range(COUNT)]

    def decode(*_: object) -> CanRows:
        return [], [], {}, codes + codes[:10]

    frame = CanFrames(
        np.array([NOW_US]), np.zeros(1, np.uint32), np.zeros(1, np.int64), np.zeros((1, 8), np.uint8)
    )
    message = Message(vehicle=Vehicle(1, MODEL), received_us=NOW_US, can=frame)
    began_s = time.monotonic()
    for _ in range(2):  # a batch that is refused is assembled again
        assemble([message], catalogue=load_catalogue(), future_s=300.0, can_decode=decode)

    assert message.codes == [code for _, code in codes]
    assert time.monotonic() - began_s < 5.0, "each code compared with each other one takes minutes"

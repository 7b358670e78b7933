"""Speed of the CAN decoder beside cantools, one JSON line per case (``pytest -m benchmark``)."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest

from ingest.bench.decode import bench_decode
from ingest.bench.random_frames import made_up_dbc

pytestmark = pytest.mark.benchmark
_LEAST_RATIO = 25  #: of a large bus


@pytest.mark.parametrize("messages", [0, 75, 300])
def test_can_decoding_speed_on_the_demonstration_bus_and_larger_ones(
    messages: int, capsys: pytest.CaptureFixture[str]
) -> None:
    text = resources.files("data").joinpath("dbc", "anxin_demo.dbc").read_text()
    if messages:
        text = made_up_dbc(messages, np.random.default_rng(1))

    result = bench_decode(text, seed=1, rounds=5)

    with capsys.disabled():
        print(json.dumps({"benchmark": "decode", **result}))  # noqa: T201
    assert result["equal"]
    if messages:
        assert result["ratio"] >= _LEAST_RATIO

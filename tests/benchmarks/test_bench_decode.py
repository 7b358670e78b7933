"""Speed of the CAN decoder beside cantools, one JSON line per case (``pytest -m benchmark``)."""

from __future__ import annotations

import json
from importlib import resources

import pytest

from ingest.bench.decode import bench_decode

pytestmark = pytest.mark.benchmark


@pytest.mark.parametrize("frames", [50_000, 5_000, 1_000])
def test_can_decoding_speed_by_frames_in_a_batch(frames: int, capsys: pytest.CaptureFixture[str]) -> None:
    text = resources.files("data").joinpath("dbc", "anxin_demo.dbc").read_text()

    result = bench_decode(text, frames=frames, seed=1, rounds=250_000 // frames)

    with capsys.disabled():
        print(json.dumps({"benchmark": "decode", **result}))  # noqa: T201
    assert result["equal"]

"""Broker to committed rows beside the naive peer, one JSON line (``pytest -m benchmark``)."""

from __future__ import annotations

import json

import pytest

from data.broker import find_mosquitto
from ingest.bench.ingest import bench_ingest

pytestmark = pytest.mark.benchmark


def test_a_filled_queue_becomes_rows_without_loss(capsys: pytest.CaptureFixture[str]) -> None:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    result = bench_ingest(messages=40_000, rounds=1, seed=1)

    with capsys.disabled():
        print(json.dumps({"benchmark": "ingest", **result}))  # noqa: T201
    assert (result["lost"], result["duplicated"]) == (0, 0)
    assert result["stored"] == 40_000 * 2 + 2 * 5_000 * 10 * 3
    # how fast is told, not held against a target: the machine is shared
    assert result["a"]["ratio"] > 0
    assert result["b"]["ratio"] > 1

"""From the published reading to the decrypted push, one JSON line (``pytest -m benchmark``)."""

from __future__ import annotations

import json

import pytest

from tests.installed import anxin

pytestmark = pytest.mark.benchmark


def test_every_hazard_in_a_steady_stream_reaches_its_owner_once(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = anxin("bench", "latency", "--json", "--rate", 100, "--seconds", 10, "--hazards", 2)

    with capsys.disabled():
        print(json.dumps({"benchmark": "latency", **outcome.json}))  # noqa: T201
    # how long it takes is told, not held against a target: the machine is shared
    assert outcome.code == 0, outcome.err[-2000:]
    found = outcome.json
    assert (found["hazards"], found["missed"], found["extra"]) == (20, 0, 0)
    assert set(found["stages"]) == {"committed", "predicted", "ordered", "pushed"}
    assert 0 < found["p50_ms"] <= found["p95_ms"] <= found["p99_ms"]

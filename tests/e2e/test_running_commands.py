"""The commands beside a running installation: healthy, and one JSON object each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.installed import Installation, eventually, installation


@pytest.fixture(scope="module")
def running() -> Iterator[Installation]:
    with installation() as started:
        yield started


def test_a_fresh_installation_is_healthy(running: Installation) -> None:
    outcome = running.anxin("check", "--json")

    assert outcome.code == 0, outcome.err
    assert outcome.json["ok"] is True
    names = [check["name"] for check in outcome.json["checks"]]
    assert {"database", "schema", "services", "rejects", "gaps", "outbox", "disk"} <= set(names)
    for name in names:
        assert f" {name}: " in outcome.err


def test_the_schema_of_a_running_installation_is_up_to_date(running: Installation) -> None:
    assert running.anxin("migrate", "--reference", "--json").json == {"applied": [], "logins": []}


def test_a_simulated_past_is_stored_and_leaves_nothing_to_act_on(running: Installation) -> None:
    counts = running.anxin("simulate", "--vehicles", 2, "--days", 1, "--once", "--json").json

    assert counts["vehicles"] == 2

    def ingested() -> int:
        (check,) = [c for c in running.anxin("check", "--json").json["checks"] if c["name"] == "ingest"]
        return int(check["figures"]["messages"])

    eventually(lambda: ingested() >= counts["acked"] > 0, what="all stored", logs=running.logs)
    told = running.anxin("rejects", "--json")
    assert told.json == {"counts": [], "rejects": []}
    assert "no rejects" in told.err


def test_retrying_without_rejects_changes_nothing(running: Installation) -> None:
    told = running.anxin("rejects", "--retry", "--json").json

    assert told == {"counts": [], "rejects": [], "retried": {"stored": 0, "still_rejected": 0}}

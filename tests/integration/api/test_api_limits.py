"""What a request may cost, and what it gets when it asks for too much or for what cannot be."""

from __future__ import annotations

import pytest

from api.middleware import BodyLimit
from data.db import open_pool, transaction
from data.errors import DatabaseAway
from tests.api_world import MINE

READINGS = f"/api/v1/vehicles/{MINE}/readings"


def test_a_long_body_is_refused_before_anyone_is_asked(world):
    client = world.client()
    for kind, path in (
        ("application/x-www-form-urlencoded", "/login"),
        ("application/json", "/api/v1/orders/1/answer"),
    ):
        body = b"x" * (BodyLimit.LONGEST_BYTES + 1)

        answer = client.post(path, content=body, headers={"content-type": kind})

        assert answer.status_code == 413
        assert "content-security-policy" in answer.headers


def test_a_long_body_in_pieces_is_refused_too(world):
    pieces = (b"x" * 1000 for _ in range(1 + BodyLimit.LONGEST_BYTES // 1000))

    answer = world.client().post(
        "/login", content=pieces, headers={"content-type": "application/x-www-form-urlencoded"}
    )

    assert answer.status_code == 413


@pytest.mark.parametrize("query", ["family=signal&signals=a%00b", "to=0001-01-01T00:00:00Z"])
def test_what_the_database_cannot_hold_is_the_callers_mistake(world, query):
    answer = world.client("operations").get(f"{READINGS}?{query}")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_defect_is_answered_as_a_problem_without_its_details(world):
    world.app.state.context.commands.answer = None

    answer = world.client("operations").post("/api/v1/orders/1/answer", json={"answer": "yes", "version": 1})

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "Internal error"


def test_a_statement_that_takes_too_long_is_given_up(database_url):
    with open_pool(database_url, size=1, statement_timeout_s=0.1) as pool:
        with pytest.raises(DatabaseAway, match="statement timeout"), transaction(pool) as connection:
            connection.execute("SELECT pg_sleep(20)")
        with transaction(pool) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_many_signals_share_the_values_of_one_answer(world, monkeypatch):
    monkeypatch.setattr("api.readings.MOST_VALUES", 200)
    with world.pool.connection() as connection:
        connection.execute(
            "INSERT INTO signal_readings (vehicle_id, time, signal, value)"
            " SELECT 1, t + n * interval '1 ms', 'Body.S' || n, n"
            " FROM generate_series('2026-01-20 00:00Z', '2026-01-20 07:00Z', interval '1 minute') t,"
            " generate_series(1, 19) n"
        )
    query = f"{READINGS}?family=signal&from=2026-01-20T00:00:00Z&to=2026-01-20T08:00:00Z&max_points=5000"

    found = world.client("operations").get(query).json()

    assert len(found["series"]) == 20
    assert len(found["time"]) <= 11
    assert all(len(values) == len(found["time"]) for values in found["series"].values())


def test_a_block_of_cells_that_is_missing_leaves_a_hole(world):
    with world.pool.connection() as connection:
        connection.execute(
            "INSERT INTO cell_readings (vehicle_id, time, first_cell, voltage_mv) VALUES"
            " (1, '2026-01-19 00:00Z', 1, '{3700, 3701}'), (1, '2026-01-19 00:00Z', 5, '{3705, 3706}')"
        )

    found = world.client("operations").get(
        f"{READINGS}?family=cell&from=2026-01-18T23:00:00Z&to=2026-01-19T01:00:00Z"
    )

    assert found.json()["voltage"] == [[3.7, 3.701, None, None, 3.705, 3.706]]

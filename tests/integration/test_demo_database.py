"""The demo fills a database of its own, never one that somebody uses."""

from __future__ import annotations

import psycopg

from tests.installed import anxin, free_port


def test_the_demo_keeps_out_of_a_database_that_is_in_use(database_url: str, broker) -> None:
    with psycopg.connect(database_url) as connection:
        tenant = connection.execute(
            "INSERT INTO tenants (name) VALUES ('demo') RETURNING tenant_id"
        ).fetchone()
        connection.execute(
            "INSERT INTO users (tenant_id, login, password_hash, role) VALUES (%s, 'a', '-', 'engineer')",
            tenant,
        )

    outcome = anxin(
        "demo",
        "--port",
        free_port(),
        ANXIN_DATABASE_URL=database_url,
        ANXIN_MQTT_URL=broker.url("simulator"),
    )

    assert outcome.code == 2
    assert "ANXIN_DATABASE_URL: is in use; the demo wants an empty database" in outcome.err
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM vehicles").fetchone() == (0,)

"""Where an installation is reached when its servers run elsewhere."""

from __future__ import annotations

from data.installation import find_running
from data.settings import Settings

DATABASE = "postgresql://h/d"


def test_a_broker_elsewhere_is_reached_under_the_account_of_each_role() -> None:
    settings = Settings(database_url=DATABASE, mqtt_url="mqtt://{role}:secret@broker:1883")
    endpoints = find_running(settings)
    assert endpoints.settings_for(settings, "ingest").mqtt_url == "mqtt://ingest:secret@broker:1883"
    assert endpoints.settings_for(settings, "simulator").mqtt_url == "mqtt://simulator:secret@broker:1883"


def test_one_account_may_serve_every_role() -> None:
    settings = Settings(database_url=DATABASE, mqtt_url="mqtt://one:secret@broker:1883")
    endpoints = find_running(settings)
    assert {endpoints.settings_for(settings, role).mqtt_url for role in ("ingest", "notify", None)} == {
        "mqtt://one:secret@broker:1883"
    }

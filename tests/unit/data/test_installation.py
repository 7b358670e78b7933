"""Where an installation is reached when its servers run elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import EmbeddedError, SettingsError
from data.installation import Installation, find_running
from data.processes import DirectoryLock
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


def test_a_database_without_a_broker_serves_only_what_needs_none() -> None:
    settings = Settings(database_url=DATABASE)
    endpoints = find_running(settings)
    assert endpoints.settings_for(settings, None).database_url == DATABASE
    with pytest.raises(SettingsError, match="ANXIN_MQTT_URL is not set"):
        endpoints.settings_for(settings, "ingest")


def test_an_installation_that_was_killed_is_not_running(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    run = {"pid": gone.pid, "database_url": DATABASE, "mqtt_urls": {}, "broker": "amqtt"}
    (tmp_path / "run.json").write_text(json.dumps(run))

    with pytest.raises(SettingsError, match="no 'anxin up' runs in ANXIN_HOME"):
        find_running(Settings(home=str(tmp_path)))


def test_a_second_installation_in_one_home_is_refused_before_it_touches_anything(tmp_path: Path) -> None:
    first = DirectoryLock(tmp_path)
    first.acquire()
    run = tmp_path / "run.json"
    run.write_text("{}")
    settings = Settings(home=str(tmp_path), database_url=DATABASE, mqtt_url="mqtt://h")

    with Installation(settings, {}) as second, pytest.raises(EmbeddedError, match="in use by another Anxin"):
        second.start_servers()

    assert run.read_text() == "{}"
    first.release()

"""Settings come from the environment and fail at start with the name of the setting."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import SettingsError
from data.settings import Settings

NUMBERS = [f for f in fields(Settings) if "low" in f.metadata]
README = Path(__file__).resolve().parents[3] / "data" / "README.md"


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_env({}) == Settings()


def test_every_setting_is_documented_with_the_rule_it_obeys() -> None:
    assert all(f.metadata["doc"] for f in fields(Settings))
    for field in NUMBERS:
        assert field.metadata["low"] <= field.default <= field.metadata["high"], field.name


def test_the_table_in_the_readme_is_the_settings() -> None:
    expected = [
        f"| `ANXIN_{f.name.upper()}` | {_shown(f.default)} | {f.metadata['doc']} |" for f in fields(Settings)
    ]

    assert [
        line for line in README.read_text("utf-8").splitlines() if line.startswith("| `ANXIN_")
    ] == expected


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("ANXIN_NO_SUCH", "1", "ANXIN_NO_SUCH: no such setting"),
        ("ANXIN_HTTP_PORT", "0", "ANXIN_HTTP_PORT='0': must be from 1 to 65535"),
        ("ANXIN_HTTP_PORT", "eighty", "ANXIN_HTTP_PORT='eighty': must be a number"),
        ("ANXIN_BROKER", "rabbit", "ANXIN_BROKER='rabbit': must be one of auto, mosquitto, amqtt"),
        ("ANXIN_INGEST_SHARE", "in/gest", "ANXIN_INGEST_SHARE='in/gest': must be letters, digits"),
        ("ANXIN_INGEST_SLOT", "", "ANXIN_INGEST_SLOT='': must be letters, digits"),
        (
            "ANXIN_PUSH_ALLOW_LOOPBACK",
            "maybe",
            "ANXIN_PUSH_ALLOW_LOOPBACK='maybe': must be 1, 0, true, false, yes or no",
        ),
        ("ANXIN_LOG_FORMAT", "xml", "ANXIN_LOG_FORMAT='xml': must be one of auto, text, json"),
        ("ANXIN_DATABASE_URL", "mysql://h/d", "ANXIN_DATABASE_URL: must be a URL of the form postgresql://"),
        ("ANXIN_MQTT_URL", "mqtt://", "ANXIN_MQTT_URL: must be a URL of the form mqtt://"),
        ("ANXIN_MQTT_URL", "mqtt://h:99999", "ANXIN_MQTT_URL: must be a URL of the form mqtt://"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(variable: str, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({variable: text})

    assert str(caught.value).startswith(message)


def test_a_secret_in_a_wrong_url_is_not_repeated_in_the_message() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"ANXIN_MQTT_URL": "http://user:hunter2@h"})

    assert "hunter2" not in str(caught.value)


def test_variables_of_other_programs_and_of_the_suites_are_left_alone() -> None:
    environ = {"PATH": "/bin", "ANXIN_RECORDINGS": "/r", "ANXIN_TEST_DATABASE_URL": "x"}

    assert Settings.from_env(environ) == Settings()


@pytest.mark.parametrize(
    "url", ["postgresql://u:p@db.example:5432/anxin", "postgresql://anxin@/anxin?host=/run/anxin"]
)
def test_database_addresses_may_be_hosts_or_sockets(url: str) -> None:
    assert Settings.from_env({"ANXIN_DATABASE_URL": url}).database_url == url


@given(data=st.data())
def test_numbers_within_their_rule_are_taken_and_others_refused(data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(NUMBERS))
    low, high = field.metadata["low"], field.metadata["high"]
    value = data.draw(st.integers(-(10**7), 10**7) | st.sampled_from([low, high]))
    variable = f"ANXIN_{field.name.upper()}"
    text = str(int(value)) if isinstance(field.default, int) else str(value)

    if low <= type(field.default)(text) <= high:
        assert getattr(Settings.from_env({variable: text}), field.name) == type(field.default)(text)
    else:
        with pytest.raises(SettingsError, match=variable):
            Settings.from_env({variable: text})


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_numbers_that_are_not_finite_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="ANXIN_FRESH_S"):
        Settings.from_env({"ANXIN_FRESH_S": text})


def _shown(default: object) -> str:
    return "" if default == "" else f"`{int(default) if isinstance(default, bool) else default}`"

from __future__ import annotations

import re
import string
from importlib import resources
from types import SimpleNamespace

import pytest

from api.pages import Words
from api.texts import LANGUAGES, load_texts, pick_language
from data.records import FailureMode, Severity

TEXTS = load_texts()


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_language_has_the_same_keys_with_the_same_values_to_fill_in() -> None:
    for key, english in TEXTS["en"].items():
        for language in LANGUAGES:
            assert fields(TEXTS[language][key]) == fields(english), key


def test_every_key_that_a_template_names_is_in_the_catalogue() -> None:
    folder = resources.files("api").joinpath("web/templates")
    for template in folder.iterdir():
        for key in re.findall(r"""\bt\(["']([a-z_.]+)["']""", template.read_text("utf-8")):
            if not key.endswith((".", "_")):
                assert key in TEXTS["en"], f"{template.name}: {key}"


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_every_failure_mode_and_severity_has_words(language: str) -> None:
    for mode in FailureMode:
        assert f"mode.{mode}" in TEXTS[language]
    for severity in Severity:
        assert TEXTS[language][f"severity.{severity}"]
        assert TEXTS[language][f"do.{severity}"]


def test_components_are_said_in_words() -> None:
    english, chinese = (Words(language, TEXTS[language], 2026) for language in ("en", "zh"))

    assert english.component("tire front-left") == "front left tyre"
    assert chinese.component("tire front-left") == "左前轮胎"
    assert english.component("cell 82") == "cell 82"
    assert chinese.component("cell 82") == "82 号电芯"
    assert english.component("battery") == "battery"


def test_only_a_battery_needs_care_when_charging() -> None:
    words = Words("en", TEXTS["en"], 2026)
    tire, cell, mild = (
        SimpleNamespace(component=component, severity=severity)
        for component, severity in (("tire front-left", "S2"), ("cell 82", "S2"), ("cell 82", "S3"))
    )

    assert "charge" not in words.advice(tire)
    assert "charge to at most 80 %" in words.advice(cell)
    assert words.advice(mild) == TEXTS["en"]["do.S3"]


def test_quantities_have_the_decimals_that_they_have() -> None:
    words = Words("en", TEXTS["en"], 2026)

    assert [words.quantity(q) for q in ("1.00", "0.50", "10", 0.13)] == ["1", "0.5", "10", "0.13"]


def test_numbers_ages_and_times_are_readable() -> None:
    words = Words("en", TEXTS["en"], 2026)

    assert words.ago(None) == "never"
    assert words.ago(59.9) == "59 s ago"
    assert words.ago(3 * 3600) == "3 h ago"
    assert words.lasting(139) == "5.8 days"
    assert words.number(12345.6) == "12\u202f345.6"
    assert words.number(-3.9) == "−3.9"
    assert words.number(float("nan")) == "–"
    assert words.money("166.11", "CNY") == "¥166.11"
    assert words.when("2026-01-20T18:30:00+00:00", "Asia/Shanghai") == "Wed\u00a001-21\u00a002:30"
    assert words.when("2025-01-20T18:30:00+00:00", "Asia/Shanghai") == "Tue\u00a02025-01-21\u00a002:30"


@pytest.mark.parametrize(
    ("cookie", "accept", "language"),
    [
        ("zh", "en", "zh"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "fr,en;q=0.5,zh;q=0.4", "en"),
        (None, "", "en"),
        ("xx", ";q=x,,zh", "zh"),
    ],
)
def test_the_language_is_the_chosen_one_or_the_first_understood(
    cookie: str | None, accept: str, language: str
) -> None:
    assert pick_language(cookie, accept) == language

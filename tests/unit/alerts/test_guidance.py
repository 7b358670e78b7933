"""The repair guidance: every failure mode has some, and what breaks a rule is named."""

from __future__ import annotations

import copy
import re
import tomllib
from importlib import resources
from typing import Any

import pytest

from alerts.errors import GuidanceError
from alerts.guidance.book import load_book, parse_book
from data.records import FailureMode

SAFETY = {
    "hv": {
        "title_en": "High voltage",
        "title_zh": "高压",
        "basis": "ISO 6469-3",
        "steps": [{"en": "a", "zh": "b"}],
    }
}
CHECK = {"en": "look", "zh": "看", "expect_en": "dry", "expect_zh": "干", "basis": "experience"}
GUIDE = {"safety": ["hv"], "signals": ["soc"], "tools_en": ["lamp"], "tools_zh": ["灯"], "checks": [CHECK]}
CODE = {"title_en": "x", "title_zh": "x", "first_en": "x", "first_zh": "x", "mode": "cell_weak"}


def parse(change: Any) -> Any:
    tables: dict[str, Any] = copy.deepcopy(
        {"safety": SAFETY, "guides": {str(mode): GUIDE for mode in FailureMode}, "codes": {"P0A80": CODE}}
    )
    change(tables)
    return parse_book(**tables)


def test_every_failure_mode_has_a_guide_with_checks_and_signals() -> None:
    book = load_book()

    assert set(book.guides) == set(FailureMode)
    assert all(guide.checks and guide.signals and guide.tools for guide in book.guides.values())


def test_what_needs_a_high_voltage_station_begins_with_high_voltage_safety() -> None:
    jobs = tomllib.loads(resources.files("data").joinpath("reference/jobs.toml").read_text("utf-8"))
    needs_hv = {job["failure_mode"] for job in jobs["repair_jobs"] if job["needs_hv"]}
    told = {
        str(mode)
        for mode, guide in load_book().guides.items()
        if "high_voltage" in [section.name for section in guide.safety]
    }

    assert needs_hv <= told


def test_both_languages_name_the_same_numbers() -> None:
    def numbers(text: str) -> list[str]:
        return sorted(re.findall(r"\d+(?:\.\d+)?", text))

    for guide in load_book().guides.values():
        for check in guide.checks:
            assert numbers(check.do.en) == numbers(check.do.zh), check.do
            assert numbers(check.expect.en) == numbers(check.expect.zh), check.expect


def test_a_code_with_a_suffix_is_looked_up_without_it() -> None:
    book = load_book()

    assert book.code("p0aa6-1A") is book.codes["P0AA6"]
    assert book.code("P1234") is None


def test_a_guide_may_be_another_ones_with_a_note() -> None:
    book = parse(
        lambda t: t["guides"].update(cell_weak={"same_as": "brake_drag", "note_en": "n", "note_zh": "z"})
    )

    weak, drag = book.guides[FailureMode.CELL_WEAK], book.guides[FailureMode.BRAKE_DRAG]
    assert (weak.checks, weak.note.en, drag.note) == (drag.checks, "n", None)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda t: t["guides"].pop("brake_drag"), "guide brake_drag: every failure mode needs one"),
        (lambda t: t["guides"].update(rust=GUIDE), "'rust' is no failure mode"),
        (lambda t: t["guides"]["brake_drag"].update(safety=["x"]), "safety 'x' is no section"),
        (lambda t: t["guides"]["brake_drag"].update(signals=["x"]), "signal 'x' is not in the catalogue"),
        (lambda t: t["guides"]["brake_drag"].update(tools_zh=[]), "must name the same tools"),
        (lambda t: t["guides"]["brake_drag"].update(checks=[]), "needs at least one check"),
        (lambda t: t["guides"]["brake_drag"].update(colour="red"), "colour is not known"),
        (lambda t: t["guides"].update(brake_drag={"same_as": "x"}), "must be a guide of its own"),
        (lambda t: t["guides"]["brake_drag"]["checks"].append({**CHECK, "zh": ""}), "check 2: needs zh"),
        (lambda t: t["codes"].update(X123=CODE), "code X123: must be a letter"),
        (lambda t: t["codes"]["P0A80"].update(mode="rust"), "'rust' is no failure mode"),
    ],
)
def test_what_breaks_a_rule_is_named(change: Any, rule: str) -> None:
    with pytest.raises(GuidanceError, match=re.escape(rule)):
        parse(change)

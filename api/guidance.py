"""Repair guidance as callers see it: the guide of a failure mode, the meaning of trouble codes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from alerts.guidance.book import Book, CodeGuide, Guide, Safety, Said
from api.schemas import Shape
from data.records import FailureMode


class Text(Shape):
    """A sentence in both languages."""

    en: str
    zh: str


class SafetySection(Shape):
    """What has to be done before hands touch anything."""

    name: str = Field(examples=["high_voltage"])
    title: Text
    steps: list[Text]
    basis: str


class GuideCheck(Shape):
    """One check; checks stand in the order in which they cost least and tell most."""

    do: Text
    expect: Text
    basis: str = Field(description="the public text behind the expected value, or that it is experience")
    is_experience: bool


class RepairGuide(Shape):
    """How one failure mode is verified and repaired."""

    failure_mode: str = Field(examples=["tire_slow_leak"])
    note: Text | None
    safety: list[SafetySection]
    tools: list[Text]
    checks: list[GuideCheck]
    signals: list[str] = Field(description="catalogue aliases worth asking the vehicle for")


class KnownCode(Shape):
    """A trouble code, what it means and where to begin; without meaning where only its maker knows."""

    code: str = Field(examples=["P0AA6"])
    ecu: str | None
    last_seen: datetime | None
    title: Text | None
    first: Text | None
    failure_mode: str | None = Field(description="whose guide goes on from there")


class OrderGuidance(Shape):
    """What helps a technician with one order."""

    guide: RepairGuide
    codes: list[KnownCode] = Field(
        description="confirmed by the vehicle within 30 days, or found at the station"
    )


def build_guide(guide: Guide) -> RepairGuide:
    """Return a guide."""
    return RepairGuide(
        failure_mode=guide.failure_mode,
        note=None if guide.note is None else _text(guide.note),
        safety=[_safety(section) for section in guide.safety],
        tools=[_text(tool) for tool in guide.tools],
        checks=[
            GuideCheck(
                do=_text(check.do),
                expect=_text(check.expect),
                basis=check.basis,
                is_experience=check.is_experience,
            )
            for check in guide.checks
        ],
        signals=list(guide.signals),
    )


def build_code(
    code: str, known: CodeGuide | None, *, ecu: str | None, last_seen: datetime | None
) -> KnownCode:
    """Return what is known of a trouble code."""
    return KnownCode(
        code=code,
        ecu=ecu,
        last_seen=last_seen,
        title=None if known is None else _text(known.title),
        first=None if known is None else _text(known.first),
        failure_mode=None if known is None else known.failure_mode,
    )


def build_guidance(book: Book, failure_mode: str, codes: Sequence[dict[str, Any]]) -> OrderGuidance:
    """Return the guidance of an order; ``codes`` have ``code``, ``ecu`` and ``last_seen``."""
    return OrderGuidance(
        guide=build_guide(book.guides[FailureMode(failure_mode)]),
        codes=[
            build_code(row["code"], book.code(row["code"]), ecu=row["ecu"], last_seen=row["last_seen"])
            for row in codes
        ],
    )


def _text(said: Said) -> Text:
    return Text(en=said.en, zh=said.zh)


def _safety(section: Safety) -> SafetySection:
    return SafetySection(
        name=section.name,
        title=_text(section.title),
        steps=[_text(step) for step in section.steps],
        basis=section.basis,
    )

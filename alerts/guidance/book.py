"""The repair guidance of every failure mode and of common trouble codes, read from the files beside it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from alerts.errors import GuidanceError
from data.catalogue import load_catalogue
from data.records import FailureMode

_GUIDES = ("tires.toml", "battery.toml", "drive.toml")
_CODE = re.compile(r"^[PCBU][0-9A-F]{4}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A sentence in both languages."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Safety:
    """What has to be done before hands touch anything."""

    name: str
    title: Said
    steps: tuple[Said, ...]
    basis: str  #: the public text it rests on


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: what to do, what to expect, where the value comes from."""

    do: Said
    expect: Said
    basis: str  #: a public text, or that it is experience

    @property
    def is_experience(self) -> bool:
        """Tell whether no public text stands behind the expected value."""
        return self.basis.startswith("experience")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """How one failure mode is verified and repaired; checks in their order."""

    failure_mode: FailureMode
    note: Said | None
    safety: tuple[Safety, ...]
    tools: tuple[Said, ...]
    checks: tuple[Check, ...]
    signals: tuple[str, ...]  #: catalogue aliases worth asking the vehicle for


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeGuide:
    """What a trouble code means and which guide goes on from it."""

    code: str
    title: Said
    first: Said
    failure_mode: FailureMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """All guidance."""

    guides: Mapping[FailureMode, Guide]
    codes: Mapping[str, CodeGuide]

    def code(self, code: str) -> CodeGuide | None:
        """Return the guide of a trouble code, also where it has a suffix (``P0AA6-1A``)."""
        return self.codes.get(code.strip().upper().partition("-")[0])


@cache
def load_book() -> Book:
    """Return the guidance shipped with Anxin.

    Raises:
        GuidanceError: A file breaks a rule; names entry, field and rule.
    """
    folder = resources.files("alerts.guidance")

    def read(name: str) -> dict[str, Any]:
        return tomllib.loads(folder.joinpath(name).read_text("utf-8"))

    guides: dict[str, Any] = {}
    for name in _GUIDES:
        guides |= read(name)
    return parse_book(safety=read("safety.toml"), guides=guides, codes=read("codes.toml"))


def parse_book(*, safety: Mapping[str, Any], guides: Mapping[str, Any], codes: Mapping[str, Any]) -> Book:
    """Return the guidance that the tables of the files define.

    Raises:
        GuidanceError: A failure mode has no guide, a name is unknown or a field is missing.
    """
    sections = {name: _safety(name, entry) for name, entry in safety.items()}
    missing = sorted(set(FailureMode) - set(guides))
    if missing:
        raise GuidanceError(f"guide {missing[0]}: every failure mode needs one")
    read = {_mode(name, name): _guide(name, guides, sections) for name in guides}
    found = {code: _code(code, entry) for code, entry in codes.items()}
    return Book(guides=MappingProxyType(read), codes=MappingProxyType(found))


def _guide(name: str, guides: Mapping[str, Any], sections: Mapping[str, Safety]) -> Guide:
    own = guides[name]
    entry = guides.get(own["same_as"]) if "same_as" in own else own
    if entry is None or ("same_as" in own and "same_as" in entry):
        raise GuidanceError(f"guide {name}: same_as {own['same_as']!r} must be a guide of its own")
    _known(entry, ("safety", "signals", "tools_en", "tools_zh", "checks"), f"guide {name}")
    _known(own, ("same_as", "note_en", "note_zh", *entry), f"guide {name}")
    where = f"guide {name}"
    _needed(entry, ("safety", "signals", "tools_en", "tools_zh", "checks"), where)
    for section in entry["safety"]:
        if section not in sections:
            raise GuidanceError(f"{where}: safety {section!r} is no section of safety.toml")
    for alias in entry["signals"]:
        if alias not in load_catalogue().signals:
            raise GuidanceError(f"{where}: signal {alias!r} is not in the catalogue")
    if len(entry["tools_en"]) != len(entry["tools_zh"]):
        raise GuidanceError(f"{where}: tools_en and tools_zh must name the same tools")
    if not entry["checks"]:
        raise GuidanceError(f"{where}: needs at least one check")
    return Guide(
        failure_mode=_mode(name, name),
        note=_said(own, "note_", where) if "note_en" in own else None,
        safety=tuple(sections[section] for section in entry["safety"]),
        tools=tuple(Said(en=en, zh=zh) for en, zh in zip(entry["tools_en"], entry["tools_zh"], strict=True)),
        checks=tuple(_check(check, f"{where}: check {i}") for i, check in enumerate(entry["checks"], 1)),
        signals=tuple(entry["signals"]),
    )


def _check(entry: Mapping[str, Any], where: str) -> Check:
    _known(entry, ("en", "zh", "expect_en", "expect_zh", "basis"), where)
    _needed(entry, ("basis",), where)
    return Check(do=_said(entry, "", where), expect=_said(entry, "expect_", where), basis=entry["basis"])


def _safety(name: str, entry: Mapping[str, Any]) -> Safety:
    where = f"safety {name}"
    _known(entry, ("title_en", "title_zh", "basis", "steps"), where)
    _needed(entry, ("basis", "steps"), where)
    steps = tuple(_said(step, "", f"{where}: step {i}") for i, step in enumerate(entry["steps"], 1))
    return Safety(name=name, title=_said(entry, "title_", where), steps=steps, basis=entry["basis"])


def _code(code: str, entry: Mapping[str, Any]) -> CodeGuide:
    where = f"code {code}"
    if not _CODE.match(code):
        raise GuidanceError(f"{where}: must be a letter of P, C, B, U and four digits of base 16")
    _known(entry, ("title_en", "title_zh", "first_en", "first_zh", "mode"), where)
    _needed(entry, ("mode",), where)
    return CodeGuide(
        code=code,
        title=_said(entry, "title_", where),
        first=_said(entry, "first_", where),
        failure_mode=_mode(entry["mode"], where),
    )


def _mode(name: str, where: str) -> FailureMode:
    if name not in set(FailureMode):
        raise GuidanceError(f"{where}: {name!r} is no failure mode")
    return FailureMode(name)


def _said(entry: Mapping[str, Any], prefix: str, where: str) -> Said:
    names = [f"{prefix}{language.name}" for language in fields(Said)]
    _needed(entry, names, where)
    return Said(en=entry[names[0]], zh=entry[names[1]])


def _needed(entry: Mapping[str, Any], names: Collection[str], where: str) -> None:
    for name in names:
        if name not in entry or entry[name] == "":
            raise GuidanceError(f"{where}: needs {name}")


def _known(entry: Mapping[str, Any], names: Collection[str], where: str) -> None:
    for name in entry:
        if name not in names:
            raise GuidanceError(f"{where}: {name} is not known")

"""Texts of the pages in every language, from one catalogue a language with the same keys."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType

LANGUAGES = {"en": "English", "zh": "中文"}
DEFAULT = "en"


def load_texts() -> Mapping[str, Mapping[str, str]]:
    """Return language -> ``section.key`` -> text.

    Raises:
        ValueError: The languages do not have the same keys; names them.
    """
    texts = {}
    for language in LANGUAGES:
        file = resources.files("api").joinpath(f"web/i18n/{language}.toml")
        sections = tomllib.loads(file.read_text("utf-8"))
        texts[language] = {f"{name}.{key}": text for name, s in sections.items() for key, text in s.items()}
    for language, found in texts.items():
        odd = set(found) ^ set(texts[DEFAULT])
        if odd:
            raise ValueError(f"texts {language} and {DEFAULT} differ in {sorted(odd)}")
    return MappingProxyType({language: MappingProxyType(found) for language, found in texts.items()})


def pick_language(cookie: str | None, accept: str) -> str:
    """Return the language of the cookie, or the first known one the browser accepts (RFC 9110 §12.5.4)."""
    if cookie in LANGUAGES:
        return cookie
    ranked: list[tuple[float, int, str]] = []
    for place, item in enumerate(accept.split(",")[:20]):
        tag, _, weight = item.strip().partition(";q=")
        try:
            ranked.append((-float(weight or 1), place, tag[:2].lower()))
        except ValueError:
            continue
    return next((tag for _, _, tag in sorted(ranked) if tag in LANGUAGES), DEFAULT)

"""Topic patterns with captures, matched against topics and turned into subscription filters."""

from __future__ import annotations

import re
from dataclasses import dataclass

from data.topics import PREFIX

_CAPTURE = re.compile(r"\{(vin|id|key|any)\}")
#: What a level may hold beside a capture that takes all of it.
_LITERAL = re.compile(r"^[^{}+#\0]*$")


@dataclass(frozen=True, slots=True)
class Captured:
    """What a topic says of its message."""

    vin: str = ""
    id: str = ""  #: several ``{id}`` levels joined by ``/``
    key: str = ""  #: name of the value, of one or more levels


class TopicPattern:
    """A topic with captures that each take one level: ``fleet/{id}/state``.

    ``{vin}`` is a VIN, ``{id}`` a name that a table turns into one, ``{any}`` is passed over, and ``{key}``,
    which must come last and takes all levels that are left, names the value.

    Args:
        text: The pattern.

    Raises:
        ValueError: The text is no such pattern; says why.
    """

    def __init__(self, text: str) -> None:
        levels = text.split("/")
        captures = [m[1] if (m := _CAPTURE.fullmatch(level)) else "" for level in levels]
        wrong = [x for x, c in zip(levels, captures, strict=True) if not c and not _LITERAL.fullmatch(x)]
        if wrong:
            raise ValueError(f"level {wrong[0]!r} must be a word, {{vin}}, {{id}}, {{any}} or {{key}}")
        if "key" in captures[:-1]:
            raise ValueError("{key} must be the last level")
        if ("vin" in captures) == ("id" in captures) and "vin" in captures:
            raise ValueError("must have {vin} or {id}, not both")
        if captures.count("vin") > 1:
            raise ValueError("{vin} must be there once")
        if captures[0] or levels[0].startswith("$") or not levels[0]:
            raise ValueError("the first level must be a word: all of a broker is not ours")
        if text.startswith(PREFIX):
            raise ValueError(f"must not begin with {PREFIX}: those are the topics of vehicles")
        self.text = text
        self.has_vin, self.has_id = "vin" in captures, "id" in captures
        self.has_key = captures[-1] == "key"
        self._captures = captures
        parts = [
            {"": re.escape(level), "any": "[^/]*", "key": "(.+)"}.get(capture, "([^/]+)")
            for level, capture in zip(levels, captures, strict=True)
        ]
        self._groups = [capture for capture in captures if capture not in {"", "any"}]
        self._regex = re.compile("/".join(parts), re.DOTALL)
        self._levels = levels

    def filter(self, key: str | None = None) -> str:
        """Return the subscription filter, of one key only where ``key`` is given."""
        levels = [
            "+" if capture else level for level, capture in zip(self._levels, self._captures, strict=True)
        ]
        if self.has_key:
            levels[-1] = "#" if key is None else key
        return "/".join(levels)

    def match(self, topic: str) -> Captured | None:
        """Return what a topic says, or None where it is not of this pattern."""
        found = self._regex.fullmatch(topic)
        if found is None:
            return None
        said: dict[str, list[str]] = {"vin": [], "id": [], "key": []}
        for name, value in zip(self._groups, found.groups(), strict=True):
            said[name].append(value)
        return Captured(*("/".join(said[name]) for name in ("vin", "id", "key")))

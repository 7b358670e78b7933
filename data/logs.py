"""How services log: one event a line, on stderr, without whole VINs and without positions."""

from __future__ import annotations

import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

from data.settings import Settings

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_VIN = re.compile(r"(?<![A-Za-z0-9])[A-HJ-NPR-Z0-9]{11}([A-HJ-NPR-Z0-9]{6})(?![A-Za-z0-9])")
_POSITIONS = frozenset({"lat", "lon", "latitude", "longitude", "position", "home_lat", "home_lon"})


class _Stderr:
    """Standard error as it is when something is written: loggers live longer than a redirection of it."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure_logs(settings: Settings, *, least_level: int = 0) -> None:
    """Set structlog up for this process: level and format as the settings say.

    Args:
        settings: ``log_level`` and ``log_format``.
        least_level: At least this level, for commands that say on their own what happens.
    """
    is_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    rendered: Any = (
        structlog.processors.JSONRenderer()
        if is_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask_identities,
            rendered,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(max(least_level, _LEVELS[settings.log_level])),
        logger_factory=structlog.PrintLoggerFactory(file=cast(TextIO, _Stderr())),
        cache_logger_on_first_use=True,
    )


def mask_identities(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Leave the last six characters of VINs, enough to find a vehicle in hand, and no position."""
    for key, value in event.items():
        if key in _POSITIONS:
            event[key] = "masked"
        elif isinstance(value, str):
            event[key] = _VIN.sub(r"…\1", value)
    return event

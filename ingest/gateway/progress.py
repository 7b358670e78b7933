"""What the gateway has done so far: plain counters, read by logs and metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Progress:
    """Counts since the start; ``connections`` is of now."""

    connections: int = 0
    accepted: int = 0  #: connections let in
    turned_away: int = 0  #: connections above the limit
    logins: int = 0
    platform_logins: int = 0
    lookups_failed: int = 0  #: logins not answered because the database was away
    frames: int = 0  #: intact frames received
    answers: int = 0
    bad_checksums: int = 0
    skipped_bytes: int = 0  #: of closed connections, outside any frame
    refused: Counter[str] = field(default_factory=Counter)  #: by reason
    closed: Counter[str] = field(default_factory=Counter)  #: by reason

    def as_fields(self) -> dict[str, Any]:
        """Return what one log event tells."""
        return {
            "connections": self.connections,
            "accepted": self.accepted,
            "turned_away": self.turned_away,
            "logins": self.logins,
            "frames": self.frames,
            "answers": self.answers,
            "bad_checksums": self.bad_checksums,
            "skipped_bytes": self.skipped_bytes,
            "refused": dict(self.refused),
            "closed": dict(self.closed),
        }

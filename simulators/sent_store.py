"""What vehicles have sent during the last seven days, so that they can send it again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

KEEP_MS = 7 * 86_400_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sent (
    vin TEXT NOT NULL, boot TEXT NOT NULL, seq INTEGER NOT NULL,
    sent_ms INTEGER NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL,
    PRIMARY KEY (vin, boot, seq)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sent_by_age ON sent (sent_ms);
"""
_FETCH = "SELECT vin, boot, seq, sent_ms, topic, payload FROM sent WHERE vin = ? AND boot = ? AND seq = ?"
_NEWEST_BOOT = "SELECT boot FROM sent WHERE vin = ? ORDER BY sent_ms DESC LIMIT 1"
_HIGHEST = "SELECT max(seq) FROM sent WHERE vin = ? AND boot = ?"
_CUT = "SELECT sent_ms FROM sent ORDER BY sent_ms LIMIT 1 OFFSET (SELECT count(*) / 10 FROM sent)"


@dataclass(frozen=True, slots=True)
class SentMessage:
    """One message as it was sent."""

    vin: str
    boot: str
    seq: int
    sent_ms: int
    topic: str
    payload: bytes


class SentStore:
    """A SQLite file of sent messages, bounded in age and size; survives the end of its process.

    To be used by one thread. Writes are not flushed to the disk one by one: a power cut may cost the newest.
    """

    def __init__(self, directory: Path, *, max_bytes: int = 2_000_000_000) -> None:
        """Open or create ``sent.sqlite3`` in ``directory``; keep at most ``max_bytes`` of payload."""
        directory.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(directory / "sent.sqlite3", check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_SCHEMA)
        self._max_bytes = max_bytes
        row = self._db.execute("SELECT coalesce(sum(length(payload)), 0) FROM sent").fetchone()
        self._bytes = int(row[0])

    def save(self, messages: Iterable[SentMessage]) -> None:
        """Keep messages; one kept already stays as it is."""
        rows = [(m.vin, m.boot, m.seq, m.sent_ms, m.topic, m.payload) for m in messages]
        with self._db:
            self._db.executemany("INSERT OR IGNORE INTO sent VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._bytes += sum(len(row[5]) for row in rows)

    def fetch(self, vin: str, boot: str, seqs: Sequence[int]) -> list[SentMessage]:
        """Return those of the messages asked for that are still here, in order."""
        found = []
        for seq in seqs:
            row = self._db.execute(_FETCH, (vin, boot, seq)).fetchone()
            if row:
                found.append(SentMessage(*row))
        return found

    def newest_boot(self, vin: str) -> tuple[str, int] | None:
        """Return the boot that sent last and the highest number it sent; None when nothing is kept."""
        row = self._db.execute(_NEWEST_BOOT, (vin,)).fetchone()
        if row is None:
            return None
        boot = str(row[0])
        return boot, int(self._db.execute(_HIGHEST, (vin, boot)).fetchone()[0])

    def prune(self, now_ms: int) -> int:
        """Forget what is older than seven days, and the oldest where there is too much; return how many."""
        with self._db:
            gone = self._db.execute("DELETE FROM sent WHERE sent_ms < ?", (now_ms - KEEP_MS,)).rowcount
        while self._bytes > self._max_bytes:
            with self._db:
                cut = self._db.execute(_CUT).fetchone()
                if cut is None:
                    break
                gone += self._db.execute("DELETE FROM sent WHERE sent_ms <= ?", cut).rowcount
            self._measure()
        if gone:
            self._measure()
        return gone

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _measure(self) -> None:
        row = self._db.execute("SELECT coalesce(sum(length(payload)), 0) FROM sent").fetchone()
        self._bytes = int(row[0])

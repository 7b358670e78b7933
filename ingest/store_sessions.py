"""SQL of the sessions that the broker keeps for ingest."""

from __future__ import annotations

from data.db import Pool, load_queries, transaction
from data.heartbeat import BEAT_EVERY_S
from ingest.errors import SlotTaken

_Q = load_queries("ingest")


def note_session(pool: Pool, *, client_id: str, slot: str, share: str) -> None:
    """Write down that the broker will keep a session, before it does: one that was forgotten is an orphan."""
    with transaction(pool) as connection:
        connection.execute(_Q["note_session"], {"client_id": client_id, "slot": slot, "share": share})


def forget_session(pool: Pool, *, client_id: str) -> None:
    """Strike out a session that the broker has ended."""
    with transaction(pool) as connection:
        connection.execute(_Q["forget_session"], {"client_id": client_id})


def check_slot_free(pool: Pool, *, slot: str) -> None:
    """Check that no process works in a slot that is to be drained.

    Raises:
        SlotTaken: One has beaten for it lately; names the process.
    """
    with transaction(pool) as connection:
        row = connection.execute(
            _Q["fetch_slot_holder"], {"slot": slot, "within_s": 3 * BEAT_EVERY_S}
        ).fetchone()
    if row is not None:
        heard = f"heard {row[1]:.0f} s ago"
        raise SlotTaken(f"ANXIN_INGEST_SLOT={slot!r}: process {row[0]} works in it ({heard}): stop it first")

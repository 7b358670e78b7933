"""The branch of ingest.

AnxinError
└── IngestError         a message or its way into the database is not right
    ├── SlotTaken       another process works in the slot that is to be drained
    └── PayloadError    one message cannot be read; becomes a row of ``rejects``
"""

from __future__ import annotations

from typing import Self

from data.errors import AnxinError


class IngestError(AnxinError):
    """Ingest met something it can explain."""


class SlotTaken(IngestError):  # noqa: N818 - it reads as a fact
    """Another process works in this slot."""


class PayloadError(IngestError):
    """One message cannot be read.

    Attributes:
        reason: Stable code, counted and stored in ``rejects.reason``: ``malformed``, ``wrong_length``, …
        detail: Field, value and rule in words.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def kept(self) -> Self:
        """Return it without the frames that raised it: they hold a whole batch, and the batch holds this."""
        self.__cause__ = self.__context__ = None
        return self.with_traceback(None)

"""The branch of the adapters.

IngestError
└── AdapterError        a mapping file breaks a rule; names file, adapter, field, value and rule
"""

from __future__ import annotations

from ingest.errors import IngestError


class AdapterError(IngestError):
    """A mapping file breaks a rule."""

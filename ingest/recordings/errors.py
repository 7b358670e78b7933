"""The branch of errors that recordings add.

AnxinError
└── RecordingError      a file is not a recording that Anxin can read; names the file and the rule
"""

from __future__ import annotations

from data.errors import AnxinError


class RecordingError(AnxinError):
    """A file is not a recording that Anxin can read."""

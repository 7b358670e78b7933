"""Recordings as files: the same rows as the live stream, for inspection and replay."""

from ingest.recordings.errors import RecordingError
from ingest.recordings.reader import FORMATS, open_recording, open_recordings
from ingest.recordings.recording import CanLog, Recording

__all__ = ["FORMATS", "CanLog", "Recording", "RecordingError", "open_recording", "open_recordings"]

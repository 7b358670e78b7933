"""Frames out of a TCP stream as it arrives, resynchronised byte by byte after garbage."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.gbt32960.stream import FRAME_BYTES, HEADER_BYTES, Header, checksum, find_start, parse_header


@dataclass(frozen=True, slots=True)
class Found:
    """A frame of the right length; ``is_intact`` false where its check code is wrong."""

    header: Header
    frame: bytes
    is_intact: bool


class FrameReader:
    """Bytes in, frames out, as many as the caller asks for.

    What is not yet asked for stays as bytes, so that a reader holds at most one frame and what was appended
    since the last call.
    """

    def __init__(self, *, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes  #: longest frame believed
        self.skipped_bytes = 0  #: that belonged to no frame
        self._buffer = bytearray()

    @property
    def waiting_bytes(self) -> int:
        """Return how many bytes are held."""
        return len(self._buffer)

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Take what has arrived."""
        self._buffer += data

    def next(self) -> Found | None:
        """Return the next frame; None while it is not all here.

        After a bad start, header or check code the search goes on one byte further, not one frame further.
        """
        buffer = self._buffer
        while True:
            start = find_start(buffer, 0)
            if start < 0:
                keep = 1 if buffer and buffer[-1] in b"#$" else 0  # half a start, perhaps
                self._drop(len(buffer) - keep)
                return None
            self._drop(start)
            if len(buffer) < HEADER_BYTES:
                return None
            header = parse_header(buffer)
            if header is None or header.frame_bytes > self.limit_bytes:
                self._drop(1)
                continue
            if len(buffer) < header.frame_bytes:
                return None
            frame = bytes(buffer[: header.frame_bytes])
            if checksum(frame) == frame[-1]:
                del buffer[: header.frame_bytes]
                return Found(header, frame, is_intact=True)
            self._drop(1)
            return Found(header, frame, is_intact=False)

    def give_up(self) -> bool:
        """Stop waiting for the rest of a frame; tell whether there was one, and something behind it to read.

        A vehicle that lost its power in the middle of a frame goes on with the next one.
        """
        if len(self._buffer) < FRAME_BYTES:
            return False
        self._drop(1)
        return find_start(self._buffer, 0) >= 0

    def _drop(self, count: int) -> None:
        self.skipped_bytes += count
        del self._buffer[:count]

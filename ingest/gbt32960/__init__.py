"""GB/T 32960.3, editions 2016 and 2025: frames to catalogue values."""

from ingest.gbt32960.frame import GbtFrame, decode_frame
from ingest.gbt32960.stream import restamp_frame, split_frames

__all__ = ["GbtFrame", "decode_frame", "restamp_frame", "split_frames"]

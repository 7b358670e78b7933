"""Frames and the payloads that take the place of frames, each with its message index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from data.records import BoolArray, IntArray
from ingest.messages import CanFrames
from ingest.transport.segments import Payloads


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of a batch, shape (n,) each."""

    index: IntArray  #: message index
    frames: CanFrames

    @classmethod
    def none(cls, width: int) -> Self:
        """Return no frames, of ``width`` bytes."""
        empty = np.empty(0, np.int64)
        return cls(
            empty,
            CanFrames(empty, np.empty(0, np.uint32), np.empty(0, np.uint8), np.empty((0, width), np.uint8)),
        )

    @classmethod
    def join(cls, parts: Sequence[Frames]) -> Frames:
        """Return all parts, of the widest one's width; there must be at least one."""
        some = [part for part in parts if part.index.size]
        if len(some) < 2:
            return some[0] if some else parts[0]
        return Frames(
            np.concatenate([part.index for part in some]), CanFrames.join([part.frames for part in some])
        )

    def take(self, rows: IntArray | BoolArray) -> Frames:
        """Return some of the frames; themselves where that is all."""
        if rows.dtype == np.bool_ and rows.all():
            return self
        return Frames(self.index[rows], self.frames.take(rows))

    def as_payloads(self, rows: IntArray) -> Payloads:
        """Return single frames as payloads."""
        f = self.frames
        flat = np.ascontiguousarray(f.data[rows]).reshape(-1)
        start = np.arange(rows.size) * f.data.shape[1]
        return Payloads(rows, rows, start, f.length[rows].astype(np.int64), flat)

    def replace(
        self, payloads: Payloads, rows: IntArray, can_id: npt.NDArray[np.uint32], *, width: int
    ) -> Frames:
        """Return payloads in the place of frames.

        Args:
            payloads: What is in the frames' place.
            rows: The frames whose message and time they have, shape (n,).
            can_id: Shape (n,).
            width: Bytes that are kept of each.
        """
        length = np.minimum(payloads.length, width)
        return Frames(
            self.index[rows], CanFrames(self.frames.time_us[rows], can_id, length, payloads.matrix(width))
        )

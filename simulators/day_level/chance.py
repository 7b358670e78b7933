"""Randomness of a part of a fleet: a stream for each vehicle and topic, whatever the size of the part."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class TopicChance:
    """One generator a vehicle for one topic; draws come back stacked by vehicle, in single precision."""

    def __init__(self, seed: int, vehicles: Ints, topic: str) -> None:
        """Make the generators; the topic's name is part of the key, so topics never share numbers."""
        key = zlib.crc32(topic.encode())
        self._generators = [
            np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(int(v), key))))
            for v in vehicles
        ]

    def normal(self, *shape: int) -> Singles:
        """Return standard normal numbers of shape (F, *shape)."""
        return self._fill(shape, lambda rng, out: rng.standard_normal(dtype=np.float32, out=out))

    def uniform(self, *shape: int) -> Singles:
        """Return numbers spread evenly over 0-1, shape (F, *shape)."""
        return self._fill(shape, lambda rng, out: rng.random(dtype=np.float32, out=out))

    def readings(self, counts: Ints, width: int) -> Singles:
        """Return standard normal numbers of shape (sum of counts, width), so many rows for each vehicle."""
        out = np.empty((int(counts.sum()), width), np.float32)
        ends = np.cumsum(counts).tolist()
        for generator, begin, end in zip(self._generators, [0, *ends[:-1]], ends, strict=True):
            generator.standard_normal(dtype=np.float32, out=out[begin:end])
        return out

    def _fill(
        self, shape: tuple[int, ...], draw: Callable[[np.random.Generator, Singles], object]
    ) -> Singles:
        out = np.empty((len(self._generators), *(shape or (1,))), np.float32)
        for row, generator in enumerate(self._generators):
            draw(generator, out[row])
        return out if shape else out[:, 0]


class PartChance:
    """The topics of some vehicles of one fleet."""

    def __init__(self, seed: int, vehicles: Ints) -> None:
        """Remember whose numbers are asked for; ``vehicles`` are indices in the fleet."""
        self._seed, self._vehicles = seed, vehicles

    def topic(self, name: str) -> TopicChance:
        """Return the streams of one topic, from their beginning."""
        return TopicChance(self._seed, self._vehicles, name)

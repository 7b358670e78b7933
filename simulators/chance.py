"""Randomness of a fleet: one stream per vehicle; no vehicle's life depends on the size of the fleet."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class VehicleChance:
    """One random generator per vehicle, spawned from one seed; draws come back stacked by vehicle.

    A part of a fleet draws what the whole fleet would: vehicle ``first + i`` has the same stream in both.
    """

    def __init__(self, seed: int, count: int, *, first: int = 0) -> None:
        self._generators = [
            np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
            for number in range(first, first + count)
        ]

    def of(self, row: int) -> np.random.Generator:
        """Return the generator of one vehicle, for what happens to it alone."""
        return self._generators[row]

    def normal(self, *shape: int) -> Singles:
        """Return standard normal numbers of shape (F, *shape)."""
        out = np.empty((len(self._generators), *shape), np.float32)
        for row, generator in enumerate(self._generators):
            generator.standard_normal(shape, dtype=np.float32, out=out[row, ...] if shape else None)
            if not shape:
                out[row] = generator.standard_normal(dtype=np.float32)
        return out

    def normal_padded(self, counts: Ints, width: int, *shape: int) -> Singles:
        """Return (F, width, *shape) standard normal numbers, zeros beyond each vehicle's count.

        How much a vehicle draws depends on its own count (F,) alone, never on that of its neighbours.
        """
        out = np.zeros((len(self._generators), width, *shape), np.float32)
        for row, generator in enumerate(self._generators):
            generator.standard_normal(dtype=np.float32, out=out[row, : counts[row]])
        return out

    def normal_rows(self, counts: Ints, *shape: int) -> Singles:
        """Return (sum of counts, *shape) standard normal numbers, ``counts[i]`` rows of vehicle i in turn."""
        out = np.empty((int(counts.sum()), *shape), np.float32)
        begin = 0
        for generator, count in zip(self._generators, counts.tolist(), strict=True):
            generator.standard_normal(dtype=np.float32, out=out[begin : begin + count])
            begin += count
        return out

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Floats:
        """Return numbers spread evenly from ``low`` to ``high``, shape (F, *shape)."""
        return np.stack([generator.uniform(low, high, shape) for generator in self._generators])

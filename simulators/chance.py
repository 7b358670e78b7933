"""Randomness of a fleet: one stream per vehicle; no vehicle's life depends on the size of the fleet."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]


class VehicleChance:
    """One random generator per vehicle, spawned from one seed; draws come back stacked by vehicle."""

    def __init__(self, seed: int, count: int) -> None:
        self._generators = [
            np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(count)
        ]

    def normal(self, *shape: int) -> Singles:
        """Return standard normal numbers of shape (F, *shape)."""
        out = np.empty((len(self._generators), *shape), np.float32)
        for row, generator in enumerate(self._generators):
            generator.standard_normal(shape, dtype=np.float32, out=out[row, ...] if shape else None)
            if not shape:
                out[row] = generator.standard_normal(dtype=np.float32)
        return out

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Floats:
        """Return numbers spread evenly from ``low`` to ``high``, shape (F, *shape)."""
        return np.stack([generator.uniform(low, high, shape) for generator in self._generators])

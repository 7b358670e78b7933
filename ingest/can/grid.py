"""The grid that CAN signals are resampled to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.errors import CatalogueError
from data.records import IntArray

VehicleIndex = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid cells that a batch touches, in order of vehicle and time."""

    vehicle_index: VehicleIndex  #: shape (g,)
    time_us: IntArray  #: shape (g,)
    row: IntArray  #: grid cell of each frame, shape (n,)
    order: IntArray  #: frames in order of vehicle and time, shape (n,)
    last_frame: IntArray  #: the last frame of each grid cell, shape (g,)


def grid_microseconds(grid_s: float) -> int:
    """Return the grid in microseconds.

    Raises:
        CatalogueError: Not from 1 ms to 1 h.
    """
    if not 0.001 <= grid_s <= 3600:
        raise CatalogueError(f"grid_s {grid_s}: must be from 0.001 to 3600")
    return round(grid_s * 1_000_000)


def build_grid(vehicle_index: VehicleIndex, time_us: IntArray, grid_us: int) -> Grid:
    """Return the grid cells of ``grid_us`` microseconds that frames at these times fall into."""
    order = np.lexsort((time_us, vehicle_index))
    vehicles, cells = vehicle_index[order], time_us[order] // grid_us
    is_new = np.ones(order.size, dtype=np.bool_)
    is_new[1:] = (vehicles[1:] != vehicles[:-1]) | (cells[1:] != cells[:-1])
    row = np.empty(order.size, dtype=np.int64)
    row[order] = np.cumsum(is_new) - 1
    ends = np.flatnonzero(np.append(is_new[1:], order.size > 0))
    return Grid(vehicles[is_new].astype(np.int32), cells[is_new] * grid_us, row, order, order[ends])

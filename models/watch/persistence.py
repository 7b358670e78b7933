"""How long a condition has held without a break, for many vehicles."""

from __future__ import annotations

import numpy as np

from data.records import BoolArray, IntArray
from models.watch.rule import State


def empty_persistence(n_vehicles: int, name: str) -> State:
    """Return a state in which the condition has not held yet."""
    return {
        f"{name}_count": np.zeros(n_vehicles, dtype=np.int64),
        f"{name}_since_us": np.zeros(n_vehicles, dtype=np.int64),
        f"{name}_seen_us": np.zeros(n_vehicles, dtype=np.int64),
    }


def hold(
    state: State,
    name: str,
    at: IntArray,
    time_us: IntArray,
    *,
    is_it: BoolArray,
    is_known: BoolArray,
    gap_us: int,
) -> tuple[IntArray, IntArray]:
    """Take one reading a vehicle and return for how many readings and how long the condition has held.

    Args:
        state: With the arrays of ``empty_persistence``.
        name: Of the condition.
        at: Shape (n,), rows of the vehicles, each once.
        time_us: Shape (n,).
        is_it: Shape (n,), the condition.
        is_known: Shape (n,); a reading that tells nothing neither breaks nor continues it.
        gap_us: A longer silence begins anew: what held before the vehicle slept is not evidence of now.

    Returns:
        Number of readings and microseconds, shape (n,); 0 where it does not hold.
    """
    count, since, seen = (state[f"{name}_{part}"] for part in ("count", "since_us", "seen_us"))
    is_late = time_us - seen[at] > gap_us
    count[at[is_late]] = 0
    rows, now = at[is_known], time_us[is_known]
    begins = count[rows] == 0
    since[rows] = np.where(begins, now, since[rows])
    count[rows] = np.where(is_it[is_known], np.where(begins, 1, count[rows] + 1), 0)
    seen[rows] = now
    held = count[at] > 0
    return np.asarray(count[at], dtype=np.int64), np.where(held, seen[at] - since[at], 0)

"""Make rows unique by key: messages of one instant carry different columns of the same row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.records import BoolArray, IntArray


@dataclass(frozen=True, slots=True)
class Grouping:
    """Rows sorted by key, and where each key begins; within a key, arrival order."""

    order: IntArray  #: shape (n,), row index in sorted order
    starts: IntArray  #: shape (g,), position in ``order`` of the first row of each key

    @property
    def first(self) -> IntArray:
        """Return the first-arrived row of each key, shape (g,)."""
        return self.order[self.starts]


def group_rows(
    keys: Sequence[npt.NDArray[np.integer]], *, tie: npt.NDArray[np.integer] | None = None
) -> Grouping:
    """Return the grouping of rows by ``keys``, the first key the most significant.

    Args:
        keys: Each of shape (n,); one that is the same in all rows costs nothing.
        tie: Shape (n,), orders the rows of one key; None: as they come.
    """
    n = len(keys[0])
    keys = [keys[0], *(key for key in keys[1:] if n and np.any(key != key[0]))]
    ordering = [*keys] if tie is None or not np.any(tie[1:] < tie[:-1]) else [*keys, tie]
    order = np.lexsort(tuple(reversed(ordering))) if n else np.zeros(0, np.int64)
    is_new = np.ones(n, bool)
    if n:
        is_new[1:] = False
        for key in keys:
            in_order = key[order]
            is_new[1:] |= in_order[1:] != in_order[:-1]
    return Grouping(order.astype(np.int64), np.flatnonzero(is_new).astype(np.int64))


def merge_column(
    values: npt.NDArray[np.floating], grouping: Grouping
) -> tuple[npt.NDArray[np.floating], int]:
    """Return one value per key, the first that is not NaN, and how many later ones differ from it.

    Args:
        values: Shape (n,) or (n, k); arrays merge element by element.
        grouping: Of the same n rows.

    Returns:
        Shape (g,) or (g, k); the number of non-NaN values that were not kept and differ.
    """
    merged = values[grouping.first]
    n = len(grouping.order)
    if len(grouping.starts) == n:
        return merged, 0
    sizes = np.diff(np.append(grouping.starts, n))
    group_of = np.repeat(np.arange(len(sizes)), sizes)
    is_shared = sizes[group_of] > 1
    rows = grouping.order[is_shared]
    shared_of = group_of[is_shared]
    starts = np.flatnonzero(np.append(True, shared_of[1:] != shared_of[:-1]))
    part = values[rows]
    flat = part.reshape(len(rows), -1)
    position = np.arange(len(rows))[:, None]
    first_valid = np.minimum.reduceat(np.where(np.isnan(flat), len(rows), position), starts, axis=0)
    has_any = first_valid < len(rows)
    kept = np.take_along_axis(flat, np.where(has_any, first_valid, 0), axis=0)
    kept = np.where(has_any, kept, np.nan)
    merged[shared_of[starts]] = kept.reshape((len(starts), *values.shape[1:]))
    spread = np.repeat(kept, np.diff(np.append(starts, len(rows))), axis=0)
    differs = ~np.isnan(flat) & (flat != spread)
    return merged, int(np.count_nonzero(differs))


def newest_rows(values: npt.NDArray[np.floating], starts: IntArray) -> IntArray:
    """Return the last row of each group of consecutive rows whose value is not missing.

    Args:
        values: Shape (n,) or (n, k), in time order within a group; an array is missing when all of it is NaN.
        starts: Shape (g,), first row of each group.

    Returns:
        Shape (g,), row numbers; -1 where a group has none.
    """
    ends = np.append(starts[1:], len(values)) - 1
    if _is_heard(values[ends]).all():  # the usual case, told by a few rows
        return ends
    newest: IntArray = np.maximum.reduceat(np.where(_is_heard(values), np.arange(len(values)), -1), starts)
    return newest


def _is_heard(values: npt.NDArray[np.floating]) -> BoolArray:
    found: BoolArray = ~np.isnan(values) if values.ndim == 1 else ~np.all(np.isnan(values), axis=1)
    return found

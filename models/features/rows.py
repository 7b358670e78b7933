"""Put batches of rows together and in order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.records import Family, FamilyRows

#: Features of days take one frame of cells in this time: what is faster is the live watch's.
CELL_GRID_US = 10_000_000


def joined(batches: Sequence[FamilyRows], family: Family) -> FamilyRows | None:
    """Return all rows of one family, ascending in time; None where there are none.

    Columns that a batch lacks, and elements by which its arrays are narrower, are missing there.
    """
    parts = [b for b in batches if b.family is family and len(b)]
    if not parts:
        return None
    order = np.argsort(np.concatenate([p.time_us for p in parts]), kind="stable")
    aliases = sorted({alias for p in parts for alias in p.columns})
    columns = {}
    for alias in aliases:
        width = max((p.columns[alias].shape[1:] for p in parts if alias in p.columns), default=())
        pieces = [_widened(p, alias, width) for p in parts]
        columns[alias] = np.concatenate(pieces)[order]
    has_cells = family is Family.CELL
    return FamilyRows(
        family=family,
        vehicle_id=np.concatenate([p.vehicle_id for p in parts])[order],
        time_us=np.concatenate([p.time_us for p in parts])[order],
        sent_us=np.concatenate([p.sent_us for p in parts])[order],
        received_us=np.concatenate([p.received_us for p in parts])[order],
        is_hist=np.concatenate([p.is_hist for p in parts])[order],
        columns=columns,
        sub_pack=np.concatenate([_ones(p, p.sub_pack) for p in parts])[order] if has_cells else None,
        first_cell=np.concatenate([_ones(p, p.first_cell) for p in parts])[order] if has_cells else None,
    )


def thinned(rows: FamilyRows) -> FamilyRows:
    """Return the rows that features of days take: of cells the first of each frame and ``CELL_GRID_US``.

    Args:
        rows: Of one vehicle, ascending in time; of another family they are returned as they are.
    """
    if rows.family is not Family.CELL or not len(rows):
        return rows
    pack, first = _ones(rows, rows.sub_pack), _ones(rows, rows.first_cell)
    is_first_pack = pack == 1
    key = np.stack((rows.time_us // CELL_GRID_US, first.astype(np.int64)))[:, is_first_pack]
    _, at = np.unique(key, axis=1, return_index=True)
    kept = np.flatnonzero(is_first_pack)[np.sort(at)]
    kept = kept[np.lexsort((first[kept], rows.time_us[kept]))]
    return FamilyRows(
        family=rows.family,
        vehicle_id=rows.vehicle_id[kept],
        time_us=rows.time_us[kept],
        sent_us=rows.sent_us[kept],
        received_us=rows.received_us[kept],
        is_hist=rows.is_hist[kept],
        columns={alias: values[kept] for alias, values in rows.columns.items()},
        sub_pack=pack[kept],
        first_cell=first[kept],
    )


def _widened(
    part: FamilyRows, alias: str, width: tuple[int, ...]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    out = np.full((len(part), *width), np.nan)
    if alias in part.columns:
        values = part.columns[alias]
        if width:
            out[:, : values.shape[1]] = values
        else:
            out[:] = values
    return out


def _ones(
    part: FamilyRows, values: np.ndarray[tuple[int, ...], np.dtype[np.int16]] | None
) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    return np.ones(len(part), dtype=np.int16) if values is None else values

"""From rows of a whole fleet to messages of one vehicle: splitting, trimming, collecting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from data.records import Family, FamilyRows

#: A message of a back-fill holds at least and at most so many samples.
LEAST_SAMPLES, MOST_SAMPLES = 30, 240


def select_rows(rows: FamilyRows, at: slice | npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> FamilyRows:
    """Return some rows of a family."""
    return replace(
        rows,
        vehicle_id=rows.vehicle_id[at],
        time_us=rows.time_us[at],
        sent_us=rows.sent_us[at],
        received_us=rows.received_us[at],
        is_hist=rows.is_hist[at],
        columns={alias: values[at] for alias, values in rows.columns.items()},
        sub_pack=None if rows.sub_pack is None else rows.sub_pack[at],
        first_cell=None if rows.first_cell is None else rows.first_cell[at],
    )


def join_rows(parts: Sequence[FamilyRows]) -> FamilyRows:
    """Return rows of one family one after another; a column missing in a part is filled with NaN."""
    if len(parts) == 1:
        return parts[0]
    widths = {alias: values.shape[1:] for part in parts for alias, values in part.columns.items()}

    def column(part: FamilyRows, alias: str) -> npt.NDArray[np.floating]:
        values = part.columns.get(alias)
        return np.full((len(part), *widths[alias]), np.nan) if values is None else values

    first = parts[0]
    has_place = first.sub_pack is not None
    return replace(
        first,
        vehicle_id=np.concatenate([p.vehicle_id for p in parts]),
        time_us=np.concatenate([p.time_us for p in parts]),
        sent_us=np.concatenate([p.sent_us for p in parts]),
        received_us=np.concatenate([p.received_us for p in parts]),
        is_hist=np.concatenate([p.is_hist for p in parts]),
        columns={alias: np.concatenate([column(p, alias) for p in parts]) for alias in widths},
        sub_pack=np.concatenate([p.sub_pack for p in parts if p.sub_pack is not None]) if has_place else None,
        first_cell=np.concatenate([p.first_cell for p in parts if p.first_cell is not None])
        if has_place
        else None,
    )


def trim_columns(rows: FamilyRows, widths: Mapping[str, int]) -> FamilyRows:
    """Return rows whose arrays have the lengths of their vehicle model."""
    columns = {a: v[:, : widths[a]] if a in widths else v for a, v in rows.columns.items()}
    return replace(rows, columns=columns)


def split_vehicles(rows: FamilyRows, count: int) -> list[FamilyRows]:
    """Return the rows of each of ``count`` vehicles; ``rows`` must be in vehicle order."""
    edges = np.searchsorted(rows.vehicle_id, np.arange(count + 1))
    return [select_rows(rows, slice(a, b)) for a, b in pairwise(edges.tolist())]


class Collector:
    """Gathers the rows of one vehicle until they fill a message.

    Drive and tires share their samples and travel together; cells, less frequent, apart.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._together: list[tuple[FamilyRows, FamilyRows]] = []
        self._cells: list[FamilyRows] = []

    def add(self, drive: FamilyRows, tires: FamilyRows, cells: FamilyRows) -> None:
        """Take rows in ascending time; drive and tires of the same instants."""
        if len(drive):
            self._together.append((drive, tires))
        if len(cells):
            self._cells.append(cells)

    def messages(self, *, is_last: bool = False) -> Iterator[list[FamilyRows]]:
        """Yield the families of each message that is full; with ``is_last`` everything that is left.

        Enough is held back for the last message to be a full one too.
        """
        if self._together:
            drive = join_rows([d for d, _ in self._together])
            tires = join_rows([t for _, t in self._together])
            cuts = _cuts(len(drive), is_last=is_last)
            for begin, end in pairwise(cuts):
                yield [select_rows(drive, slice(begin, end)), select_rows(tires, slice(begin, end))]
            rest = slice(cuts[-1], None)
            self._together = (
                [(select_rows(drive, rest), select_rows(tires, rest))] if cuts[-1] < len(drive) else []
            )
        if self._cells:
            cells = join_rows(self._cells)
            cuts = _cuts(len(cells), is_last=is_last)
            for begin, end in pairwise(cuts):
                yield [select_rows(cells, slice(begin, end))]
            self._cells = [select_rows(cells, slice(cuts[-1], None))] if cuts[-1] < len(cells) else []


def _cuts(count: int, *, is_last: bool) -> list[int]:
    usable = count if is_last else count - LEAST_SAMPLES
    if usable < (1 if is_last else LEAST_SAMPLES):
        return [0]
    pieces = -(-usable // MOST_SAMPLES)
    return [round(usable * piece / pieces) for piece in range(pieces + 1)]


def family_of(rows: Sequence[FamilyRows], family: Family) -> FamilyRows | None:
    """Return the rows of one family, None where there are none."""
    return next((r for r in rows if r.family is family and len(r)), None)

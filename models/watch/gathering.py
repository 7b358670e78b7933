"""Rows of many vehicles as the live rules take them: by vehicle and time, cells together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.records import FamilyRows, FloatArray, IntArray, VehicleSpec
from models.features.align import as_of

CONTEXT_US = 15 * 60 * 1_000_000
#: Farther apart than any two readings that are looked at together.
_VEHICLES_APART_US = 1 << 40


def no_values(alias: str, spec: VehicleSpec) -> FloatArray:
    """Return a column without a reading, as wide as the model says."""
    width = _array_width(alias, spec)
    return np.zeros((0, width) if width else 0)


def _array_width(alias: str, spec: VehicleSpec) -> int:
    """Return the length of the arrays of a signal, 0 for a scalar."""
    if alias.startswith("tire."):
        return len(spec.wheels)
    return {"cell.voltage": max(1, spec.cell_count), "cell.temperature": max(1, spec.probe_count)}.get(
        alias, 0
    )


def assembled(
    rows: FamilyRows, vehicle_ids: IntArray, spec: VehicleSpec
) -> tuple[IntArray, IntArray, dict[str, FloatArray]]:
    """Return readings by vehicle and time, arrays as long as the model says, cells of an instant together."""
    at = np.searchsorted(vehicle_ids, rows.vehicle_id.astype(np.int64)).astype(np.int64)
    order = np.lexsort((rows.time_us, at))
    if rows.sub_pack is not None:
        order = order[rows.sub_pack[order] == 1]
    at, time_us = at[order], rows.time_us[order]
    is_first = np.ones(len(at), dtype=np.bool_)
    is_first[1:] = (at[1:] != at[:-1]) | (time_us[1:] != time_us[:-1])
    target = np.cumsum(is_first) - 1
    offset = np.zeros(len(at), dtype=np.int64)
    if rows.first_cell is not None:
        offset = rows.first_cell[order].astype(np.int64) - 1
    columns: dict[str, FloatArray] = {}
    for alias, values in rows.columns.items():
        columns[alias] = _gathered(
            np.asarray(values, dtype=np.float64)[order],
            target,
            offset if alias == "cell.voltage" else np.zeros_like(offset),
            (int(is_first.sum()), _array_width(alias, spec)),
        )
    return at[is_first], time_us[is_first], columns


def _gathered(values: FloatArray, target: IntArray, offset: IntArray, shape: tuple[int, int]) -> FloatArray:
    """Put each row's known values where they belong; of one instant the later row wins."""
    if not shape[1]:
        out = np.full(shape[0], np.nan)
        known = np.isfinite(values)
        out[target[known]] = values[known]
        return out
    table = np.full(shape, np.nan)
    place = offset[:, None] + np.arange(values.shape[1])
    known = np.isfinite(values) & (place >= 0) & (place < shape[1])
    row, _ = np.nonzero(known)
    table[target[row], place[known]] = values[known]
    return table


def surroundings(
    aliases: Sequence[str], at: IntArray, time_us: IntArray, drive: FamilyRows | None, vehicle_ids: IntArray
) -> dict[str, FloatArray]:
    """Return scalars of the drive family as of each reading, at most ``CONTEXT_US`` old.

    Args:
        aliases: Of the drive family.
        at: Shape (n,), positions in ``vehicle_ids``.
        time_us: Shape (n,).
        drive: Rows of these vehicles; None: nothing is known.
        vehicle_ids: Ascending.
    """
    if drive is None or not len(drive):
        return {alias: np.full(len(at), np.nan) for alias in aliases}
    source = np.searchsorted(vehicle_ids, drive.vehicle_id.astype(np.int64)).astype(np.int64)
    base_us = int(min(drive.time_us.min(), time_us.min()))
    # each vehicle on a stretch of time of its own, so that one search serves all
    moved = drive.time_us - base_us + source * _VEHICLES_APART_US
    order = np.argsort(moved, kind="stable")
    asked = time_us - base_us + at * _VEHICLES_APART_US
    return {
        alias: as_of(
            asked,
            moved[order],
            np.asarray(drive.columns.get(alias, np.full(len(drive), np.nan)), dtype=np.float64)[order],
            within_us=CONTEXT_US,
        )
        for alias in aliases
    }

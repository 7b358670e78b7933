"""Positions of sources that send GCJ-02, put into WGS-84, which is all that is stored."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from data.records import BoolArray
from ingest.coordinates import positions_to_wgs84
from ingest.quality import Columns
from ingest.tally import Tally

_PAIR = ("longitude", "latitude")


def convert_positions(
    columns: Columns,
    vehicle_id: npt.NDArray[np.integer],
    is_gcj02: BoolArray,
    *,
    tally: Tally,
    masked: Counter[str],
) -> dict[str, npt.NDArray[np.floating]]:
    """Return merged drive columns with every position in WGS-84.

    Half a position cannot be converted: it is masked and counted as ``no_pair``.

    Args:
        columns: Alias -> shape (n,), NaN missing; never written to.
        vehicle_id: Shape (n,), whose row it is.
        is_gcj02: Shape (n,), rows whose source sends GCJ-02.
        tally: Takes the findings by vehicle.
        masked: Takes the same as ``alias:reason``.
    """
    nothing = np.full(len(vehicle_id), np.nan)
    longitude, latitude = (columns.get(alias, nothing) for alias in _PAIR)
    converted = dict(columns)
    values = positions_to_wgs84(longitude[is_gcj02], latitude[is_gcj02])
    for alias, other, value in zip(_PAIR, (latitude, longitude), values, strict=True):
        if alias not in columns:
            continue
        is_lone = is_gcj02 & np.isfinite(columns[alias]) & np.isnan(other)
        if is_lone.any():
            masked[f"{alias}:no_pair"] += tally.add_hits(vehicle_id, is_lone, alias, "no_pair")
        column = columns[alias].astype(np.float64)
        column[is_gcj02] = value
        converted[alias] = column
    return converted

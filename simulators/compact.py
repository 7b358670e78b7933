"""Rows as the tables hold them: single precision, whole millivolts and tenths of a degree; and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.catalogue import load_catalogue
from data.records import Family, FamilyRows

_MISSING = np.iinfo(np.int16).min
Column = npt.NDArray[np.float32] | npt.NDArray[np.float64] | npt.NDArray[np.int16]


def pack_column(alias: str, values: npt.NDArray[np.floating]) -> Column:
    """Return a column in the precision of its table; NaN of an integer column is its lowest value."""
    signal = load_catalogue().signals[alias]
    if signal.sql_type == "double precision":
        return values.astype(np.float64)
    if signal.scale != 1:
        scaled = np.rint(values * signal.scale)
        return np.where(np.isnan(scaled), _MISSING, scaled).astype(np.int16)
    return values.astype(np.float32)


def unpack_column(alias: str, packed: Column) -> npt.NDArray[np.float64]:
    """Return a column as it is read back from its table: double precision, NaN where missing."""
    if packed.dtype != np.int16:
        return packed.astype(np.float64)
    return np.where(packed == _MISSING, np.nan, packed / load_catalogue().signals[alias].scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactRows:
    """Rows of one family of some vehicles, each vehicle's together and ascending in time."""

    family: Family
    edge: npt.NDArray[np.int64]  #: shape (n_vehicles + 1,), where each vehicle's rows begin
    time_us: npt.NDArray[np.int64]
    received_us: npt.NDArray[np.int64]
    is_hist: npt.NDArray[np.bool_]
    columns: Mapping[str, Column]

    def rows_of(self, vehicle: int, *, number: int, widths: Mapping[str, int]) -> FamilyRows:
        """Return the rows of one vehicle, unpacked.

        Args:
            vehicle: Index in this part.
            number: ``vehicle_id`` to give.
            widths: Lengths of array columns on its model.
        """
        here = slice(int(self.edge[vehicle]), int(self.edge[vehicle + 1]))
        time_us = self.time_us[here]
        columns = {
            alias: unpack_column(alias, packed[here, : widths[alias]] if alias in widths else packed[here])
            for alias, packed in self.columns.items()
        }
        ones = np.ones(time_us.size, np.int16) if self.family is Family.CELL else None
        return FamilyRows(
            family=self.family,
            vehicle_id=np.full(time_us.size, number, np.int32),
            time_us=time_us,
            sent_us=time_us,
            received_us=self.received_us[here],
            is_hist=self.is_hist[here],
            columns=columns,
            sub_pack=ones,
            first_cell=ones,
        )


def join_packed(
    parts: Sequence[FamilyRows], packed: Sequence[Mapping[str, Column]], *, count: int
) -> CompactRows:
    """Return rows by vehicle whose columns are packed already; ``parts`` may have lost theirs."""
    vehicle = np.concatenate([p.vehicle_id for p in parts])
    order = np.argsort(vehicle, kind="stable")
    return CompactRows(
        family=parts[0].family,
        edge=np.searchsorted(vehicle[order], np.arange(count + 1)).astype(np.int64),
        time_us=np.concatenate([p.time_us for p in parts])[order],
        received_us=np.concatenate([p.received_us for p in parts])[order],
        is_hist=np.concatenate([p.is_hist for p in parts])[order],
        columns={alias: np.concatenate([c[alias] for c in packed])[order] for alias in packed[0]},
    )

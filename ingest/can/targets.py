"""Mapped signals: what their values must be, and where in the catalogue's columns they go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data.catalogue import Signal
from data.records import BoolArray, FloatArray, IntArray
from ingest.can.kernel import Segments
from ingest.can.layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Per signal of the layout (s); rows of signals that are not mapped mean nothing."""

    signals: tuple[Signal, ...]  #: the catalogue's, those that the map names
    widths: tuple[int, ...]  #: elements of each, 0 for scalars
    column: IntArray  #: (s,), index into ``signals``
    index: IntArray  #: (s,), element of an array signal
    scale: FloatArray  #: (s,)
    offset: FloatArray  #: (s,)
    low: FloatArray  #: (s,)
    high: FloatArray  #: (s,)
    missing: FloatArray  #: (s, a), values before ``scale`` that mean not available, NaN where there are fewer
    tolerance: FloatArray  #: (s,)
    sentinels: FloatArray  #: (s, b), values after ``scale`` that are never real, NaN where there are fewer

    def convert(self, segments: Segments, values: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Return values in the catalogue's unit, and which of them are missing or out of range; each (p,)."""
        bad = np.zeros(values.size, dtype=np.bool_)
        tolerance = np.repeat(self.tolerance[segments.signal], segments.count)
        for missing in self.missing[segments.signal].T:
            if not np.isnan(missing).all():
                bad |= np.abs(values - np.repeat(missing, segments.count)) < tolerance
        with np.errstate(over="ignore", invalid="ignore"):
            values = values * np.repeat(self.scale[segments.signal], segments.count)
            values += np.repeat(self.offset[segments.signal], segments.count)
        bad |= ~(
            (values >= np.repeat(self.low[segments.signal], segments.count))
            & (values <= np.repeat(self.high[segments.signal], segments.count))
        )
        for sentinel in self.sentinels[segments.signal].T:
            if not np.isnan(sentinel).all():
                bad |= values == np.repeat(sentinel, segments.count)
        return values, bad


def build_targets(layout: Layout, array_lengths: Mapping[str, int]) -> Targets:
    """Return the table of a layout's mapped signals."""
    found = {
        signal.target.signal.alias: signal.target.signal
        for signal in layout.signals
        if signal.target is not None
    }
    place = {alias: number for number, alias in enumerate(found)}
    targets = [signal.target for signal in layout.signals]

    def column(of: Sequence[float]) -> FloatArray:
        return np.array(of, dtype=np.float64)

    return Targets(
        signals=tuple(found.values()),
        widths=tuple(array_lengths[signal.shape] if signal.is_array else 0 for signal in found.values()),
        column=np.array([place[t.signal.alias] if t else -1 for t in targets], dtype=np.int64),
        index=np.array([t.index if t else 0 for t in targets], dtype=np.int64),
        scale=column([t.scale if t else 1.0 for t in targets]),
        offset=column([t.offset if t else 0.0 for t in targets]),
        low=column([t.signal.low if t else -np.inf for t in targets]),
        high=column([t.signal.high if t else np.inf for t in targets]),
        missing=_ragged([t.missing if t else () for t in targets]),
        tolerance=column([abs(signal.scale) / 2 for signal in layout.signals]),
        sentinels=_ragged(
            [t.signal.sentinels if t and t.signal.sentinel_rule == "any" else () for t in targets]
        ),
    )


def _ragged(rows: Sequence[Sequence[float]]) -> FloatArray:
    table = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    return table

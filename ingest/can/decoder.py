"""CAN frames to catalogue columns: mixed frames of many vehicles in, gridded columns out.

There is no loop over frames and none over messages, so small batches are fast, too. Values are those that
cantools gives with ``decode_choices=False`` and ``allow_truncated=True``: integers by scale and offset, two's
complement, IEEE floats of 16, 32 and 64 bits, both byte orders, (nested) multiplexing by value and by range.
Two rules go with that:

- A value is the double nearest to cantools' number, which for integers may have more digits than a double.
- Multiplexers select by their raw value. An unknown one selects nothing, where cantools refuses the frame.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from data.records import BoolArray, FloatArray, IntArray
from ingest.can.absence import build_absence
from ingest.can.columns import ExtraColumns, ExtraSignals, FamilyColumns, Pairs, family_columns
from ingest.can.database import EXTENDED, CompiledMessage, compile_database
from ingest.can.entries import Entries, follow_multiplexers, sort_frames
from ingest.can.grid import Grid, VehicleIndex, build_grid, grid_microseconds
from ingest.can.identifiers import IdentifierIndex, Identifiers, Normalise, mask_j1939
from ingest.can.kernel import FrameWords, Segments, read_values
from ingest.can.layout import Layout, build_layout
from ingest.can.targets import build_targets


@dataclass(frozen=True, slots=True, kw_only=True)
class CanDecoded:
    """What a batch of frames says; times are those of the grid cells' starts."""

    families: list[FamilyColumns]
    extra: ExtraSignals
    unknown_ids: dict[int, int]  #: frames by identifier that the DBC does not have
    masked: dict[str, int]  #: values left out, by signal and reason
    counts: dict[str, int]  #: values decoded, before the grid, by alias or ``Message.Signal``


class CanDecoder:
    """Decoder for one vehicle model: its DBC, its signal map and its grid.

    Messages that the DBC declares to be J1939's (``VFrameFormat "J1939PG"``) are found by their parameter
    group, whoever sends them; an identifier that the DBC has as it is comes first. Their codes for "not
    available" and "error" are masked.

    Args:
        dbc_text: The DBC file's text.
        signal_map: ``Message.Signal`` to ``alias``, ``index``, ``scale``, ``offset``, ``missing``.
        grid_s: Grid that signals are resampled to; the last value of a cell counts.
        cell_count: Elements of per-cell arrays.
        probe_count: Elements of per-probe arrays.
        wheel_count: Elements of per-wheel arrays.
        keep_unmapped: Hand out signals that the map does not name.
        normalise: Brings identifiers, shape (n,), to the form in which extended ones of the DBC and of the
            frames are compared; None: ``mask_j1939`` for the messages that the DBC declares to be J1939's.
        j1939_ids: Identifiers of the messages that are J1939's; None: those that the DBC declares so.

    Raises:
        CatalogueError: The DBC cannot be read, the map contradicts it or the catalogue, or the grid is not
            from 1 ms to 1 h.
    """

    def __init__(
        self,
        dbc_text: str,
        signal_map: Mapping[str, Mapping[str, Any]],
        *,
        grid_s: float,
        cell_count: int,
        probe_count: int,
        wheel_count: int,
        keep_unmapped: bool = True,
        normalise: Normalise | None = None,
        j1939_ids: Collection[int] | None = None,
    ) -> None:
        array_lengths = {"cell": cell_count, "probe": probe_count, "wheel": wheel_count}
        self._messages = compile_database(dbc_text, signal_map, array_lengths=array_lengths)
        self._grid_us = grid_microseconds(grid_s)
        self._layout = build_layout(list(self._messages.values()))
        self._targets = build_targets(self._layout, array_lengths)
        self._is_unmapped = (
            ~self._layout.is_mapped if keep_unmapped else np.zeros_like(self._layout.is_mapped)
        )
        self._exact = IdentifierIndex(self._messages)
        self._normalise = normalise or mask_j1939
        if j1939_ids is None:
            j1939_ids = {message.can_id for message in self._messages.values() if message.is_j1939}
        j1939_names = {s.name for i in j1939_ids for s in self._messages[i].signals}
        self._absence = build_absence(self._layout, j1939_names) if j1939_names else None
        loose = [
            position
            for position, message in enumerate(self._messages.values())
            if message.can_id & EXTENDED and (normalise is not None or message.can_id in j1939_ids)
        ]
        self._loose_position = np.array(loose, dtype=np.int64)
        identifiers = np.array(list(self._messages), dtype=np.uint32)[self._loose_position]
        self._loose = IdentifierIndex(self._normalise(identifiers).tolist())

    @property
    def messages(self) -> Mapping[int, CompiledMessage]:
        """Return the compiled messages by identifier (bit 31 = extended)."""
        return self._messages

    def match(self, can_id: Identifiers) -> npt.NDArray[np.int64]:
        """Return the message of each identifier: its position in ``messages``, -1 for none; shape (n,)."""
        found = self._exact.find(can_id)
        if self._loose_position.size:
            left = np.flatnonzero((found < 0) & (can_id >= EXTENDED))
            position = self._loose.find(self._normalise(can_id[left]))
            found[left] = np.where(position < 0, -1, self._loose_position.take(position))
        return found

    def decode(
        self,
        vehicle_index: VehicleIndex,
        time_us: IntArray,
        can_id: Identifiers,
        length: npt.NDArray[np.integer],
        data: npt.NDArray[np.uint8],
    ) -> CanDecoded:
        """Return the signals of a batch of frames, in any order.

        A signal that lies beyond the end of a short frame is masked; so are values outside the catalogue's
        range and those that mean not available.

        Args:
            vehicle_index: Shape (n,), any number that tells vehicles apart.
            time_us: Shape (n,), microseconds since 1970 UTC.
            can_id: Shape (n,), bit 31 set on extended identifiers.
            length: Shape (n,), bytes that count.
            data: Shape (n, width): 8, 64 for CAN FD, or the longest message of a transport protocol.
        """
        grid = build_grid(vehicle_index, time_us, self._grid_us)
        message = self.match(can_id)
        length_of: IntArray = np.minimum(length, data.shape[1]).astype(np.int64)
        entries = follow_multiplexers(
            sort_frames(message, grid.order, self._layout), self._layout, data, length_of
        )
        batch = _Batch(self._layout, grid, entries, length_of, FrameWords(data, entries.frame))
        families = self._mapped(batch)
        extra = self._unmapped(batch)
        unknown, frames = np.unique(can_id[message < 0], return_counts=True)
        return CanDecoded(
            families=families,
            extra=extra,
            unknown_ids=dict(zip(unknown.tolist(), frames.tolist(), strict=True)),
            masked=batch.masked,
            counts=batch.counts,
        )

    def _mapped(self, batch: _Batch) -> list[FamilyColumns]:
        segments, fits = batch.segments(self._layout.is_mapped)
        if not segments.pair_count:
            return []
        entry = segments.entries()
        values = read_values(batch.words, self._layout, segments, entry)
        fits = self._leave_out_absent(batch, segments, values, fits)
        values, is_bad = self._targets.convert(segments, values)
        names = [self._targets.signals[c].alias for c in self._targets.column[segments.signal].tolist()]
        is_good = batch.count(segments, names, is_bad, fits)
        pairs = Pairs(segments, entry, values, is_good)
        return family_columns(self._targets, batch.grid, batch.entries, pairs, batch.masked)

    def _unmapped(self, batch: _Batch) -> ExtraSignals:
        segments, fits = batch.segments(self._is_unmapped)
        extra = ExtraColumns(self._layout.names, batch.grid, batch.entries, segments)
        for columns, part, pairs in segments.pieces():
            names = [self._layout.names[signal] for signal in part.signal.tolist()]
            if fits is None and self._absence is None and self._layout.is_finite[part.signal].all():
                batch.count(part, names, None, None)  # none can be bad: only the last need be decoded
                last, entry = extra.last_only(part)
                extra.add(columns, last, entry, read_values(batch.words, self._layout, last, entry), None)
                continue
            entry = part.entries()
            values = read_values(batch.words, self._layout, part, entry)
            there = self._leave_out_absent(batch, part, values, None if fits is None else fits[pairs])
            is_good = batch.count(part, names, ~np.isfinite(values), there)
            if is_good is None:
                is_good = np.ones(values.size, dtype=np.bool_)
            extra.add(columns, part, entry, values, is_good)
        return extra.finish()

    def _leave_out_absent(
        self, batch: _Batch, segments: Segments, values: FloatArray, fits: BoolArray | None
    ) -> BoolArray | None:
        """Count J1939's codes for error and not available; return which pairs are left, None: all."""
        if self._absence is None or not segments.pair_count:
            return fits
        found = self._absence.find(segments, values)
        for hit, reason in zip(found, ("error", "not available"), strict=True):
            if hit.any():
                names = [f"{self._layout.names[signal]}: {reason}" for signal in segments.signal.tolist()]
                _add(batch.masked, names, segments.sums(hit if fits is None else hit & fits))
                fits = ~hit if fits is None else fits & ~hit
        return fits


@dataclass(frozen=True, slots=True)
class _Batch:
    """The frames of one call and what has been counted of them."""

    layout: Layout
    grid: Grid
    entries: Entries
    length: IntArray
    words: FrameWords
    masked: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def segments(self, wanted: BoolArray) -> tuple[Segments, BoolArray | None]:
        """Return the segments of wanted signals and which pairs fit into their frames; None: all do."""
        entries, layout = self.entries, self.layout
        signal, at = entries.rows(layout.node_start, wanted)
        if not signal.size:
            return Segments.of(layout, signal, signal, signal), None
        length = self.length.take(entries.frame)
        is_short = layout.needed[signal] > np.minimum.reduceat(length, entries.start)[at]
        if not is_short.any():
            return Segments.of(layout, signal, entries.start[at], entries.count[at]), None
        beyond = layout.needed[signal] > 8 * self.words.words_per_frame  # no frame can have it
        _add(self.masked, self._too_short(signal[beyond]), entries.count[at[beyond]])
        signal, at = signal[~beyond], at[~beyond]
        segments = Segments.of(layout, signal, entries.start[at], entries.count[at])
        fits = length.take(segments.entries()) >= np.repeat(layout.needed[segments.signal], segments.count)
        _add(self.masked, self._too_short(segments.signal), segments.sums(~fits))
        return segments, fits

    def _too_short(self, signals: IntArray) -> list[str]:
        return [f"{self.layout.names[signal]}: frame too short" for signal in signals.tolist()]

    def count(
        self, segments: Segments, names: list[str], is_bad: BoolArray | None, fits: BoolArray | None
    ) -> BoolArray | None:
        """Count values by name, good and bad, and return which are good; None: all are."""
        if is_bad is None or not is_bad.any():
            is_good = fits
        else:
            hit = is_bad if fits is None else is_bad & fits
            _add(self.masked, [f"{name}: out of range" for name in names], segments.sums(hit))
            is_good = ~is_bad if fits is None else fits & ~is_bad
        _add(self.counts, names, segments.count if is_good is None else segments.sums(is_good))
        return is_good


def _add(counter: dict[str, int], names: list[str], counts: IntArray) -> None:
    for name, count in zip(names, counts.tolist(), strict=True):
        if count:
            counter[name] = counter.get(name, 0) + count

"""One vehicle model's frames to columns: plain messages, joined ones and those that standards define."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from data.records import IntArray
from ingest.can.database import parse_dbc
from ingest.can.decoder import CanDecoded, CanDecoder
from ingest.messages import CanFrames
from ingest.transport.codes import ReportedCode
from ingest.transport.frames import Frames
from ingest.transport.plan import TransportPlan, build_plan
from ingest.transport.receiver import TransportReceiver
from ingest.transport.standard import SignalMap, read_standard, split_map, standard_groups, standard_map


@dataclass(frozen=True, slots=True, kw_only=True)
class BusDecoded:
    """What a batch of frames says."""

    parts: tuple[CanDecoded, ...]  #: rows of different parts may be of one instant; signals do not repeat
    part_index: tuple[IntArray, ...]  #: of each part: the message index of each of its frames
    codes: tuple[ReportedCode, ...]
    unknown_ids: Mapping[int, int]  #: frames by identifier that nothing here reads
    masked: Mapping[str, int]  #: values, transfers and answers left out, by reason
    counts: Mapping[str, int]  #: values decoded, before the grid, by alias or ``Message.Signal``


class BusDecoder:
    """Decoder of everything that one vehicle model sends over CAN.

    Args:
        dbc_text: The DBC file's text; None: only what standards define is read.
        signal_map: ``Message.Signal`` to ``alias``, ``index``, ``scale``, ``offset``, ``missing``; signals of
            the standard DBC files may be named too.
        grid_s: Grid that signals are resampled to.
        cell_count: Elements of per-cell arrays.
        probe_count: Elements of per-probe arrays.
        wheel_count: Elements of per-wheel arrays.
        reads_j1939: Read the common J1939 groups though the DBC names none.

    Raises:
        CatalogueError: The DBC or the map cannot be used; names the entry.
    """

    def __init__(
        self,
        dbc_text: str | None,
        signal_map: SignalMap,
        *,
        grid_s: float,
        cell_count: int,
        probe_count: int,
        wheel_count: int,
        reads_j1939: bool = False,
    ) -> None:
        database = None if dbc_text is None else parse_dbc(dbc_text)
        plan = build_plan(database, reads_j1939=reads_j1939)

        def build(text: str, signals: SignalMap, j1939_ids: Collection[int]) -> CanDecoder:
            return CanDecoder(
                text,
                signals,
                grid_s=grid_s,
                cell_count=cell_count,
                probe_count=probe_count,
                wheel_count=wheel_count,
                j1939_ids=j1939_ids,
            )

        own, of_standard = split_map(
            signal_map, {message.name for message in database.messages} if database else set()
        )
        taken = {str(entry.get("alias")) for entry in signal_map.values()}
        maps = {
            name: {**standard_map(name, wheel_count=wheel_count, taken=taken), **entries}
            for name, entries in of_standard.items()
        }
        groups = standard_groups() if plan.is_j1939 else ()
        #: Of the DBC's own messages; None without a DBC.
        self.own = None if dbc_text is None else build(dbc_text, own, frozenset(plan.groups.values()))
        # Built when the first of their frames comes: most vehicles send none.
        self._obd = cache(lambda: build(read_standard("obd"), maps["obd"], ()))
        self._j1939 = cache(lambda: build(read_standard("j1939"), maps["j1939"], groups))
        self._is_shared = self.own is not None and _feeds_twice(self.own, plan)
        for name, build_standard in (("obd", self._obd), ("j1939", self._j1939)):
            if of_standard[name]:  # a wrong entry is to be refused now
                build_standard()
        self.receiver = TransportReceiver(plan, groups)

    def decode(self, index: IntArray, frames: CanFrames, *, vehicle_of: IntArray | None = None) -> BusDecoded:
        """Return what a batch of frames says, in any order.

        Args:
            index: Shape (n,), tells messages apart, each of one bus of one vehicle.
            frames: Of these messages.
            vehicle_of: By message index: whose it is, so that values of several messages meet in one row of
                the grid; None: each message has rows of its own.
        """
        received = self.receiver.receive(index, frames)
        own = [received.plain, received.whole]
        if self._is_shared:  # in one call, so that the last value counts whichever way it came
            own = [Frames.join(own)]
        parts: list[CanDecoded] = []
        indices: list[IntArray] = []
        masked: Counter[str] = Counter(received.counts)
        counts: Counter[str] = Counter()
        unknown: Counter[int] = Counter()
        for decoder, of in (
            *((self.own, some) for some in own),
            # Where both tell the same the first counts: J1939 has the finer steps.
            (self._j1939() if received.j1939.index.size else None, received.j1939),
            (self._obd() if received.obd.index.size else None, received.obd),
        ):
            if not of.index.size:
                continue
            if decoder is None:
                unknown.update(_count_ids(of))
                continue
            f = of.frames
            owner = of.index if vehicle_of is None else vehicle_of[of.index]
            part = decoder.decode(owner.astype(np.int32), f.time_us, f.can_id, f.length, f.data)
            parts.append(part)
            indices.append(of.index)
            masked.update(part.masked)
            counts.update(part.counts)
            unknown.update(part.unknown_ids)
        return BusDecoded(
            parts=tuple(parts),
            part_index=tuple(indices),
            codes=tuple(received.codes),
            unknown_ids=dict(unknown),
            masked=dict(masked),
            counts=dict(counts),
        )


def _count_ids(of: Frames) -> dict[int, int]:
    ids, counts = np.unique(of.frames.can_id, return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


def _feeds_twice(decoder: CanDecoder, plan: TransportPlan) -> bool:
    """Tell whether single frames and joined payloads feed one element of one alias."""
    groups = frozenset(plan.groups.values())
    ways: dict[tuple[str, int], set[bool]] = {}
    for can_id, message in decoder.messages.items():
        is_long = can_id in groups and any(signal.needed > 8 for signal in message.signals)
        for target in (signal.target for signal in message.signals):
            if target is not None:
                is_joined = can_id in plan.isotp or is_long
                ways.setdefault((target.signal.alias, target.index), set()).add(is_joined)
    return any(len(found) > 1 for found in ways.values())

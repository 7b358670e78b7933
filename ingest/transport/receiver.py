"""Frames of a batch, sorted out: what the plain decoder reads as it is, what has to be put together first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from data.records import BoolArray, IntArray
from ingest.can.identifiers import IdentifierIndex, mask_j1939
from ingest.messages import CanFrames
from ingest.transport import j1939, obd, uds
from ingest.transport.codes import CodeBook, ReportedCode
from ingest.transport.frames import Frames
from ingest.transport.isotp import join_isotp
from ingest.transport.plan import IsoTpMessage, TransportPlan
from ingest.transport.segments import Joined, Payloads
from ingest.transport.standard import OBD_29_BASE, OBD_29_MASK, OBD_ID

_OBD_IDS = range(0x7E8, 0x7F0)  #: ISO 15765-4 §10.5.2
_J1939_BASE = 0x9800_0000  #: extended, priority 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A batch of frames, sorted out."""

    plain: Frames  #: read by the model's decoder as they are
    whole: Frames  #: payloads, read by the model's decoder under the identifier of their message
    obd: Frames  #: read with the standard DBC
    j1939: Frames  #: read with the standard DBC
    codes: list[ReportedCode]
    counts: Counter[str]  #: transfers and answers left out, by protocol and reason
    open_rows: IntArray  #: rows of transfers that may still go on, ascending


@dataclass(slots=True)
class _Sorting:
    """What has been found so far."""

    batch: Frames
    is_plain: BoolArray
    whole: list[Frames]
    obd: list[Frames]
    j1939: list[Frames]
    codes: CodeBook = field(default_factory=CodeBook)
    counts: Counter[str] = field(default_factory=Counter)
    opened: list[IntArray] = field(default_factory=list)


class TransportReceiver:
    """Sorts out the frames of one vehicle model.

    Answers to the legislated OBD identifiers are read even where the DBC does not name them; the common J1939
    groups are where the DBC is J1939's.

    Args:
        plan: What the model's DBC says.
        standard_groups: Identifiers of the standard J1939 DBC.
    """

    def __init__(self, plan: TransportPlan, standard_groups: tuple[int, ...] = ()) -> None:
        self._plan = plan
        named = list(plan.isotp)
        free = [can_id for can_id in _OBD_IDS if can_id not in plan.isotp and can_id not in plan.plain]
        self._messages = list(plan.isotp.values())
        self._channel_count = len(named) + len(free)
        self._isotp = IdentifierIndex(named + free)
        self._reads_29 = not any(can_id & OBD_29_MASK == OBD_29_BASE for can_id in plan.plain)
        nothing = [False] * (len(free) + 1)
        self._is_addressed = np.array([m.is_extended_address for m in self._messages] + nothing)
        self._plain = IdentifierIndex(plan.plain)
        self._dbc_pgns = frozenset(pgn for pgn, _ in plan.groups)
        pgns = j1939.split_ids(np.array(standard_groups, np.uint32)).pgn.tolist()
        self._standard_pgns = frozenset(pgns) - self._dbc_pgns
        standard = [i for i, pgn in zip(standard_groups, pgns, strict=True) if pgn in self._standard_pgns]
        self._standard = IdentifierIndex(mask_j1939(np.array(standard, np.uint32)).tolist())
        self._width = (plan.width + 8) // 8 * 8  # one byte more, for a length byte

    def receive(self, index: IntArray, frames: CanFrames) -> Received:
        """Return the frames of a batch, sorted out; nothing in them raises.

        Args:
            index: Shape (n,), tells messages apart, each of one bus of one vehicle.
            frames: In any order; those of one message are taken by time.
        """
        found = _Sorting(
            batch=Frames(index, frames),
            is_plain=np.ones(index.size, np.bool_),
            whole=[Frames.none(self._width)],
            obd=[Frames.none(8)],
            j1939=[Frames.none(8)],
        )
        self._join_isotp(found)
        if self._plan.is_j1939:
            self._join_j1939(found)
        return Received(
            plain=found.batch.take(found.is_plain),
            whole=Frames.join(found.whole),
            obd=Frames.join(found.obd),
            j1939=Frames.join(found.j1939),
            codes=found.codes.entries(),
            counts=found.counts,
            open_rows=np.unique(np.concatenate([np.empty(0, np.int64), *found.opened])),
        )

    def find_cut(self, frames: CanFrames) -> tuple[IntArray, IntArray]:
        """Return the rows of transfers that one message's frames do not hold whole, ascending.

        Returns:
            Those of transfers that may still go on behind the last frame, and those that go on from one begun
            before the first.
        """
        index = np.zeros(frames.time_us.size, np.int64)
        rows, which = self._isotp_rows(frames)
        opened = stray = rows[:0]
        if rows.size:
            joined = self._joined(index, frames, rows, which)
            opened, stray = rows[joined.open_rows], rows[joined.stray_rows]
        if not self._plan.is_j1939:
            return opened, stray
        groups = j1939.split_ids(frames.can_id)
        if not ((groups.pgn == j1939.TP_CM) | (groups.pgn == j1939.TP_DT)).any():
            return opened, stray
        joined = j1939.join_transport(index, frames.time_us, groups, frames.length, frames.data)
        return np.union1d(opened, joined.open_rows), np.union1d(stray, joined.stray_rows)

    def _isotp_rows(self, frames: CanFrames) -> tuple[IntArray, IntArray]:
        """Return the rows of ISO-TP frames and the channel of each."""
        which = self._isotp.find(frames.can_id)
        if self._reads_29:  # their channels stand behind those of the named identifiers
            is_29 = (which < 0) & ((frames.can_id & np.uint32(OBD_29_MASK)) == OBD_29_BASE)
            which = np.where(is_29, self._channel_count + (frames.can_id & 0xFF).astype(np.int64), which)
        rows = np.flatnonzero(which >= 0)
        return rows, which[rows]

    def _joined(self, index: IntArray, frames: CanFrames, rows: IntArray, which: IntArray) -> Joined:
        return join_isotp(
            index[rows] * (self._channel_count + 256) + which,
            frames.time_us[rows],
            frames.length[rows],
            frames.data[rows],
            is_extended=self._is_addressed[np.minimum(which, self._channel_count)],
        )

    def _join_isotp(self, found: _Sorting) -> None:
        rows, which = self._isotp_rows(found.batch.frames)
        if not rows.size:
            return
        found.is_plain[rows] = False
        joined = self._joined(found.batch.index, found.batch.frames, rows, which)
        found.counts.update({f"isotp:{reason}": count for reason, count in joined.lost.items()})
        found.opened.append(rows[joined.open_rows])
        last = joined.payloads.last
        self._read_answers(_Answers(joined.payloads, rows[last], which[last], found.batch), found)

    def _read_answers(self, answers: _Answers, found: _Sorting) -> None:
        payloads = answers.payloads
        service = payloads.byte(0)
        is_refused = service == uds.REFUSED
        reasons, counts = np.unique(payloads.byte(2)[is_refused], return_counts=True)
        for reason, count in zip(reasons.tolist(), counts.tolist(), strict=True):
            found.counts[f"uds:refused {reason & 0xFF:02X}"] += count
        is_report = service == uds.READ_CODES
        of = answers.take(is_report)
        codes, is_read = uds.decode_codes(of.payloads)
        of.report(codes, found.codes, CodeBook.UDS)
        if not is_read.all():
            found.counts["uds:other report of codes"] += int((~is_read).sum())
        is_stored = np.isin(service, list(obd.CODE_SERVICES))
        of = answers.take(is_stored)
        of.report(obd.decode_codes(of.payloads), found.codes, CodeBook.OBD)
        is_named = answers.which < len(self._messages)
        is_current = (service == obd.CURRENT_DATA) & ~is_named
        of = answers.take(is_current)
        found.obd.append(of.records(obd.PID_LENGTHS, id_bytes=1, leading=0, width=8, can_id=OBD_ID))
        is_lost = ~(is_refused | is_report | is_stored | is_named | is_current)
        if is_lost.any():
            found.counts["isotp:not in the DBC"] += int(is_lost.sum())
        for position in np.unique(answers.which[is_named]).tolist():
            is_mine = (answers.which == position) & ~is_refused
            is_data = is_mine & (service == uds.READ_DATA)
            message = self._messages[position]
            found.whole.append(self._records(answers.take(is_data), message, message.record_lengths))
            found.whole.append(self._records(answers.take(is_mine & ~is_data), message, {}))

    def _records(self, of: _Answers, message: IsoTpMessage, lengths: Mapping[int, int]) -> Frames:
        return of.records(
            lengths, id_bytes=2, leading=message.leading, width=self._width, can_id=message.can_id
        )

    def _join_j1939(self, found: _Sorting) -> None:
        batch, frames = found.batch, found.batch.frames
        groups = j1939.split_ids(frames.can_id)
        found.is_plain &= (groups.pgn != j1939.TP_CM) & (groups.pgn != j1939.TP_DT)
        for pgn in (j1939.DM1, j1939.DM2):
            rows = np.flatnonzero(groups.pgn == pgn)
            _add_trouble(found, batch.as_payloads(rows), rows, groups.source[rows], pgn=pgn)
            if pgn not in self._dbc_pgns | self._standard_pgns:
                found.is_plain[rows] = False
        is_standard = found.is_plain & (self._standard.find(mask_j1939(frames.can_id)) >= 0)
        rows = np.flatnonzero(is_standard)
        rows = rows[self._plain.find(frames.can_id[rows]) < 0]
        found.is_plain[rows] = False
        found.j1939.append(batch.take(rows))
        joined = j1939.join_transport(batch.index, frames.time_us, groups, frames.length, frames.data)
        found.counts.update({f"j1939:{reason}": count for reason, count in joined.lost.items()})
        found.opened.append(joined.open_rows)
        pgn_of = j1939.transported_group(joined.payloads, frames.data)
        for pgn in np.unique(pgn_of).tolist():
            at = np.flatnonzero(pgn_of == pgn)
            part = joined.payloads.take(at)
            self._place_group(found, part, groups.source[part.first], pgn)

    def _place_group(self, found: _Sorting, part: Payloads, source: IntArray, pgn: int) -> None:
        """Hand one parameter group, put together, to who reads it."""
        is_trouble = pgn in {j1939.DM1, j1939.DM2}
        if is_trouble:
            _add_trouble(found, part, part.last, source, pgn=pgn)
        if pgn in self._dbc_pgns:
            of_any = self._plan.groups[pgn, -1]
            of_sender = {s: self._plan.groups.get((pgn, s), of_any) for s in np.unique(source).tolist()}
            ids = np.array([of_sender[s] for s in source.tolist()], np.uint32)
            found.whole.append(found.batch.replace(part, part.last, ids, width=self._width))
        elif pgn in self._standard_pgns:
            ids = (_J1939_BASE | (pgn << 8) | source).astype(np.uint32)
            found.j1939.append(found.batch.replace(part, part.last, ids, width=8))
        elif not is_trouble:
            found.counts[f"j1939:PGN {pgn} not in the DBC"] += len(part)


@dataclass(frozen=True, slots=True)
class _Answers:
    """ISO-TP payloads with what their frames told."""

    payloads: Payloads
    row: IntArray  #: row of the last frame
    which: IntArray  #: channel
    batch: Frames

    def take(self, rows: BoolArray) -> _Answers:
        return _Answers(self.payloads.take(rows), self.row[rows], self.which[rows], self.batch)

    def report(self, codes: uds.Codes, book: CodeBook, kind: int) -> None:
        """Put trouble codes into the book."""
        row = self.row[codes.message]
        book.add(
            kind,
            index=self.batch.index[row],
            time_us=self.batch.frames.time_us[row],
            sender=self.batch.frames.can_id[row].astype(np.int64),
            code=codes.code,
            status=codes.status,
        )

    def records(
        self, lengths: Mapping[int, int], *, id_bytes: int, leading: int, width: int, can_id: int
    ) -> Frames:
        """Return one frame a record: service, identifier, data; before them the length where wanted."""
        answer, begin, end = uds.split_identifiers(self.payloads, lengths, id_bytes=id_bytes)
        size = end - begin + 1
        head = np.zeros((answer.size, leading + 1), np.uint8)
        head[:, 0] = (size & 0xFF).astype(np.uint8)
        head[:, leading] = np.maximum(self.payloads.byte(0)[answer], 0)
        data = self.payloads.part(answer, begin, end).matrix(width, head=head)
        row = self.row[answer]
        return Frames(
            self.batch.index[row],
            CanFrames(
                self.batch.frames.time_us[row],
                np.full(row.size, can_id, np.uint32),
                np.minimum(size + leading, width),
                data,
            ),
        )


def _add_trouble(found: _Sorting, payloads: Payloads, rows: IntArray, source: IntArray, *, pgn: int) -> None:
    trouble = j1939.decode_trouble(payloads, np.full(len(payloads), pgn == j1939.DM1))
    if trouble.is_old_method.any():
        found.counts["j1939:old conversion method"] += int(trouble.is_old_method.sum())
    at = rows[trouble.message]
    found.codes.add(
        CodeBook.J1939,
        index=found.batch.index[at],
        time_us=found.batch.frames.time_us[at],
        sender=source[trouble.message],
        code=(trouble.spn << 5) | trouble.fmi,
        status=trouble.status,
        occurrences=np.where(trouble.count == 127, -1, trouble.count),
    )

"""Ingest from delivery to the bytes of COPY, without a database; says what became of every message."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.catalogue import load_catalogue
from data.records import Vin
from data.settings import Settings
from ingest.adapters.files import read_presets
from ingest.adapters.mapped import MappedAdapter
from ingest.adapters.mapping import parse_adapters
from ingest.assemble import assemble
from ingest.assembled import Assembled
from ingest.copy import build_copy
from ingest.messages import Delivery, Message, Model, Reject, Vehicle
from ingest.newest import newest_readings
from ingest.service import build_intake
from ingest.store_rows import touched_vehicles
from ingest.streams import collect_streams
from ingest.tables import table_columns
from simulators.vehicle_models import model_named
from tests.fuzz.corpus import ADAPTERS, GOOD_VIN, MODEL, NOW_MS, TENANT, VIN

RECEIVED_US = (NOW_MS + 1000) * 1000
NO_POOL: Any = None
_REASON = re.compile(r"^[a-z][a-z0-9_]{2,30}$")


@dataclass
class Account:
    """What became of the messages."""

    messages: int = 0
    read: int = 0  #: something of it counts: a place in its stream, samples, events, a status
    rejected: int = 0  #: it, or a part of it, was put aside
    both: int = 0
    rows: int = 0
    masked: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def check(self) -> None:
        """Nothing vanished: every message was read, put aside, or partly each."""
        assert self.messages == self.read + self.rejected - self.both


class Reader:
    """Reads batches as the service does, with its own intake; any exception goes to the caller.

    Two vehicles are known, and adapters for three foreign topics.
    """

    def __init__(self) -> None:
        model = model_named(MODEL)
        known_model = Model(
            model_id=MODEL,
            cell_count=model.cell_count,
            probe_count=model.probe_count,
            wheel_count=4,
            grid_s=1.0,
            dbc=model.dbc,
            signal_map=model.signal_map,
        )
        known = {
            (TENANT, Vin(vin)): Vehicle(n, known_model) for n, vin in enumerate((VIN, GOOD_VIN), start=1)
        }
        self._catalogue = load_catalogue()
        mappings = parse_adapters(ADAPTERS, source="fuzz", presets=read_presets(), catalogue=self._catalogue)
        self._intake = build_intake(Settings(), NO_POOL, [MappedAdapter(mapping) for mapping in mappings])
        self._intake._registry = known
        self._intake._refreshed_s = float("inf")  # never read anew: there is no database
        self.account = Account()

    def read(self, batch: Sequence[tuple[str, bytes]]) -> Assembled:
        """Read one batch of (topic, payload), bring it into the form of the tables and return its rows."""
        messages: list[Message] = []
        for topic, payload in batch:
            message, reject = self._intake._decoder.decode(Delivery(topic, payload, RECEIVED_US))
            self._count(message, reject)
            if message is not None:
                messages.append(message)
        intake = self._intake
        assembled = assemble(
            messages,
            catalogue=self._catalogue,
            future_s=intake._future_s,
            can_decode=intake._can_decode,
            watch=intake._watch,
        )
        for error in assembled.bad_messages.values():
            assert _REASON.match(error.reason), error.reason
            assert error.detail
            self.account.reasons[error.reason] += 1
            self.account.rejected += 1
            self.account.both += 1
        self.account.masked += sum(assembled.masked.values())
        for stream in collect_streams(messages, assembled.time_span):
            assert -1 <= stream.high < 2**31 - 1
            assert stream.got.startswith("{")
        for family in assembled.families.values():
            rows = np.arange(len(family.rows))
            assert touched_vehicles(family)
            assert build_copy(table_columns(family, rows, self._catalogue)).stream()
            assert newest_readings(family, self._catalogue)["readings"]
            self.account.rows += len(rows)
        return assembled

    def _count(self, message: Message | None, reject: Reject | None) -> None:
        account = self.account
        account.messages += 1
        account.read += message is not None
        account.rejected += reject is not None
        account.both += message is not None and reject is not None
        assert message is not None or reject is not None
        if reject is not None:
            assert _REASON.match(reject.reason), reject.reason
            assert reject.detail
            assert len(reject.digest) == 32
            account.reasons[reject.reason] += 1

"""The live watch on the database: new readings in, predictions to write out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from data.db import Connection
from data.records import Family, FamilyRows, VehicleSpec
from models import readings, store
from models.assess import Told
from models.features.days import to_us
from models.predictors.base import RAISE_LEVEL
from models.watch.gathering import CONTEXT_US
from models.watch.rule import LiveRule
from models.watch.rules import live_rules
from models.watch.stream import Finding, Stream
from models.watch.telling import told_of

#: Vehicle and family to the first and last new sample, microseconds.
Spans = Mapping[tuple[int, Family], tuple[int, int]]


@dataclass(slots=True)
class Watcher:
    """Holds the state of vehicles of any model, one block of arrays for each."""

    fresh: timedelta
    rules: Sequence[LiveRule] = field(default_factory=live_rules)
    _stream: Stream = field(init=False)

    def __post_init__(self) -> None:
        self._stream = Stream(self.rules)

    def forget(self) -> None:
        """Drop everything; the next look rebuilds it from the database."""
        self._stream.forget()

    def is_late(self, family: Family, last_us: int, now: datetime) -> bool:
        """Tell whether readings are too old to be looked at: late ones warn nobody."""
        return last_us < to_us(now) - self._stream.window_us(family)

    def look(
        self, connection: Connection, spans: Spans, specs: Mapping[int, VehicleSpec], *, now: datetime
    ) -> list[Told]:
        """Take new readings of some vehicles into the state and return what is to be told.

        Readings older than the window of their rules before ``now`` stay out.

        Args:
            connection: To read from.
            spans: Vehicle and family to its first and last new sample, microseconds; other families than
                those of the rules are passed over.
            specs: Of these vehicles.
            now: Freshness is judged against it.
        """
        current = {
            key: span
            for key, span in spans.items()
            if key[0] in specs and key[1] in self._stream.families and not self.is_late(key[1], span[1], now)
        }
        vehicles = sorted({vehicle for vehicle, _ in current})
        groups: dict[VehicleSpec, list[int]] = {}
        for vehicle in vehicles:
            groups.setdefault(specs[vehicle], []).append(vehicle)
        states = store.fetch_states(connection, vehicles) if vehicles else {}
        out: list[Told] = []
        for spec, some in groups.items():
            new = set(self._stream.add(some, spec))
            self._remind(connection, sorted(new), spec)
            self._recall(connection, sorted(new), spec, now=now)
            rows = self._fetch(connection, some, new, current, spec, now=now)
            out += [
                told_of(
                    finding,
                    now=now,
                    origin=states[finding.vehicle_id].origin,
                    is_fresh=self._is_fresh(finding, states[finding.vehicle_id], now),
                )
                for finding in self._stream.take(rows, spec, is_live=True)
            ]
        return out

    def _remind(self, connection: Connection, vehicles: list[int], spec: VehicleSpec) -> None:
        """Learn what was last told of as likely, so that its end is told of as well."""
        if not vehicles:
            return
        modes = sorted({rule.failure_mode.value for rule in self.rules})
        found = store.fetch_likely_components(connection, vehicles, modes, RAISE_LEVEL)
        for (vehicle, mode), components in found.items():
            self._stream.remind(vehicle, spec, mode, components)

    def _recall(
        self, connection: Connection, vehicles: list[int], spec: VehicleSpec, *, now: datetime
    ) -> None:
        """Read what rules with a long memory would know of vehicles, up to where their new readings begin."""
        families = [f for f in sorted(self._stream.families) if self._stream.memory_us(f)]
        if not vehicles or not families:
            return
        begin_us = to_us(now) - max(self._stream.memory_us(f) for f in families)
        end_us = to_us(now) - max(self._stream.window_us(f) for f in families)
        rows = {
            family: readings.fetch_recent_rows(
                connection,
                vehicles,
                family,
                self._stream.columns(family),
                span_us=(begin_us, end_us),
                spec=spec,
                by_minute=True,
            )
            for family in {*families, Family.DRIVE}
        }
        self._stream.recall(rows, spec)

    def _fetch(
        self,
        connection: Connection,
        vehicles: list[int],
        new: set[int],
        spans: Spans,
        spec: VehicleSpec,
        *,
        now: datetime,
    ) -> dict[Family, FamilyRows]:
        rows: dict[Family, FamilyRows] = {}
        begins: list[int] = []
        for family in sorted(self._stream.families, key=lambda f: f is Family.DRIVE):
            some = [v for v in vehicles if (v, family) in spans]
            if not some:
                continue
            oldest_us = to_us(now) - self._stream.window_us(family)
            is_rebuilt = not new.isdisjoint(some)
            begin_us = oldest_us if is_rebuilt else max(oldest_us, min(spans[v, family][0] for v in some))
            begins.append(begin_us)
            end_us = max(spans[v, family][1] for v in some) + 1
            rows[family] = readings.fetch_recent_rows(
                connection, some, family, self._stream.columns(family), span_us=(begin_us, end_us), spec=spec
            )
        if any(rule.context for rule in self.rules) and begins:
            # the surroundings of the other families, besides the new rows
            span = (min(begins) - CONTEXT_US, max(spans[key][1] for key in spans if key[0] in vehicles) + 1)
            columns = self._stream.columns(Family.DRIVE)
            rows[Family.DRIVE] = readings.fetch_recent_rows(
                connection, vehicles, Family.DRIVE, columns, span_us=span, spec=spec
            )
        return rows

    def _is_fresh(self, finding: Finding, state: store.VehicleState, now: datetime) -> bool:
        """Tell whether a live reading stands behind a finding: late ones fill the state but warn nobody."""
        live = state.tire_live_time if finding.rule.family is Family.TIRE else state.live_time
        return live is not None and now - live <= self.fresh and to_us(live) >= finding.time_us

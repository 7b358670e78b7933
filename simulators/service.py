"""Run a simulated fleet: publish its past, then its present."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Event

import structlog

from data.records import Family, FamilyRows, Vin
from data.settings import Settings
from data.topics import Up
from simulators.batches import Collector, family_of, split_vehicles, trim_columns
from simulators.encode import birth_payload, tele_payload
from simulators.encode_can import CanEncoder, can_payload
from simulators.encode_gbt import Edition, gbt_payload, realtime_frame
from simulators.fleet import Fleet
from simulators.history import History
from simulators.link import Counters
from simulators.live import LiveFleet
from simulators.newest import newest_of
from simulators.publish import FleetLink, OnWarning
from simulators.sent_store import SentStore

_log = structlog.get_logger("simulators")
OnProgress = Callable[[int, int], None]
_LIVE_TICK_S = 1.0


class FleetRun:
    """One run of a simulated fleet against a broker; its counters may be read while it runs."""

    def __init__(
        self,
        settings: Settings,
        fleet: Fleet,
        *,
        store_dir: Path,
        tenant: str = "demo",
        on_progress: OnProgress | None = None,
        on_warning: OnWarning | None = None,
        rate_messages_per_s: float = 400.0,
        live_protocol_mix: bool = True,
    ) -> None:
        """Prepare a run.

        Args:
            settings: ``mqtt_url`` is the broker's address with the simulators' account.
            fleet: The vehicles; its past ends at ``fleet.end_s`` or now, whichever is earlier.
            store_dir: Where what was sent is kept for seven days.
            tenant: Whose vehicles they are.
            on_progress: Called with the simulated days published and the days there are.
            on_warning: Called from the network thread with the VIN and each distinct warning.
            rate_messages_per_s: For the whole fleet.
            live_protocol_mix: Let some vehicles speak JSON, CAN or GB/T 32960 when live; else all CBOR.
        """
        self._settings, self._fleet, self._store_dir, self._tenant = settings, fleet, store_dir, tenant
        self._on_progress, self._on_warning = on_progress, on_warning
        self._rate, self._is_mixed = rate_messages_per_s, live_protocol_mix
        self._link: FleetLink | None = None
        self.backfill_done_at: float | None = None  #: seconds since 1970
        self.is_silent = Event()  #: set: say nothing new, go on answering the server
        self._widths = [
            {"cell.voltage": m.cell_count, "cell.temperature": m.probe_count}
            for m in (fleet.models[i] for i in fleet.model_index)
        ]
        self._can = {m.model_id: CanEncoder(m.dbc, m.signal_map) for m in fleet.models}

    @property
    def counters(self) -> Counters:
        """Return what has gone over the wire so far."""
        return self._link.counters if self._link is not None else Counters()

    @property
    def published(self) -> int:
        """Return the number of distinct messages handed to the broker."""
        return self.counters.published

    @property
    def is_backfill_done(self) -> bool:
        """Tell whether the broker has acknowledged the whole past."""
        return self.backfill_done_at is not None

    @property
    def refusal(self) -> str | None:
        """Return why the broker refuses the vehicles, None when it does not."""
        return self._link.refusal if self._link is not None else None

    def run(self, stop: Event) -> None:
        """Publish past and present until ``stop`` is set.

        Raises:
            LinkError: The broker's address is wrong.
        """
        store = SentStore(self._store_dir)
        self._link = FleetLink(
            self._settings.mqtt_url,
            tenant=self._tenant,
            vins=[v.vin for v in self._fleet.vehicles],
            boot=f"s{int(time.time() * 1000):x}",
            store=store,
            origin="simulated",
            rate_messages_per_s=self._rate,
            on_warning=self._on_warning,
            now_ms=_now_ms,
        )
        previous = {v.vin: store.newest_boot(v.vin) for v in self._fleet.vehicles}
        try:
            self._link.start()
            self._announce(self._link, previous, stop)
            history, end_s = History(self._fleet), min(self._fleet.end_s, time.time())
            if self._publish_past(self._link, history, end_s, stop):
                self._publish_present(self._link, LiveFleet(history, end_s), stop)
        finally:
            self._link.stop()
            store.close()

    def _announce(self, link: FleetLink, previous: Mapping[Vin, tuple[str, int] | None], stop: Event) -> None:
        for vehicle in self._fleet.vehicles:
            link.submit(
                vehicle.vin,
                Up.BIRTH,
                partial(
                    birth_payload,
                    model=vehicle.model_id,
                    firmware=vehicle.firmware,
                    time_zone=vehicle.time_zone,
                    previous=previous[vehicle.vin],
                ),
                stop=stop,
            )

    def _publish_past(self, link: FleetLink, history: History, end_s: float, stop: Event) -> bool:
        vehicles = self._fleet.vehicles
        collectors = [Collector() for _ in vehicles]
        for done, families in enumerate(history.days(end_s), start=1):
            self._collect(collectors, families)
            if not self._send_collected(link, collectors, stop, is_last=False):
                return False
            if self._on_progress is not None:
                self._on_progress(min(done, self._fleet.days), self._fleet.days)
        if not self._send_collected(link, collectors, stop, is_last=True):
            return False
        while not link.drain(5.0, stop):
            if stop.is_set():
                return False
        self.backfill_done_at = time.time()
        _log.info("past published", vehicles=len(vehicles), messages=link.counters.acked)
        return True

    def _collect(self, collectors: Sequence[Collector], families: Sequence[FamilyRows]) -> None:
        split = [split_vehicles(rows, len(collectors)) for rows in families]
        for collector, widths, drive, tires, cells in zip(collectors, self._widths, *split, strict=True):
            collector.add(drive, tires, trim_columns(cells, widths))

    def _send_collected(
        self, link: FleetLink, collectors: Sequence[Collector], stop: Event, *, is_last: bool
    ) -> bool:
        for vehicle, collector in zip(self._fleet.vehicles, collectors, strict=True):
            for rows in collector.messages(is_last=is_last):
                if not link.submit(
                    vehicle.vin, Up.TELE, partial(tele_payload, rows=rows), is_hist=True, stop=stop
                ):
                    return False
        return True

    def _publish_present(self, link: FleetLink, live: LiveFleet, stop: Event) -> None:
        while not stop.is_set():
            began = time.monotonic()
            families = None if self.is_silent.is_set() else live.advance(time.time())
            if families is not None:
                split = [split_vehicles(rows, len(self._fleet)) for rows in families]
                for row, (drive, tires, cells) in enumerate(zip(*split, strict=True)):
                    if len(drive):
                        self._send_live(
                            link, row, [drive, tires, trim_columns(cells, self._widths[row])], stop
                        )
            stop.wait(max(0.05, _LIVE_TICK_S - (time.monotonic() - began)))

    def _send_live(self, link: FleetLink, row: int, rows: list[FamilyRows], stop: Event) -> None:
        vehicle = self._fleet.vehicles[row]
        link.remember(vehicle.vin, newest_of(rows))
        protocol = vehicle.protocol if self._is_mixed else "cbor"
        if protocol == "json":
            link.submit(vehicle.vin, Up.TELE, partial(tele_payload, rows=rows, encoding="json"), stop=stop)
        elif protocol == "cbor":
            link.submit(vehicle.vin, Up.TELE, partial(tele_payload, rows=rows), stop=stop)
        elif protocol == "can":
            time_us = rows[0].time_us
            columns = {
                alias: values for family in rows if len(family) for alias, values in family.columns.items()
            }
            frames = self._can[vehicle.model_id].frames(time_us, columns)
            link.submit(
                vehicle.vin,
                Up.CAN,
                lambda e: can_payload(e, int(time_us[0]) // 1000, frames),
                bus="main",
                stop=stop,
            )
        else:
            self._send_gbt(link, row, rows, "2025" if protocol.endswith("2025") else "2016", stop)

    def _send_gbt(
        self, link: FleetLink, row: int, rows: list[FamilyRows], edition: Edition, stop: Event
    ) -> None:
        """Send drive and cells as a GB/T 32960 frame; tires, which it does not know, as tele."""
        vehicle = self._fleet.vehicles[row]
        columns = {
            alias: values for family in rows if len(family) for alias, values in family.columns.items()
        }
        frame = realtime_frame(vehicle.vin, int(rows[0].time_us[0]), columns, 0, edition=edition)
        link.submit(vehicle.vin, Up.GBT32960, lambda e: gbt_payload(e, frame), stop=stop)
        tires = family_of(rows, Family.TIRE)
        if tires is not None:
            link.submit(vehicle.vin, Up.TELE, lambda e: tele_payload(e, [tires]), stop=stop)


def run_fleet(
    settings: Settings,
    *,
    fleet: Fleet,
    stop: Event,
    store_dir: Path,
    tenant: str = "demo",
    on_progress: OnProgress | None = None,
    on_warning: OnWarning | None = None,
    rate_messages_per_s: float = 400.0,
    live_protocol_mix: bool = True,
) -> Counters:
    """Publish a fleet until ``stop`` is set and return what has gone over the wire; see :class:`FleetRun`."""
    run = FleetRun(
        settings,
        fleet,
        store_dir=store_dir,
        tenant=tenant,
        on_progress=on_progress,
        on_warning=on_warning,
        rate_messages_per_s=rate_messages_per_s,
        live_protocol_mix=live_protocol_mix,
    )
    run.run(stop)
    return run.counters


def _now_ms() -> int:
    return int(time.time() * 1000)

"""Vehicles that report at a steady rate in every protocol; each reading is a function of vehicle and time.

A reading is one sample of one family, that is one row of a table: the drive scalars of an instant, the tires
of an instant, the cells of an instant.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg

from data.catalogue import load_catalogue
from data.records import Family, FamilyRows, Vin
from data.reference import NEVER_QUIET, VehicleRegistration, register_vehicles
from data.topics import Up
from simulators.encode import Envelope, birth_payload, tele_payload
from simulators.encode_can import CanEncoder, can_payload
from simulators.encode_gbt import gbt_payload, realtime_frame
from simulators.outbox import MakePayload
from simulators.publish import FleetLink
from simulators.sent_store import SentStore
from simulators.vehicle_models import model_named

MODEL = "anxin-sedan-96-ncm"
BOOT = "steady"
#: What vehicle n speaks.
PROTOCOLS = (
    "cbor",
    "json",
    "cbor",
    "json",
    "cbor",
    "cbor",
    "json",
    "cbor",
    "cbor",
    "can",
    "gbt2016",
    "gbt2025",
)
SAMPLES = 50  #: of drive and tires in a second of a vehicle that speaks tele
_TICK_MS = 1000 // SAMPLES
#: What GB/T 32960 knows of the columns below.
_GBT = ("speed", "odometer", "soc", "pack.voltage")

Columns = dict[str, npt.NDArray[Any]]
Ints = npt.NDArray[np.int64]


def readings(vehicle: int, time_ms: Ints) -> dict[Family, Columns]:
    """Return what a vehicle measures at some instants; every value is exact in every protocol."""
    n = time_ms // _TICK_MS + 7919 * vehicle
    wheel, cell, probe = np.arange(4), np.arange(96), np.arange(24)
    at = n[:, None]
    return {
        Family.DRIVE: {
            "speed": (n % 397) / 2,
            "odometer": (n % 100_000) / 2,
            "soc": (n % 101).astype(float),
            "pack.voltage": 300 + (n % 201) / 2,
        },
        Family.TIRE: {
            "tire.pressure": 200 + 7 * wheel + ((at + wheel) % 89) / 2,
            "tire.temperature": (20 + wheel + at % 17).astype(float),
        },
        Family.CELL: {
            "cell.voltage": (3300 + (at + 13 * cell) % 900) / 1000,
            "cell.temperature": (15 + (at + probe) % 31).astype(float),
        },
    }


@dataclass(frozen=True)
class Car:
    """One vehicle of the fleet."""

    index: int
    vin: Vin
    protocol: str

    def times_ms(self, family: Family, first_ms: int, seconds: int) -> Ints:
        """Return when it measures a family during some seconds; empty: its protocol does not know it."""
        if family is Family.TIRE and self.protocol.startswith("gbt"):
            return np.zeros(0, np.int64)
        is_quick = family is not Family.CELL and self.protocol in ("cbor", "json")
        step = _TICK_MS if is_quick else 1000
        return np.arange(first_ms, first_ms + 1000 * seconds, step, dtype=np.int64)

    def expected(self, family: Family, time_ms: Ints) -> Columns:
        """Return the values that must be stored at some instants, catalogue units."""
        columns = readings(self.index, time_ms)[family]
        if family is Family.DRIVE and self.protocol.startswith("gbt"):
            return {alias: columns[alias] for alias in _GBT}
        return columns


class SteadyFleet:
    """Publishes one message a second for each vehicle until told to end, whatever happens to the servers.

    Args:
        url: The broker, with the simulators' account.
        database_url: Where the vehicles are registered.
        count: How many vehicles.
        store_dir: Their seven-day store.
        rate: Messages a second for the whole fleet at most, and as many repeats.
    """

    def __init__(
        self, url: str, database_url: str, count: int, store_dir: Path, *, rate: float = 600.0
    ) -> None:
        self.cars = [Car(n, Vin(f"LKSTEADY{n:09d}"), PROTOCOLS[n % len(PROTOCOLS)]) for n in range(count)]
        self.ids = _register(database_url, self.cars)
        self._store = SentStore(store_dir)
        model = model_named(MODEL)
        self._can = CanEncoder(model.dbc, model.signal_map)
        self.link = FleetLink(
            url,
            tenant="demo",
            vins=[car.vin for car in self.cars],
            boot=BOOT,
            store=self._store,
            origin="simulated",
            rate_messages_per_s=rate,
            queue_messages=1_000_000,
            status_every_s=3.0,
            now_ms=_now_ms,
        )
        self.first_ms = 0
        self.seconds = 0  #: seconds that every vehicle has reported
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._drive, name="steady-fleet", daemon=True)

    @property
    def messages_per_car(self) -> int:
        """Return how many messages every vehicle has numbered: a birth, and one a second."""
        return 1 + self.seconds

    @property
    def reading_count(self) -> int:
        """Return how many readings were published."""
        return sum(
            len(car.times_ms(family, 0, 1)) * self.seconds
            for car in self.cars
            for family in (Family.DRIVE, Family.TIRE, Family.CELL)
        )

    def start(self) -> None:
        """Begin to drive."""
        self.first_ms = _now_ms() // 1000 * 1000
        self.link.start()
        self._thread.start()

    def fall_silent(self) -> None:
        """Say nothing new; go on telling the last number and answering requests."""
        self._ended.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Leave the broker."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self.link.stop()
        self._store.close()

    def check_alive(self) -> None:
        """Raise what ended the fleet, if something did."""
        if self._failure is not None:
            raise self._failure

    def _drive(self) -> None:
        try:
            for car in self.cars:
                self.link.submit(car.vin, Up.BIRTH, _birth)
            began = time.monotonic()
            while not self._ended.wait(max(0.0, began + self.seconds - time.monotonic())):
                now_ms = self.first_ms + 1000 * self.seconds
                for car in self.cars:
                    kind, make, bus = self._message(car, now_ms)
                    self.link.submit(car.vin, kind, make, bus=bus)
                self.seconds += 1
        except BaseException as error:
            self._failure = error

    def _message(self, car: Car, now_ms: int) -> tuple[Up, MakePayload, str]:
        """Return a second of one vehicle."""
        parts = {
            family: car.times_ms(family, now_ms, 1) for family in (Family.DRIVE, Family.TIRE, Family.CELL)
        }
        values = {family: car.expected(family, times) for family, times in parts.items() if times.size}
        together: Columns = {
            alias: column for columns in values.values() for alias, column in columns.items()
        }
        if car.protocol == "can":
            frames = self._can.frames(np.array([now_ms * 1000]), together)
            return Up.CAN, lambda e: can_payload(e, now_ms, frames), "main"
        if car.protocol.startswith("gbt"):
            edition = "2016" if car.protocol == "gbt2016" else "2025"
            frame = realtime_frame(car.vin, now_ms * 1000, together, 0, edition=edition)  # type: ignore[arg-type]
            return Up.GBT32960, lambda e: gbt_payload(e, frame), ""
        rows = [_rows(family, parts[family], columns) for family, columns in values.items()]
        encoding = "json" if car.protocol == "json" else "cbor"
        return Up.TELE, lambda e: tele_payload(e, rows, encoding=encoding), ""  # type: ignore[arg-type]


def count_complete(url: str, fleet: SteadyFleet) -> int:
    """Return how many vehicles' messages have all arrived; the server's account against the vehicles'."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM message_streams WHERE vehicle_id = ANY (%s) AND boot = %s"
            " AND received_count = %s AND high = %s AND missing = '{}'",
            (list(fleet.ids.values()), BOOT, fleet.messages_per_car, fleet.messages_per_car - 1),
        ).fetchone()
    return int(row[0]) if row else 0


def check_readings(url: str, fleet: SteadyFleet) -> int:
    """Check that every reading is stored once with its values and nothing else is; return how many."""
    signals, total = load_catalogue().signals, 0
    tables: Mapping[Family, str] = {
        Family.DRIVE: "drive_readings",
        Family.TIRE: "tire_readings",
        Family.CELL: "cell_readings",
    }
    with psycopg.connect(url) as connection:
        for car in fleet.cars:
            for family, table in tables.items():
                times = car.times_ms(family, fleet.first_ms, fleet.seconds)
                wanted = car.expected(family, times)
                columns = ", ".join(signals[alias].column for alias in wanted)
                rows = connection.execute(
                    f"SELECT round(extract(epoch FROM time) * 1000)::bigint, {columns} FROM {table}"  # type: ignore[arg-type]  # noqa: S608
                    " WHERE vehicle_id = %s ORDER BY time",
                    (fleet.ids[car.vin],),
                ).fetchall()
                where = f"{car.vin} ({car.protocol}) {family}"
                np.testing.assert_array_equal([row[0] for row in rows], times, err_msg=where)
                for place, (alias, values) in enumerate(wanted.items(), start=1):
                    stored = np.array([row[place] for row in rows], float).reshape(values.shape)
                    np.testing.assert_allclose(
                        stored / signals[alias].scale, values, rtol=0, atol=1e-4, err_msg=f"{where} {alias}"
                    )
                total += len(rows)
        row = connection.execute(
            "SELECT (SELECT count(*) FROM drive_readings) + (SELECT count(*) FROM tire_readings)"
            " + (SELECT count(*) FROM cell_readings)"
        ).fetchone()
    assert row == (total,)
    return total


def _rows(family: Family, time_ms: Ints, columns: Columns) -> FamilyRows:
    n = time_ms.size
    nowhere = np.zeros(n, np.int64)
    return FamilyRows(
        family=family,
        vehicle_id=np.zeros(n, np.int32),
        time_us=time_ms * 1000,
        sent_us=nowhere,
        received_us=nowhere,
        is_hist=np.zeros(n, bool),
        columns=columns,
    )


def _birth(envelope: Envelope) -> bytes:
    return birth_payload(envelope, model=MODEL, firmware="1", time_zone="Asia/Shanghai")


def _register(url: str, cars: list[Car]) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        return register_vehicles(
            connection,
            tenant="demo",
            vehicles=[
                VehicleRegistration(
                    vin=car.vin, model_id=MODEL, owner_name=f"owner of {car.vin}", quiet=NEVER_QUIET
                )
                for car in cars
            ],
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

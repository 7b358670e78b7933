"""From deliveries to committed rows, whatever is in them: no message jams the queue, none is dropped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import psycopg
import structlog

from data.catalogue import load_catalogue
from data.db import Connection, Pool
from data.errors import DatabaseError
from data.records import IntArray, Vin
from ingest.assemble import CanDecode, assemble
from ingest.assembled import Assembled
from ingest.decode import CanParser, Decoder, JoinCan, reject_delivery
from ingest.errors import PayloadError
from ingest.messages import Adapter, CanFrames, Delivery, JoinedFrames, Message, Reject, Vehicle
from ingest.quality_watch import QualityWatch
from ingest.store import Batch, BatchResult, fetch_registry, is_orphaned, is_poison, store_batch, write_batch
from ingest.store_quality import store_findings
from ingest.store_rows import pack_rows

_log = structlog.get_logger("ingest")

#: The registry is read again at most this often for the sake of an unknown vehicle, and at least this often.
_SHORTEST_REFRESH_S = 2.0
_LONGEST_REFRESH_S = 30.0
#: Unknown vehicles that are remembered: one that the registry, read since, does not know waits its turn.
_MOST_STRANGERS = 100_000
FindCut = Callable[[Vehicle, CanFrames], tuple[IntArray, IntArray]]


@dataclass(slots=True)
class Item:
    """One delivery and what was read from it."""

    delivery: Delivery
    message: Message | None
    reject: Reject | None

    @property
    def row_count(self) -> int:
        """Return about how many rows it makes."""
        return 1 if self.message is None else self.message.row_count


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch that is read but for what only the database can tell."""

    items: Sequence[Item]
    batch: Batch | None  #: None: preparing failed; storing finds the culprit


class Intake:
    """Reads deliveries and stores batches of them.

    Args:
        pool: The database.
        slot: Name of this process in the commit log.
        future_s: How far a vehicle's clock may be ahead, seconds.
        can_decode: Decodes the raw frames of one vehicle model.
        parse_can: Reads the records of a CAN payload.
        join_can: Keeps transfers whole that span two messages of a bus.
        find_cut: Rows of transfers that are not whole: that may go on, and that go on from before.
        clock_s: Monotonic seconds.
        adapters: Read topics that are not ours.
        watch: Follows the vehicles of prepared batches over time.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        slot: str,
        future_s: float,
        can_decode: CanDecode,
        parse_can: CanParser,
        clock_s: Callable[[], float],
        adapters: Sequence[Adapter] = (),
        watch: QualityWatch | None = None,
        join_can: JoinCan = lambda _vehicle, _bus, frames: JoinedFrames(frames),
        find_cut: FindCut = lambda _vehicle, _frames: (np.empty(0, np.int64), np.empty(0, np.int64)),
    ) -> None:
        self._pool = pool
        self._slot = slot
        self._future_s = future_s
        self._can_decode = can_decode
        self._watch = watch
        self.find_cut = find_cut
        self._clock_s = clock_s
        self._decoding = threading.RLock()  # decoders remember; the writing thread looks for a culprit
        self._registry: dict[tuple[str, Vin], Vehicle] = {}
        self._refreshed_s = -_LONGEST_REFRESH_S
        self._strangers: dict[tuple[str, Vin], float] = {}  # unknown vehicles, when first heard of
        self._decoder = Decoder(
            catalogue=load_catalogue(),
            find_vehicle=self.find_vehicle,
            is_retired=lambda tenant, vin: (tenant, vin) in self._registry,
            parse_can=parse_can,
            join_can=join_can,
            future_s=future_s,
            adapters=adapters,
        )

    def refresh(self) -> None:
        """Read the vehicle registry again.

        Raises:
            DatabaseAway: Try again.
        """
        self._registry = fetch_registry(self._pool)
        self._strangers = {key: s for key, s in self._strangers.items() if key not in self._registry}
        self._refreshed_s = self._clock_s()
        self._decoder.forget()

    def read(self, delivery: Delivery) -> Item:
        """Return what a delivery says.

        Raises:
            DatabaseAway: The registry had to be read and could not be; the delivery is neither good nor bad.
        """
        try:
            return Item(delivery, *self._decoder.decode(delivery))
        except DatabaseError:
            raise
        except Exception as error:
            why = PayloadError("decoder_failed", f"{type(error).__name__}: {error}"[:500])
            return Item(delivery, self._decoder.account_only(delivery), reject_delivery(delivery, why))

    def read_all(self, deliveries: Sequence[Delivery], items: list[Item] | None = None) -> list[Item]:
        """Return what each delivery says, in order.

        Args:
            deliveries: In arrival order.
            items: What an attempt that failed has read already; goes on from there, for a message must not
                be read twice: transfers that span two messages would be joined twice.

        Raises:
            DatabaseAway: As ``read``; try again with the same ``items``.
        """
        items = [] if items is None else items
        if self._clock_s() - self._refreshed_s >= _LONGEST_REFRESH_S:
            self.refresh()
        with self._decoding:
            for delivery in deliveries[len(items) :]:
                items.append(self.read(delivery))
        return items

    def prepare(self, items: Sequence[Item]) -> Prepared:
        """Return a batch made ready for the database, without asking it."""
        try:
            batch = self._build_batch(items, self._watch)
            families = batch.assembled.families
            families.update({family: pack_rows(rows) for family, rows in families.items()})
            return Prepared(items, batch)
        except Exception as error:
            _log.warning("batch not ready, looking for the message at fault", error=str(error)[:300])
            return Prepared(items, None)

    def store_prepared(self, prepared: Prepared) -> list[BatchResult]:
        """Commit a prepared batch; see ``store``."""
        if prepared.batch is None:
            return self.store(prepared.items)
        try:
            return [store_batch(self._pool, prepared.batch, slot=self._slot)]
        except DatabaseError as error:
            if not is_poison(error):
                raise
        except Exception as error:
            _log.warning("batch refused, looking for the message at fault", error=str(error)[:300])
        return self.store(prepared.items)

    def store(self, items: Sequence[Item]) -> list[BatchResult]:
        """Commit a batch; one refused for its data is halved until the culprit stands alone.

        Raises:
            DatabaseAway: Try again with the same items; what was already committed has no effect twice.
            DatabaseError: The database refuses everything (permissions, schema): try again later too.
        """
        try:
            return [store_batch(self._pool, self._build_batch(items), slot=self._slot)]
        except DatabaseError as error:
            if not is_poison(error):
                raise
            reason = error
        except Exception as error:
            reason = DatabaseError(f"{type(error).__name__}: {error}")
            reason.__cause__ = error
        if len(items) > 1:
            middle = len(items) // 2
            return self.store(items[:middle]) + self.store(items[middle:])
        return [self._store_reject(items[0].delivery, reason)]

    def _build_batch(self, items: Sequence[Item], watch: QualityWatch | None = None) -> Batch:
        owners = [i for i, item in enumerate(items) if item.message is not None]
        messages = [message for item in items if (message := item.message) is not None]
        assembled = self._assemble(messages, watch)
        rejects = [item.reject for item in items if item.reject is not None]
        rejects += [
            reject_delivery(items[owners[i]].delivery, error) for i, error in assembled.bad_messages.items()
        ]
        return Batch(messages=messages, assembled=assembled, rejects=rejects, delivery_count=len(items))

    def _assemble(self, messages: Sequence[Message], watch: QualityWatch | None = None) -> Assembled:
        with self._decoding:
            return assemble(
                messages,
                catalogue=load_catalogue(),
                future_s=self._future_s,
                can_decode=self._can_decode,
                watch=watch,
            )

    def _store_reject(self, delivery: Delivery, error: Exception) -> BatchResult:
        """Put the message aside, but account for it; its vehicle may also have gone meanwhile."""
        with self._decoding:
            again = self.read(delivery)
            if again.message is not None and is_orphaned(error):
                self.refresh()  # only then: of a large fleet it takes a second
                again = self.read(delivery)
        head = None if again.message is None else again.message.envelope
        messages = []
        if again.message is not None and head is not None:
            messages = [
                Message(vehicle=again.message.vehicle, received_us=delivery.received_us, envelope=head)
            ]
        reject = again.reject if again.message is None else None
        reject = reject or reject_delivery(delivery, PayloadError("refused", str(error)[:800]))
        batch = Batch(
            messages=messages,
            assembled=assemble([], catalogue=load_catalogue(), future_s=0.0, can_decode=self._can_decode),
            rejects=[reject],
            delivery_count=1,
        )
        return store_batch(self._pool, batch, slot=self._slot)

    def write(self, connection: Connection, messages: Sequence[Message]) -> None:
        """Write what messages say that were counted when they came, in the caller's transaction.

        Where the database refuses them together each is written alone, and the culprit logged and left out.

        Raises:
            DatabaseAway: Nothing of it is written.
        """
        try:
            with connection.transaction():
                assembled = self._assemble(messages)
                batch = Batch(messages=messages, assembled=assembled, rejects=[], delivery_count=0)
                write_batch(connection, batch, slot=self._slot)
            for i, bad in assembled.bad_messages.items():
                _log_refused(messages[i], bad)
        except psycopg.Error as error:
            if not is_poison(error):
                raise
            for message in messages if len(messages) > 1 else ():
                self.write(connection, [message])
            if len(messages) == 1:
                _log_refused(messages[0], error)

    def store_gathered(self) -> None:
        """Store what the checks over time still hold back; for the end of a process.

        Raises:
            DatabaseError: It could not be stored.
        """
        if self._watch is not None:
            store_findings(self._pool, self._watch.take_gathered(), received_us=self._watch.now_us)

    def find_vehicle(self, tenant: str, vin: Vin) -> Vehicle | None:
        """Return a vehicle in service; None where the registry, read lately, has none.

        Raises:
            DatabaseAway: The registry had to be read and could not be.
        """
        key = tenant, vin
        now_s = self._clock_s()
        age_s = now_s - self._refreshed_s
        found = self._registry.get(key)
        is_new = found is None and self._strangers.get(key, now_s) >= self._refreshed_s
        if age_s >= _LONGEST_REFRESH_S or (is_new and age_s >= _SHORTEST_REFRESH_S):
            self.refresh()
            found = self._registry.get(key)
        if found is None and len(self._strangers) < _MOST_STRANGERS:
            self._strangers.setdefault(key, now_s)
        return None if found is None or found.is_retired else found


def _log_refused(message: Message, error: Exception) -> None:
    _log.error("joined transfer refused", vehicle_id=message.vehicle.vehicle_id, error=str(error)[:300])

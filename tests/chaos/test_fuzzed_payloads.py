"""A million fuzzed payloads in process, and fifty thousand through a real broker and database.

Nothing crashes, nothing leaks, everything is accounted for, and sound messages beside them keep their pace.
"""

from __future__ import annotations

import gc
import itertools
import json
import random
import subprocess
import sys
import threading
import time
import tracemalloc
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
import pytest
import structlog

from data.broker import find_mosquitto
from data.db import Pool
from data.exposition import Vitals
from data.reference import VehicleRegistration, load_reference, register_vehicles
from data.settings import Settings
from ingest.messages import Delivery
from ingest.pipeline import Clock, Pipeline
from ingest.progress import Progress
from ingest.service import build_intake
from ingest.subscriber import RETAINED_S
from simulators.encode import Envelope, tele_payload
from tests.chaos.installation import until
from tests.chaos.publisher import Published, Publisher
from tests.chaos.servers import IngestProcess, Servers, serving
from tests.fuzz.corpus import GOOD_VIN, MODEL, NOW_MS, TOPICS, UP, VIN, drive_and_tires, sound_messages
from tests.fuzz.mutation import mutate_payload, mutate_topic
from tests.fuzz.reading import RECEIVED_US, Reader

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

MILLION, BATCH = 1_000_000, 1000
GUIDED = 100_000
THROUGH_BROKER = 50_000
GOOD = 10_000
#: Every fourth message is bad: with every second one, bad ones that cost no more than sound ones would halve
#: the pace already.
BESIDE = GOOD // 3
#: A leak of so much for each message is found.
LEAK_BYTES = 10
MB = 1 << 20
ROOT = Path(__file__).resolve().parents[2]
_log = structlog.get_logger("tests")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Published]:
    """What a coverage-guided run finds worth keeping; the run itself must end well."""
    if find_spec("atheris") is None:
        pytest.skip("atheris is not installed")
    directory = tmp_path_factory.mktemp("corpus")
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.fuzz_payloads",
        "--runs",
        str(GUIDED),
        "--corpus",
        str(directory),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    inputs = [path.read_bytes() for path in sorted(directory.iterdir())]
    return [(TOPICS[data[0] % len(TOPICS)], data[1:]) for data in inputs if data]


def test_a_million_fuzzed_payloads_crash_nothing_and_leak_nothing(corpus: list[Published]) -> None:
    rng = random.Random(7)  # noqa: S311 - no secret
    reader, process = Reader(), psutil.Process()
    fuzzed = fuzzed_messages(rng, [*5 * sound_messages(), *corpus])
    slowest_s, warm_mb, took_s = 0.0, 0.0, 0.0
    for number in range(MILLION // BATCH):
        batch = list(itertools.islice(fuzzed, BATCH))
        began = time.process_time()  # of this process: others share the machine
        reader.read(batch)
        took_s += time.process_time() - began
        slowest_s = max(slowest_s, time.process_time() - began)
        if number == 100:
            warm_mb = _rss_mb(process)
    reader.account.check()
    final_mb = _rss_mb(process)
    account = reader.account
    _log.info(
        "fuzzed in process",
        payloads=account.messages,
        guided=GUIDED,
        corpus=len(corpus),
        read=account.read,
        rejected=account.rejected,
        reasons=len(account.reasons),
        payloads_per_s=round(account.messages / took_s),
        slowest_batch_s=round(slowest_s, 2),
        rss_mb=(round(warm_mb), round(final_mb)),
    )
    assert account.messages == MILLION
    assert min(account.read, account.rejected) > MILLION // 10  # mutations go deep as well as wide
    assert slowest_s < 5.0
    assert final_mb < warm_mb + LEAK_BYTES * (MILLION - 101 * BATCH) / MB


def test_nothing_stays_in_memory_of_what_was_stored(pool: Pool, database_url: str) -> None:
    """From the subscriber's hands to committed rows; one message in five names a signal of its own."""
    _register(database_url)
    intake, progress = build_intake(Settings(), pool), Progress()
    constant = list(itertools.islice(publishable(random.Random(17)), 4 * BATCH))  # noqa: S311 - no secret
    named = map(named_anew, itertools.count())
    traced = []
    tracemalloc.start()
    try:
        for _ in range(6):
            stop, is_storing = threading.Event(), threading.Event()
            mixture = [*constant, *itertools.islice(named, BATCH)]
            random.Random(19).shuffle(mixture)  # noqa: S311 - no secret
            Pipeline(
                Settings(),
                intake,
                GivesOnce(mixture, stop),  # type: ignore[arg-type]
                stop=stop,
                is_storing=is_storing,
                progress=progress,
                clock=Clock(time.monotonic, lambda: RECEIVED_US),
                vitals=Vitals(lambda: True),
            ).run()
            gc.collect()
            traced.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    grown = (traced[-1] - traced[1]) / (4 * 5 * BATCH)
    _log.info(
        "stored in process", traced_kb=[round(size / 1024) for size in traced], grown_bytes=round(grown, 1)
    )
    assert progress.messages == 6 * 5 * BATCH
    assert progress.masked["unknown_alias"] >= 6 * BATCH
    assert grown < LEAK_BYTES


def named_anew(seq: int) -> Published:
    """Return a message with a signal that nobody has named so before."""
    head = {"v": 1, "boot": "named", "seq": seq, "sent": NOW_MS, "hist": 1}
    payload = head | {"t": [NOW_MS], "s": {f"signal number {seq}": [1]}}
    return f"{UP}/tele", json.dumps(payload).encode()


class GivesOnce:
    """In the place of a subscriber: hands over what it has, then stops the service."""

    is_full = False

    def __init__(self, messages: Sequence[Published], stop: threading.Event) -> None:
        self._messages, self._stop = iter(messages), stop
        self.waiting_messages = self.waiting_bytes = 0

    def receive(self, timeout_s: float, *, limit: int) -> list[Delivery]:
        """Return the next messages."""
        taken = list(itertools.islice(self._messages, limit))
        if not taken:
            self._stop.set()
        return [Delivery(topic, payload, RECEIVED_US, 1, 1) for topic, payload in taken]

    def acknowledge(self, deliveries: Sequence[Delivery]) -> int:
        """Return how many there are."""
        return len(deliveries)


def test_sound_messages_keep_their_pace_beside_bad_ones_in_process() -> None:
    """One bad payload to each sound one: what is the rate of the sound ones?"""
    rng = random.Random(11)  # noqa: S311 - no secret
    reader = Reader()
    sound = [m for m in sound_messages(GOOD_VIN) if "/tele" in m[0] or "/can" in m[0] or "/gbt" in m[0]]
    good = list(itertools.islice(itertools.cycle(sound), 200))
    alone_s = beside_s = 0.0
    for number in range(42):
        bad = list(itertools.islice(fuzzed_messages(rng), len(good)))
        mixed = [message for pair in zip(good, bad, strict=True) for message in pair]
        times = [time.process_time()]
        for batch in (good, mixed):
            reader.read(batch)
            times.append(time.process_time())
        if number >= 2:  # warm
            alone_s += times[1] - times[0]
            beside_s += times[2] - times[1]
    _log.info("beside bad ones, in process", of_pace_alone=round(alone_s / beside_s, 2))
    assert alone_s / beside_s > 0.5


def test_fuzzed_payloads_through_broker_and_database_are_all_accounted_for(server_home: Path) -> None:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    with serving(server_home / f"fuzz-{uuid.uuid4().hex[:8]}") as servers:
        _register(servers.database_url)
        ingest = servers.add_ingest("a")
        publisher = Publisher(servers.broker.url("simulator"))
        rng = random.Random(3)  # noqa: S311 - no secret
        servers.wait_ready()
        time.sleep(RETAINED_S + 2)  # until then every status comes by two subscriptions
        warm = sound_tele(GOOD // 5)
        count = _drain(servers, publisher, [*warm, *itertools.islice(publishable(rng), 2 * GOOD)], 0).count
        warm_mb = ingest.rss_bytes() / MB
        alone = _drain(servers, publisher, sound_tele(GOOD, boot="alone"), count)
        bad = list(itertools.islice(publishable(rng), THROUGH_BROKER))
        mixed = list(_spread(sound_tele(GOOD, boot="mixed"), bad[:BESIDE]))
        beside = _drain(servers, publisher, mixed, alone.count)
        rest_s, count, rss_mb = 0.0, beside.count, [warm_mb, ingest.rss_bytes() / MB]
        for first in range(BESIDE, THROUGH_BROKER, GOOD):
            rest = _drain(servers, publisher, bad[first : first + GOOD], count)
            rest_s, count = rest_s + rest.took_s, rest.count
            rss_mb.append(ingest.rss_bytes() / MB)
        publisher.close()
        pace = alone.cpu_s / beside.cpu_s
        with psycopg.connect(servers.database_url) as connection:
            accounts = connection.execute(
                "SELECT sum(message_count), sum(reject_count),"
                " (SELECT sum(seen_count) FROM rejects), (SELECT count(*) FROM rejects),"
                " (SELECT count(*) FROM rejects WHERE reason = '' OR detail = ''),"
                " (SELECT count(*) FROM rejects WHERE reason IN ('decoder_failed', 'refused'))"
                " FROM ingest_batches"
            ).fetchone()
            streams = connection.execute(
                "SELECT boot, received_count, missing::text"
                " FROM message_streams JOIN vehicles USING (vehicle_id) WHERE vin = %s ORDER BY boot",
                (GOOD_VIN,),
            ).fetchall()
            rows = connection.execute(
                "SELECT count(*) FROM drive_readings JOIN vehicles USING (vehicle_id) WHERE vin = %s",
                (GOOD_VIN,),
            ).fetchone()
            failures = connection.execute(
                "SELECT reason, detail, count(*), min(topic) FROM rejects"
                " WHERE reason IN ('decoder_failed', 'refused') GROUP BY 1, 2 LIMIT 20"
            ).fetchall()
        _log.info(
            "fuzzed through broker and database",
            deliveries=count,
            rejects=accounts and int(accounts[3]),
            good_messages_per_s=(round(GOOD / alone.took_s), round(GOOD / beside.took_s)),
            of_pace_alone=round(alone.took_s / beside.took_s, 2),
            of_pace_alone_by_cpu=round(pace, 2),
            bad_messages_per_s=round((THROUGH_BROKER - BESIDE) / rest_s),
            rss_mb=[round(mb) for mb in rss_mb],
        )
        assert failures == []
        assert accounts is not None
        assert accounts[0] >= count
        assert accounts[1] == accounts[2] >= THROUGH_BROKER // 10
        assert accounts[4] == 0
        good = {("alone", GOOD, "{}"), ("mixed", GOOD, "{}"), ("warm", GOOD // 5, "{}")}
        assert set(streams) == good
        assert rows == ((2 * GOOD + GOOD // 5) * SAMPLES,)
        assert pace > 0.5
        assert rss_mb[-1] < rss_mb[2] + 15  # grown to its window by then, and no further
        assert ingest.is_running


SAMPLES = 10


def sound_tele(count: int, boot: str = "warm") -> list[Published]:
    """Return tele messages of the good vehicle, each of so many samples of drive and tires."""
    topic = UP.replace(VIN, GOOD_VIN) + "/tele"
    offset_ms = {"warm": 0, "alone": 1, "mixed": 2}[boot] * 86_400_000
    found = []
    for seq in range(count):
        head = Envelope(boot=boot, seq=seq, sent_ms=NOW_MS, is_hist=True, origin="simulated")
        rows = drive_and_tires(NOW_MS - 10 * 86_400_000 + offset_ms + seq * SAMPLES * 100, SAMPLES)
        found.append((topic, tele_payload(head, rows)))
    return found


def fuzzed_messages(rng: random.Random, begin: Sequence[Published] = ()) -> Iterator[Published]:
    """Yield mutations of sound messages, or of those given, without end."""
    known = begin or sound_messages()
    while True:
        topic, payload = rng.choice(known)
        yield mutate_topic(topic, rng), mutate_payload(payload, rng)


def publishable(rng: random.Random) -> Iterator[Published]:
    """Yield mutations that a broker takes from a vehicle and hands to ingest."""
    for topic, payload in fuzzed_messages(rng):
        rest = topic.removeprefix("anxin/v1/")
        levels = rest.split("/")
        if rest != topic and len(levels) >= 4 and levels[2] == "up" and not set(topic) & set("\0+#\x7f"):
            yield topic, payload


@dataclass
class Drained:
    """How long ingest took, and how many messages it has taken in all."""

    took_s: float
    cpu_s: float  #: of ingest and the database: what a busy machine adds to the time is not in it
    count: int


def _drain(servers: Servers, publisher: Publisher, messages: Sequence[Published], before: int) -> Drained:
    """Fill the broker's queue while ingest stands still, then time how long it takes to empty it."""
    ingest: IngestProcess = servers.ingests["a"]
    assert ingest.process is not None
    process = psutil.Process(ingest.process.pid)
    wanted = before + len(messages)
    process.suspend()
    try:
        publisher.publish(messages)
    finally:
        process.resume()
    began, began_cpu_s = time.perf_counter(), _cpu_s(servers)
    until(
        lambda: _count(servers) >= wanted,
        240,
        pause_s=0.05,
        what=f"{wanted} messages stored\n{servers.logs()}",
    )
    took_s, cpu_s = time.perf_counter() - began, _cpu_s(servers) - began_cpu_s
    count = _count(servers)
    # a machine so slow that the broker lost patience with a suspended ingest delivers again
    until(lambda: _is_settled(servers), 60, what="the end of what came again")
    return Drained(took_s, cpu_s, max(count, _count(servers)))


def _cpu_s(servers: Servers) -> float:
    """Return the seconds that ingest and the database's lasting processes have computed so far."""
    ingest = servers.ingests["a"].process
    assert ingest is not None
    assert servers.database.pid is not None
    postmaster = psutil.Process(servers.database.pid)
    total = 0.0
    for process in (psutil.Process(ingest.pid), *postmaster.children()):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _is_settled(servers: Servers) -> bool:
    before = _count(servers)
    time.sleep(1.0)
    return _count(servers) == before


def _count(servers: Servers) -> int:
    with psycopg.connect(servers.database_url) as connection:
        row = connection.execute("SELECT coalesce(sum(message_count), 0) FROM ingest_batches").fetchone()
    return int(row[0]) if row else 0


def _spread(good: Sequence[Published], bad: Sequence[Published]) -> Iterator[Published]:
    every = len(good) // len(bad)
    for number, message in enumerate(bad):
        yield from good[number * every : (number + 1) * every]
        yield message
    yield from good[len(bad) * every :]


def _register(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        load_reference(connection, tenant="demo")
        register_vehicles(
            connection,
            tenant="demo",
            vehicles=[VehicleRegistration(vin=v, model_id=MODEL, owner_name="o") for v in (VIN, GOOD_VIN)],
        )


def _rss_mb(process: psutil.Process) -> float:
    gc.collect()
    return float(process.memory_info().rss) / MB

"""``anxin replay`` of CAN logs in binary formats: through a broker and ingest into the tables."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import can
import pytest

from data.db import Pool, connect
from data.reference import load_reference
from data.settings import Settings
from ingest.service import run
from tests.conftest import BrokerUnderTest
from tests.installed import Outcome, anxin

MODEL = "anxin-sedan-96-ncm"
FD_DBC = """VERSION ""
NS_ :
BS_:
BU_: E
BO_ 800 Wide: 64 E
 SG_ Speed : 0|16@1+ (0.01,0) [0|350] "km/h" E
 SG_ Volt : 480|16@1+ (0.1,0) [0|1000] "V" E
"""
FD_MAP = '"Wide.Speed" = { alias = "speed" }\n"Wide.Volt" = { alias = "pack.voltage" }\n'
Replay = Callable[..., Outcome]


@pytest.fixture
def replay(database_url: str, broker: BrokerUnderTest, tmp_path: Path) -> Iterator[Replay]:
    """Replay a file while an ingest process stores what arrives."""
    with connect(database_url) as connection:
        load_reference(connection, tenant="demo")
    settings = Settings(
        database_url=database_url,
        mqtt_url=broker.url("ingest"),
        ingest_slot="replay",
        # Others at this broker left sessions in the usual group.
        ingest_share=f"replay-{uuid.uuid4().hex[:8]}",
        ingest_flush_after_s=0.05,
    )
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(settings,), kwargs={"stop": stop})
    thread.start()

    def call(file: Path, vin: str, *options: object) -> Outcome:
        return anxin(
            "replay",
            file,
            "--vin",
            vin,
            "--linger-s",
            0,
            "--json",
            *options,
            ANXIN_DATABASE_URL=database_url,
            ANXIN_MQTT_URL=broker.url("simulator"),
            ANXIN_HOME=str(tmp_path / "home"),
        )

    try:
        yield call
    finally:
        stop.set()
        thread.join(timeout=20)
        assert not thread.is_alive()


def frame(second: int, *, is_fd: bool) -> can.Message:
    """Speed of the demo DBC's VCU_Drive in hundredths of km/h, or of the wide message with a voltage."""
    speed = (5000 + second).to_bytes(2, "little")
    data = speed + bytes(58) + (4000).to_bytes(2, "little") + bytes(2) if is_fd else speed + bytes(6)
    return can.Message(
        timestamp=1_700_000_000.0 + second,
        arbitration_id=800 if is_fd else 256,
        is_extended_id=False,
        is_fd=is_fd,
        dlc=len(data),
        data=data,
        channel=0,
    )


def write(path: Path, *, is_fd: bool) -> Path:
    if path.suffix == ".mf4":
        pytest.importorskip("asammdf", reason="the extra 'mf4' is not installed")
    writers: dict[str, Any] = {".blf": can.BLFWriter, ".trc": can.TRCWriter, ".mf4": can.MF4Writer}
    writer = writers[path.suffix](str(path))
    for second in range(60):
        writer.on_message_received(frame(second, is_fd=is_fd))
    writer.stop()
    return path


def stored(pool: Pool, vin: str) -> list[tuple[Any, ...]]:
    with pool.connection() as connection:
        return connection.execute(
            "SELECT speed, pack_voltage FROM drive_readings JOIN vehicles USING (vehicle_id)"
            " WHERE vin = %s ORDER BY time",
            (vin,),
        ).fetchall()


def test_binary_logs_are_replayed_into_the_tables(replay: Replay, pool: Pool, tmp_path: Path) -> None:
    signal_map, dbc = tmp_path / "map.toml", tmp_path / "wide.dbc"
    signal_map.write_text(FD_MAP)
    dbc.write_text(FD_DBC)
    wide = ("--dbc", dbc, "--map", signal_map)
    cases: list[tuple[str, bool, tuple[object, ...]]] = [
        ("log.blf", False, ("--model", MODEL)),
        ("log.trc", False, ("--model", MODEL)),
        ("fd.mf4", True, wide),
    ]
    vins = [f"LANXREP000000000{n}" for n in range(1, 4)]

    for (name, is_fd, options), vin in zip(cases, vins, strict=True):
        outcome = replay(write(tmp_path / name, is_fd=is_fd), vin, *options)
        assert outcome.code == 0, outcome.err
        assert outcome.json["rows"] >= 60

    for (name, is_fd, _), vin in zip(cases, vins, strict=True):
        deadline = time.monotonic() + 20
        while len(found := stored(pool, vin)) < 60 and time.monotonic() < deadline:
            time.sleep(0.05)
        speeds = [round(speed, 2) for speed, _ in found]
        assert speeds == [round(50 + second / 100, 2) for second in range(60)], name
        assert {volt for _, volt in found} == {400.0 if is_fd else None}, name

"""Messages and signals per second from CBOR payloads to committed rows, without a broker."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import cbor2
import numpy as np
import pytest

from data.db import Pool
from data.settings import Settings
from ingest.messages import Delivery
from ingest.service import build_intake

pytestmark = pytest.mark.benchmark

SAMPLES, CELLS, PROBES, DRIVE = 30, 96, 24, 10
ALIASES = (
    "speed", "odometer", "soc", "pack.voltage", "pack.current", "ambient", "coolant", "motor.temperature",
    "latitude", "longitude",
)  # fmt: skip


def test_thirty_sample_messages_to_committed_rows(pool: Pool, capsys: pytest.CaptureFixture[str]) -> None:
    vehicles, per_vehicle, batch = 50, 20, 500
    with pool.connection() as connection:
        connection.execute("INSERT INTO tenants (name) VALUES ('demo')")
        connection.execute(
            "INSERT INTO vehicle_models (model_id, name, chemistry, cell_count, probe_count, capacity_ah,"
            " energy_kwh, wheels, placard_kpa) VALUES ('m', 'M', 'NCM', 96, 24, 100, 40,"
            " '{front-left,front-right,rear-left,rear-right}', '{250,250,250,250}')"
        )
        for v in range(vehicles):
            connection.execute(
                "INSERT INTO vehicles (tenant_id, vin, model_id) VALUES (1, %s, 'm')", (f"LANX{v:013d}",)
            )
    intake = build_intake(Settings(), pool)
    now_ms = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000)
    rng = np.random.default_rng(1)
    cells = np.round(rng.normal(3.7, 0.01, (SAMPLES, CELLS)), 3).tolist()
    probes = np.round(rng.normal(25, 1, (SAMPLES, PROBES)), 1).tolist()
    deliveries = []
    for seq in range(per_vehicle):
        start = now_ms - 86_400_000 + seq * SAMPLES * 1000
        for v in range(vehicles):
            body = {
                "v": 1, "boot": "b", "seq": seq, "sent": now_ms, "hist": 1,
                "t": [start + 1000 * k for k in range(SAMPLES)],
                "s": {a: [30.5] * SAMPLES for a in ALIASES}
                | {"tire.pressure": [[250.0] * 4] * SAMPLES, "tire.temperature": [[25.0] * 4] * SAMPLES}
                | {"cell.voltage": cells, "cell.temperature": probes},
            }  # fmt: skip
            topic = f"anxin/v1/demo/LANX{v:013d}/up/tele"
            deliveries.append(Delivery(topic, cbor2.dumps(body), now_ms * 1000))
    started = time.perf_counter()
    read_s = 0.0
    for i in range(0, len(deliveries), batch):
        before = time.perf_counter()
        items = [intake.read(d) for d in deliveries[i : i + batch]]
        read_s += time.perf_counter() - before
        intake.store(items)
    took = time.perf_counter() - started
    signals = len(deliveries) * SAMPLES * (len(ALIASES) + 8 + CELLS + PROBES)
    with capsys.disabled():
        print(  # noqa: T201 -- the benchmark's result
            f"\n{len(deliveries) / took:.0f} messages/s, {signals / took / 1e6:.2f} M signals/s,"
            f" {len(deliveries) * SAMPLES * 3 / took:.0f} rows/s, {100 * read_s / took:.0f} % of it reading"
        )
    with pool.connection() as connection:
        counted = connection.execute("SELECT count(*) FROM cell_readings").fetchone()
    assert counted == (len(deliveries) * SAMPLES,)

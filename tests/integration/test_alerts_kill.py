"""The router may be killed at any instant: started again it goes on, nothing is lost or made twice."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import numpy as np

from data.db import Pool
from tests.integration import alerts_seed as seed

VEHICLES, KILLS = 60, 4
PROGRAM = (
    "import os, threading\n"
    "from alerts.service import run_route\n"
    "from data.settings import Settings\n"
    "run_route(Settings.from_env(os.environ), stop=threading.Event())\n"
)


def start_router(database_url: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "ANXIN_DATABASE_URL": database_url, "ANXIN_LOG_LEVEL": "error"}
    return subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.DEVNULL)


def test_a_router_killed_again_and_again_decides_everything_once(pool: Pool, database_url: str) -> None:
    rng = np.random.default_rng(7)
    vehicles = seed.seed_vehicles(pool, VEHICLES)
    for vehicle in vehicles:
        now = datetime.now(UTC)
        seed.add_prediction(pool, vehicle, now, component="cell 7", failure_mode="cell_internal_short")
        seed.add_alarms(pool, vehicle, [now], received=now, is_hist=False)
    done = 0
    for _ in range(KILLS):
        router = start_router(database_url)
        while seed.rows(pool, "SELECT count(*) FROM repair_orders")[0][0] <= done and router.poll() is None:
            time.sleep(0.02)
        time.sleep(float(rng.uniform(0.0, 0.15)))
        router.send_signal(signal.SIGKILL)
        router.wait()
        done = seed.rows(pool, "SELECT count(*) FROM repair_orders")[0][0]
        if done == VEHICLES:
            break
    router = start_router(database_url)
    end = time.monotonic() + 60
    while time.monotonic() < end and (
        seed.rows(pool, "SELECT count(*) FROM predictions WHERE routed_at IS NULL") != [(0,)]
        or seed.rows(pool, "SELECT batch_id FROM service_cursors") != [(VEHICLES,)]
    ):
        time.sleep(0.1)
    router.send_signal(signal.SIGKILL)
    router.wait()

    orders = seed.rows(pool, "SELECT count(*), count(DISTINCT vehicle_id) FROM repair_orders")
    assert orders == [(VEHICLES, VEHICLES)]
    alerts = seed.rows(
        pool, "SELECT failure_mode, count(*), count(order_id) FROM alerts GROUP BY 1 ORDER BY 1"
    )
    assert alerts == [("cell_internal_short", VEHICLES, VEHICLES), ("onboard_alarm", VEHICLES, VEHICLES)]
    held = seed.rows(pool, "SELECT count(*) FROM bookings WHERE state = 'held'")[0][0]
    assert seed.rows(pool, "SELECT sum(reserved) FROM part_stock") == [(held,)]
    assert seed.rows(pool, "SELECT count(*) FROM warnings w LEFT JOIN deliveries d USING (warning_id)"
                     " WHERE d.delivery_id IS NULL") == [(0,)]  # fmt: skip

from datetime import UTC, datetime

import numpy as np
import pytest

from data.records import Family, FamilyRows
from simulators.batches import join_rows
from simulators.fleet import Fleet, build_fleet
from simulators.history import History
from simulators.physics.trace import Trace

START = datetime(2026, 1, 5, 20, 0, tzinfo=UTC)
FAMILIES = (Family.DRIVE, Family.TIRE, Family.CELL)


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    """Twelve vehicles over eight winter days: leaks, a short, decoys of every kind."""
    return build_fleet(
        12,
        seed=7,
        start=START,
        days=8,
        faults={"cell_internal_short:growing": 1, "tire_slow_leak:capillary": 2},
        decoys={"cold_front": 2, "altitude_trip": 2, "refill": 1, "hot_stop": 1},
        timing="ahead",
    )


@pytest.fixture(scope="session")
def run(fleet: Fleet) -> tuple[History, list[Trace], dict[Family, FamilyRows]]:
    """The history at its end, what the sensors could see, and what they said."""
    history = History(fleet)
    traces, days = [], []
    for trace in history.traces(fleet.end_s):
        traces.append(trace)
        days.append(history.emit(trace))
    return history, traces, {family: join_rows([day[i] for day in days]) for i, family in enumerate(FAMILIES)}


@pytest.fixture(scope="session")
def past(run: tuple[History, list[Trace], dict[Family, FamilyRows]]) -> dict[Family, FamilyRows]:
    return run[2]


@pytest.fixture(scope="session")
def amount_kpa(run: tuple[History, list[Trace], dict[Family, FamilyRows]]) -> tuple[np.ndarray, np.ndarray]:
    """Time (F, K) and gas amount (F, K, 4): the truth behind the tire readings."""
    traces = run[1]
    return np.hstack([t.time_s for t in traces]), np.hstack([t.tire_amount_kpa for t in traces])

"""Two small vehicles, one with a bus database, and the intake that stores their messages."""

from __future__ import annotations

import pytest

from data.db import Pool
from data.settings import Settings
from ingest.intake import Intake
from ingest.service import build_intake
from tests.integration.ingest_store.steps import DBC, VIN
from tests.integration.small_fleet import register


@pytest.fixture
def fleet(pool: Pool) -> Pool:
    """Two vehicles of a model with four cells, two probes and four wheels."""
    return register(pool, VIN, "LANX0000000000002", dbc=DBC, signal_map={"Drive.Speed": {"alias": "speed"}})


@pytest.fixture
def intake(fleet: Pool) -> Intake:
    return build_intake(Settings(), fleet)

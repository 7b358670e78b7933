"""Which group of vehicles stands out of its fleet."""

from __future__ import annotations

import pytest

from api.reports import build_failures


@pytest.mark.parametrize(
    ("failed", "vehicles", "is_conspicuous"),
    [(2, 2, False), (3, 20, True), (3, 300, False), (40, 400, True)],
)
def test_a_group_stands_out_with_three_vehicles_whose_interval_lies_above_the_fleet(
    failed: int, vehicles: int, is_conspicuous: bool
) -> None:
    row = {
        "failure_mode": "cell_weak",
        "label": "sedan R/0",
        "failures": failed,
        "failed_vehicles": failed,
        "vehicles": vehicles,
        "fleet_failed_vehicles": 100,
        "fleet_vehicles": 10_000,
    }

    found = build_failures(row)

    assert (found.vehicles.count, found.vehicles.of, found.fleet.value) == (failed, vehicles, 0.01)
    assert found.is_conspicuous is is_conspicuous

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FloatArray, IntArray, VehicleSpec
from models.evaluation.episodes import Episodes, beside, merge
from models.evaluation.part import Levels
from models.evaluation.watched import WatchedReadings, watch
from models.watch.rule import LiveRisk, Readings, State
from models.watch.tire_fast_leak import TireFastLeakRule
from tests.unit.models.test_evaluation_judge import SPEC

HOUR = 3_600_000_000
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Scripted(TireFastLeakRule):
    """Says what the first wheel's pressure is."""

    model_version: str = "scripted-1"
    severity: int = 2

    def take(self, state: State, readings: Readings, spec: VehicleSpec) -> LiveRisk:
        """Return the pressure as the probability."""
        said = np.asarray(readings.columns["tire.pressure"], dtype=np.float64)
        start = np.zeros(said.shape) + readings.time_us[:, None] - 6 * HOUR
        return LiveRisk(
            probability=said,
            severity=np.full(said.shape, self.severity, dtype=np.int64),
            detail={"start_us": start},
        )


def given(said: list[float], *, piece: list[int], begins: list[int]) -> WatchedReadings:
    n = len(said)
    values: FloatArray = np.full((n, 4), 0.1)
    values[:, 1] = said
    time_us: IntArray = np.arange(n, dtype=np.int64) * 6 * HOUR
    return WatchedReadings(
        spec=SPEC,
        vehicle=np.zeros(len(begins), dtype=np.int64) + 5,
        counts_from_us=np.array(begins, dtype=np.int64),
        row=np.array(piece, dtype=np.int64),
        time_us=time_us,
        columns={"tire.pressure": values},
    )


LEVELS = Levels(raise_dwell_h=12.0, urgent_dwell_h=0.0)


def test_alerts_of_a_rule_have_begin_end_and_day() -> None:
    readings = given([0.1, 0.8, 0.5, 0.2, 0.1, 0.9, 0.9, 0.9], piece=[0] * 8, begins=[0])
    found = watch(Scripted(), readings, LEVELS, np.arange(4) * DAY).episodes

    assert found.vehicle.tolist() == [5, 5]
    assert found.component.tolist() == [1, 1]
    assert (found.raised_us // HOUR).tolist() == [6, 30]
    assert (found.cleared_us // HOUR).tolist() == [18, 42]
    assert found.position.tolist() == [0, 1]


def test_what_was_found_before_a_piece_counts_is_left_to_the_piece_before() -> None:
    readings = given([0.9, 0.9, 0.9, 0.9], piece=[0] * 4, begins=[2 * 6 * HOUR])
    found = watch(Scripted(), readings, LEVELS, np.arange(2) * DAY).episodes

    assert (found.raised_us // HOUR).tolist() == [12]


def test_alert_that_is_not_urgent_waits_for_its_dwell() -> None:
    readings = given([0.9, 0.9], piece=[0, 0], begins=[0])

    assert not len(watch(Scripted(severity=3), readings, LEVELS, np.arange(2) * DAY).episodes)


def episodes(*rows: tuple[int, int, int, int]) -> Episodes:
    """Vehicle, component, raised and cleared in hours; -1: never."""
    vehicle, component, raised, cleared = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    ends = np.where(cleared < 0, -1, cleared * HOUR)
    return Episodes(vehicle, component, raised // 24, raised * HOUR, ends)


def test_alerts_of_two_sources_that_overlap_are_one() -> None:
    days = episodes((0, 1, 24, 400), (0, 2, 24, 30), (1, 1, 24, -1))
    live = episodes((0, 1, 10, 12), (0, 1, 100, 101), (0, 1, 460, 481), (0, 2, 200, 201), (1, 1, 900, 901))
    found = merge(beside(days, live))

    assert list(zip(found.vehicle, found.component, found.raised_us // HOUR, strict=True)) == [
        (0, 1, 10),
        (0, 2, 24),
        (0, 2, 200),
        (1, 1, 24),
    ]
    assert [int(c) // HOUR if c >= 0 else -1 for c in found.cleared_us] == [481, 30, 201, -1]

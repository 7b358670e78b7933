from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from alerts.policy import fold
from alerts.rules import Policy, load_policy
from data.records import FailureMode, FloatArray, IntArray, Origin, Prediction, Severity
from models.assess import run_starts
from models.errors import EvaluationError
from models.evaluation.episodes import Episodes, find_episodes, merge
from models.evaluation.part import Levels

MODE = FailureMode.TIRE_SLOW_LEAK
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR_US = 3_600_000_000
START_US = int(START.timestamp()) * 1_000_000


def data_times(n_vehicles: int, n_days: int) -> IntArray:
    return np.broadcast_to(START_US + np.arange(n_days) * 24 * HOUR_US, (n_vehicles, n_days)).copy()


def machine_of_the_alerts(
    probability: FloatArray, severity: IntArray, data_us: IntArray, policy: Policy
) -> list[tuple[int, int, int, int]]:
    """Return (vehicle, component, raised, cleared) as the alert machine has them, told of everything."""
    out = []
    for vehicle in range(len(probability)):
        days = np.flatnonzero(data_us[vehicle] > 0)
        starts = run_starts(probability[vehicle, days], np.ones(len(days), dtype=np.bool_))
        told = []
        for at, day in enumerate(days.tolist()):
            now = datetime.fromtimestamp(int(data_us[vehicle, day]) / 1e6, UTC)
            for component in range(probability.shape[2]):
                p = probability[vehicle, day, component]
                if np.isfinite(p):
                    since = int(data_us[vehicle, days[starts[at, component]]])
                    told.append(
                        Prediction(
                            vehicle_id=vehicle,
                            component=str(component),
                            failure_mode=MODE,
                            severity=tuple(Severity)[severity[vehicle, day, component]],
                            probability=float(p),
                            horizon_h=720.0,
                            time_to_threshold_h=None,
                            predicted_at=now,
                            data_time=now,
                            since=datetime.fromtimestamp(since / 1e6, UTC),
                            window_from=now - timedelta(days=14),
                            window_to=now,
                            reasons=(),
                            model_version="t",
                            origin=Origin.SIMULATED,
                            is_fresh=True,
                        )
                    )
        for episode in fold(told, policy):
            ended = -1 if episode.cleared is None else round(episode.cleared.timestamp() * 1e6)
            raised = round(episode.first_raised.timestamp() * 1e6)
            out.append((vehicle, int(episode.component), raised, ended))
    return sorted(out)


@pytest.mark.parametrize(("dwell_h", "urgent_h"), [(0.0, 0.0), (12.0, 12.0), (60.0, 60.0), (60.0, 0.0)])
def test_episodes_are_those_of_the_alert_machine(dwell_h: float, urgent_h: float) -> None:
    rng = np.random.default_rng(4)
    walk = np.cumsum(rng.normal(0, 0.35, (20, 60, 3)), axis=1)
    probability = 1 / (1 + np.exp(-walk))
    probability[rng.random(probability.shape) < 0.1] = np.nan
    severity = rng.integers(1, 5, probability.shape)
    data_us = data_times(20, 60) + rng.integers(0, 6 * HOUR_US, (20, 60))
    data_us[rng.random(data_us.shape) < 0.15] = 0
    policy = load_policy()
    rule = replace(policy.modes[MODE], raise_dwell_h=dwell_h, urgent_dwell_h=urgent_h, clear_dwell_h=30.0)
    policy = replace(policy, modes={**policy.modes, MODE: rule})
    levels = Levels(
        raise_level=rule.raise_level,
        clear_level=rule.clear_level,
        raise_dwell_h=rule.raise_dwell_h,
        urgent_dwell_h=rule.urgent_dwell_h,
        clear_dwell_h=rule.clear_dwell_h,
    )
    found = find_episodes(probability, severity, data_us, levels)
    rows = zip(found.vehicle, found.component, found.raised_us, found.cleared_us, strict=True)

    assert len(found) > 30
    assert machine_of_the_alerts(probability, severity, data_us, policy) == [
        tuple(int(v) for v in row) for row in rows
    ]


def test_episodes_that_follow_each_other_closely_are_one() -> None:
    day = 24 * HOUR_US
    raised = np.array([0, 5, 20, 22, 6]) * day
    ended = np.array([3 * day, 10 * day, 21 * day, -1, -1])
    zeros = np.zeros(5, dtype=np.int64)
    found = Episodes(zeros, np.array([0, 0, 0, 0, 1]), np.arange(5), raised, ended)
    joined = merge(found)

    assert [0, 20 * day, 6 * day] == joined.raised_us.tolist()
    assert [10 * day, -1, -1] == joined.cleared_us.tolist()


def test_levels_must_leave_room_between_clear_and_raise() -> None:
    with pytest.raises(EvaluationError, match=r"clear 0\.8, raise 0\.7"):
        Levels(raise_level=0.7, clear_level=0.8)

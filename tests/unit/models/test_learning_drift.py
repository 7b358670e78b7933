"""Drift is told where a feature has moved, and not where few vehicles scatter."""

from __future__ import annotations

import numpy as np
import pytest

from models.learning.drift import psi, shift_of


def test_the_index_of_a_known_shift() -> None:
    reference = np.linspace(0, 1, 100_001)

    assert psi(reference, reference) == pytest.approx(0.0, abs=1e-6)
    assert psi(reference, 0.5 + reference / 2) > 3.0


def test_a_shift_of_one_spread_is_drift_and_none_is_not() -> None:
    rng = np.random.default_rng(1001)
    vehicle = np.repeat(np.arange(100), 30)
    old, same = rng.normal(size=3000), rng.normal(size=3000)

    still = shift_of(old, vehicle, same, vehicle)
    moved = shift_of(old, vehicle, same + 1, vehicle)

    assert still is not None
    assert moved is not None
    assert not still.is_drifted
    assert moved.is_drifted
    assert moved.ks == pytest.approx(0.38, abs=0.03)


def test_vehicles_of_the_same_kind_are_rarely_taken_for_drift() -> None:
    rng = np.random.default_rng(1002)
    vehicle = np.repeat(np.arange(20), 30)
    told = 0
    for _ in range(200):
        old, new = (np.repeat(rng.normal(size=20), 30) for _ in range(2))
        found = shift_of(old, vehicle, new, vehicle)
        assert found is not None
        told += found.is_drifted

    assert told <= 10


def test_few_vehicles_say_nothing() -> None:
    vehicle = np.repeat(np.arange(19), 30)

    assert shift_of(np.ones(570), vehicle, np.ones(570), vehicle) is None


def test_a_constant_that_changes_is_drift() -> None:
    vehicle = np.arange(100)

    found = shift_of(np.zeros(100), vehicle, np.ones(100), vehicle)

    assert found is not None
    assert found.is_drifted

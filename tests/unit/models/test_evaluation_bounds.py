from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from models.evaluation.bounds import GRIDS_KPA, puncture_bound, puncture_bounds

RATES = np.array([1.0, 2.0, 5.0, 10.0, 30.0])


@pytest.mark.parametrize("grid", GRIDS_KPA)
def test_faster_punctures_are_never_harder_and_jumps_never_help(grid: float) -> None:
    noise, jumps = puncture_bound(RATES, grid)

    assert (np.diff(noise) >= -1e-9).all()
    assert (jumps <= noise + 1e-9).all()
    assert noise[-1] == pytest.approx(1.0, abs=1e-6)


def test_more_time_lets_more_be_told() -> None:
    short, long = (puncture_bound(RATES, 2.5, within_s=s)[0] for s in (60.0, 300.0))

    assert (long >= short).all()
    assert long[0] > short[0] + 0.3


def test_bound_is_what_the_best_test_of_drawn_readings_reaches() -> None:
    rng = np.random.default_rng(5)
    rate, grid, n = 3.0, 2.5, 200_000
    step = rate * 62 / 60
    phase = rng.random(n)
    first = (phase + np.ceil(np.maximum(grid / step - phase, 0.0))) * step
    one = 0.8**2 + grid**2 / 12 + 1.15**2 / 12
    error = np.sqrt(one * (1 + 0.449 + 1 / 9))
    loss = np.stack((first, first + step))
    read = loss + rng.normal(0, error, loss.shape)
    score = (loss * read).sum(0) / (error * np.sqrt((loss**2).sum(0)))
    found = (score > norm.isf(0.05 / 1000 / (4 * 1.2 * 3600 / 62))).mean()

    assert puncture_bound(np.array([rate]), grid)[0][0] == pytest.approx(found, abs=0.01)


def test_bounds_come_by_size() -> None:
    found = puncture_bounds((1.0, 5.0, 60.0))

    assert [(b["from"], b["to"]) for b in found] == [(1.0, 5.0), (5.0, 60.0)]
    assert found[0]["against_jumps"] < found[0]["against_noise"] < found[1]["against_noise"]

from __future__ import annotations

import pytest

from models.bench.score import bench_score
from models.features.registry import feature_sets


def test_bench_finds_what_it_made_up_and_agrees_with_pandas() -> None:
    lines: list[str] = []
    result = bench_score(
        feature_sets(), tire_vehicles=600, cell_vehicles=100, pandas_vehicles=5, tell=lines.append
    )

    for name, count in (("tire", 600), ("cell", 100)):
        found = result[name]
        assert found["vehicles"] == count
        assert found["likely"] < 0.06 * count  # one in 50 fails
        assert found["ratio"] == pytest.approx(
            found["vehicles_per_s"] / found["pandas_vehicles_per_s"], abs=0.06
        )
        assert set(found) <= set(result["units"])
    assert result["tire"]["likely"] >= 3
    assert len(lines) == 2

"""GCJ-02 positions come out in WGS-84, and only those."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ingest.coordinates import gcj02_to_wgs84, positions_to_wgs84
from ingest.quality_positions import convert_positions
from ingest.tally import Finding, Tally

NAN = np.nan


def test_arrays_and_single_positions_are_converted_alike() -> None:
    rng = np.random.default_rng(1)
    longitude, latitude = rng.uniform(70, 140, 200), rng.uniform(0, 60, 200)

    lon, lat = positions_to_wgs84(longitude, latitude)

    single = [gcj02_to_wgs84(x, y) for x, y in zip(longitude.tolist(), latitude.tolist(), strict=True)]
    assert np.column_stack([lon, lat]) == pytest.approx(np.array(single), abs=1e-9)


def test_only_the_rows_of_gcj02_sources_move_and_half_a_position_is_masked() -> None:
    columns = {
        "longitude": np.array([116.404, 116.404, NAN, 2.35]),
        "latitude": np.array([39.915, 39.915, 39.915, 48.85]),
        "speed": np.array([1.0, 2.0, 3.0, 4.0]),
    }
    tally, masked = Tally(), Counter[str]()

    converted = convert_positions(
        columns,
        np.array([5, 6, 6, 6], np.int32),
        np.array([False, True, True, True]),
        tally=tally,
        masked=masked,
    )

    # Tian'anmen: GCJ-02 116.404, 39.915 lies 550 m east and 150 m north of WGS-84 116.3976, 39.9136.
    assert converted["longitude"][:2] == pytest.approx([116.404, 116.39776], abs=2e-5)
    assert converted["latitude"][:2] == pytest.approx([39.915, 39.91360], abs=2e-5)
    assert np.isnan(converted["latitude"][2])
    assert converted["longitude"][3] == 2.35  # outside China
    assert converted["speed"] is columns["speed"]
    assert columns["latitude"][1] == 39.915
    assert tally.counts == {Finding(6, "latitude", 0, "no_pair"): 1}
    assert masked == {"latitude:no_pair": 1}

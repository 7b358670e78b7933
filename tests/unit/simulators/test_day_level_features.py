"""What is drawn by the day has the names and widths of what is worked out from readings."""

from __future__ import annotations

import pytest

from models.features.registry import feature_sets
from models.features.sets import FeatureSet, width
from simulators.day_level import draw_fleet


@pytest.mark.parametrize("feature_set", feature_sets(), ids=lambda s: str(s.name))
def test_every_feature_is_drawn_under_its_name_and_width(feature_set: FeatureSet) -> None:
    for part in draw_fleet(4, 30, seed=1001).parts():
        drawn = part.sets[feature_set.name]

        expected = {f.name: (1, 30, width(f, part.spec)) for f in feature_set.features}
        assert {name: values.shape for name, values in drawn.items()} == expected

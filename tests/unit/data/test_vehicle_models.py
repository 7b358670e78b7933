"""A file of vehicle models tells every wrong row at once: line, model, field, value and rule."""

from __future__ import annotations

import pytest

from data.errors import ReferenceDataError
from data.vehicle_models import parse_models

VAN = """# vans of 2026
[[vehicle_models]]
model_id = "van"
name = "Van"
chemistry = "LFP"
cell_count = 96
probe_count = 8
capacity_ah = 100.0
energy_kwh = 40.0
wheels = ["front-left", "front-right"]
placard_kpa = [300.0, 300.0]
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("100.0", '"much"', "van capacity_ah 'much': expected `float`, got `str`"),
        ("100.0", "nan", "van capacity_ah nan: expected `float` > 0.0"),
        ("96", "9999999999", "van cell_count 9999999999: expected `int` <= 10000"),
        ("[300.0,", "[inf,", "van placard_kpa[0] inf: expected `float` <= 2000.0"),
        (", 300.0]", "]", "van placard_kpa [300.0]: must have one value for each of 2 wheels"),
        ("front-right", "front-left", "van wheels 'front-left': must be named once"),
        ('"LFP"', '"lead"', "van chemistry 'lead': invalid enum value 'lead'"),
        ('"van"', '""', " model_id '': expected `str` of length >= 1"),
        ("name", "nom", "van  '': object contains unknown field `nom`"),
    ],
)
def test_a_wrong_value_is_told_with_its_line_and_rule(old: str, new: str, told: str) -> None:
    with pytest.raises(ReferenceDataError) as error:
        parse_models("vans.toml", VAN.replace(old, new, 1))

    assert str(error.value) == f"vans.toml: line 2: {told}"


def test_every_wrong_row_is_told_and_none_is_returned() -> None:
    with pytest.raises(ReferenceDataError) as error:
        parse_models("vans.toml", VAN + VAN + VAN.replace("96", "0").replace('"van"', '"bus"'))

    assert str(error.value).splitlines() == [
        "vans.toml: line 13: van model_id 'van': must be given once",
        "vans.toml: line 24: bus cell_count 0: expected `int` >= 1",
    ]


def test_a_file_that_holds_something_else_is_refused() -> None:
    with pytest.raises(
        ReferenceDataError, match=r"vans.toml: vehicles: must hold \[\[vehicle_models\]\] alone"
    ):
        parse_models("vans.toml", "[[vehicles]]\n" + VAN)
    with pytest.raises(ReferenceDataError, match=r"vans.toml: .*line 1"):
        parse_models("vans.toml", "= 3")
    assert [row.model_id for row in parse_models("vans.toml", VAN)] == ["van"]

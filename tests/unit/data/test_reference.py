from collections.abc import Mapping
from importlib import resources

import pytest

from data.errors import ReferenceDataError
from data.records import FailureMode
from data.reference_rows import parse_reference, read_reference


def shipped() -> dict[str, str]:
    return {e.name: e.read_text("utf-8") for e in resources.files("data").joinpath("reference").iterdir()}


def changed(file: str, old: str, new: str) -> Mapping[str, str]:
    texts = shipped()
    assert old in texts[file]
    return {**texts, file: texts[file].replace(old, new, 1)}


def test_every_failure_mode_has_a_job() -> None:
    assert {job.failure_mode for job in read_reference().jobs} == set(FailureMode)


def test_every_city_has_stations_with_and_without_the_hv_certificate() -> None:
    cities: dict[str, set[bool]] = {}
    for station in read_reference().stations.stations:
        cities.setdefault(station.city, set()).add(station.has_hv_certificate)

    assert len(cities) >= 3
    assert all(kinds == {True, False} for kinds in cities.values())


def test_stations_are_open_and_staffed_on_every_day_of_the_week() -> None:
    rows = read_reference().stations
    for station in rows.stations:
        assert set(rows.hours[station.hours].weekdays) == set(range(1, 8))
        worked = {day for t in station.technicians for day in rows.shifts[t.shift].weekdays}
        assert worked == set(range(1, 8)), station.code


def test_only_stations_with_the_certificate_have_high_voltage_bays_and_skills() -> None:
    for station in read_reference().stations.stations:
        kinds = {kind for bay in station.bays for kind in bay.kinds}
        skills = {skill for technician in station.technicians for skill in technician.skills}
        assert ("hv" in kinds) == station.has_hv_certificate, station.code
        assert ("HV2" in skills) == station.has_hv_certificate, station.code


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("stations.toml", "lat = 31.2041", "lat = 131.2", r"stations.toml: .*<= 90.*lat"),
        ("stations.toml", 'hours = "long"', 'hours = "never"', "SH-ZHANGJIANG hours 'never'"),
        ("stations.toml", "TIRE-SENSOR = 6", "TIRE-SENSOR = -6", r">= 0.*stock"),
        ("stations.toml", 'skills = ["T1", "T2"]', 'skills = ["T9"]', "T9"),
        ("jobs.toml", '["tire-repair"]', '["tire-fix"]', "tire_slow_leak operations 'tire-fix'"),
        ("jobs.toml", 'failure_mode = "tire_puncture"', 'failure_mode = "flat"', "flat"),
        ("parts.toml", 'unit_price = "38.00"', 'unit_price = "cheap"', r"parts.toml: .*unit_price"),
        ("labour.toml", "is_mobile = true", 'is_mobile = "yes"', r"labour.toml: .*is_mobile"),
        ("vehicle_models.toml", "cell_count = 96", "cell_count = 0", r"vehicle_models.toml: .*cell_count"),
    ],
)
def test_a_row_that_breaks_a_rule_is_named(file: str, old: str, new: str, named: str) -> None:
    with pytest.raises(ReferenceDataError, match=named):
        parse_reference(changed(file, old, new))

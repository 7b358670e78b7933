"""A fleet file is read line by line: what is wrong is named, what is right is read."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import FleetFileError
from data.fleet_file import COLUMNS, FleetFile, FleetRow, read_fleet, write_fleet

MODELS = {"sedan", "van"}
VIN, OTHER = "LSVAA4187E2000001", "LSVAA4187E2000002"


def read(text: str, *, is_json: bool = False) -> FleetFile:
    return read_fleet(io.StringIO(text), is_json=is_json, models=MODELS)


def test_a_csv_file_with_every_column_is_read() -> None:
    text = (
        ",".join(COLUMNS)
        + f"\n{VIN},sedan,沪A1,Asia/Shanghai,89860000000000000001,c-7,Li Lei,zh,31.2,121.5\n"
    )

    found = read(text)

    assert not found.problems
    assert found.lines == [
        (
            2,
            FleetRow(
                vin=VIN,
                model="sedan",
                plate="沪A1",
                time_zone="Asia/Shanghai",
                iccid="89860000000000000001",
                owner_ref="c-7",
                owner_name="Li Lei",
                locale="zh",
                home_lat=31.2,
                home_lon=121.5,
            ),
        )
    ]


@pytest.mark.parametrize(
    ("cells", "field", "rule"),
    [
        ({"vin": "LSVAA4187E200000"}, "vin", "must be 17"),
        ({"vin": ""}, "vin", "must be 17"),
        ({"model": "tank"}, "model", "must be one of sedan, van"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "must be an IANA time zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone", "must be an IANA time zone"),
        ({"iccid": "12"}, "iccid", "must be 18 to 20"),
        ({"locale": "fr"}, "locale", "must be zh or en"),
        ({"home_lat": "91", "home_lon": "0"}, "home_lat", "must be degrees from -90 to 90"),
        ({"home_lat": "1", "home_lon": "east"}, "home_lon", "must be degrees from -180 to 180"),
        ({"home_lat": "nan", "home_lon": "0"}, "home_lat", "must be degrees"),
        ({"home_lat": "1"}, "home_lat", "must be given together"),
        ({"in_service_on": "31.5.2024"}, "in_service_on", "must be a date such as 2024-05-31"),
        ({"in_service_on": "2024-02-30"}, "in_service_on", "must be a date"),
        ({"owner_name": "x" * 201}, "owner_name", "at most 200"),
    ],
)
def test_a_wrong_cell_is_named_with_line_field_value_and_rule(
    cells: dict[str, str], field: str, rule: str
) -> None:
    row = {"vin": VIN, "model": "sedan"} | cells
    text = f"{','.join(row)}\n{','.join(row.values())}\n{OTHER},van{',' * (len(row) - 2)}\n"

    found = read(text)

    assert [(2, field)] == [(p.line, p.field) for p in found.problems]
    assert rule in found.problems[0].rule
    assert found.problems[0].value == row[field][:60]
    assert [row.vin for _, row in found.lines] == [OTHER]


def test_a_vin_named_twice_is_read_once_and_its_first_line_is_told() -> None:
    found = read(f"vin,model\n{VIN},sedan\n{OTHER},van\n{VIN},van\n")

    assert [row.vin for _, row in found.lines] == [VIN, OTHER]
    assert str(found.problems[0]) == "line 4: vin 'LSVAA4187E2000001': must be named once, is in line 2"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "header: the file is empty"),
        ("vin,colour\n", "header 'colour': must be one of vin, model"),
        ("model\n", "header: must have the column vin"),
        ("vin,vin\n", "header: a column is named twice"),
    ],
)
def test_a_file_without_a_right_header_is_refused(text: str, says: str) -> None:
    with pytest.raises(FleetFileError, match=says):
        read(text)


def test_spaces_a_byte_order_mark_and_empty_lines_do_no_harm() -> None:
    found = read(f"\ufeffvin, model\n\n {VIN} , sedan\n ,\n")

    assert [(3, FleetRow(vin=VIN, model="sedan"))] == found.lines


def test_json_lines_tell_unknown_keys_and_broken_lines() -> None:
    good = json.dumps({"vin": VIN, "model": "van", "home_lat": 1, "home_lon": 2.5})
    text = f'{good}\n{{"vin": 1, "colour": 2}}\n[1]\n{{\n'

    found = read(text, is_json=True)

    assert [(1, FleetRow(vin=VIN, model="van", home_lat=1.0, home_lon=2.5))] == found.lines
    assert [(p.line, p.field) for p in found.problems] == [(2, "key"), (3, "line"), (4, "line")]


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=30
)
rows = st.builds(
    FleetRow,
    vin=st.from_regex(r"[A-HJ-NPR-Z0-9]{17}", fullmatch=True),
    model=st.sampled_from(sorted(MODELS)),
    plate=st.none() | texts,
    owner_ref=st.none() | texts,
    owner_name=texts,
    locale=st.sampled_from(["zh", "en"]),
)


@given(fleet=st.lists(rows, max_size=5, unique_by=lambda row: row.vin), is_json=st.booleans())
def test_what_is_exported_is_imported_again(fleet: Sequence[FleetRow], is_json: bool) -> None:
    file = io.StringIO()

    assert len(fleet) == write_fleet(fleet, file, is_json=is_json)
    found = read(file.getvalue(), is_json=is_json)

    assert not found.problems
    assert list(fleet) == [row for _, row in found.lines]


@given(st.text(max_size=200), st.booleans())
def test_no_text_breaks_the_reader(text: str, is_json: bool) -> None:
    try:
        found = read("vin,model\n" + text if not is_json else text, is_json=is_json)
    except FleetFileError:
        return

    assert all(problem.rule for problem in found.problems)


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("[" * 100_000, "line", "[" * 40),
        (json.dumps({"vin": VIN, "model": "sedan", "plate": "\ud800"}), "plate", "\\ud800"),
        (json.dumps({"vin": VIN, "model": "sedan", "plate": "a\0"}), "plate", "a\0"),
    ],
)
def test_a_line_that_no_database_would_take_does_not_stop_the_others(
    line: str, field: str, value: str
) -> None:
    good = json.dumps({"vin": OTHER, "model": "van"})

    found = read(f"{line}\n{good}\n", is_json=True)

    assert [(1, field, value)] == [(p.line, p.field, p.value) for p in found.problems]
    assert [(number, row.vin) for number, row in found.lines] == [(2, OTHER)]

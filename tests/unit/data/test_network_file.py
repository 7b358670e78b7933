from importlib import resources

import pytest

from data.errors import NetworkFileError
from data.network_file import NetworkFiles, read_network, write_network

SHIPPED = ("stations.toml", "parts.toml", "labour.toml", "jobs.toml")


def shipped() -> dict[str, str]:
    folder = resources.files("data").joinpath("reference")
    return {name: folder.joinpath(name).read_text("utf-8") for name in SHIPPED}


def changed(file: str, old: str, new: str) -> NetworkFiles:
    texts = shipped()
    assert old in texts[file]
    return read_network({**texts, file: texts[file].replace(old, new, 1)})


def test_the_shipped_reference_files_are_a_network_without_a_problem() -> None:
    found = read_network(shipped())

    assert found.problems == []
    assert {kind: len(rows) > 5 for kind, rows in found.network.entries.items()} == dict.fromkeys(
        ("parts", "labour_operations", "repair_jobs", "stations"), True
    )


@pytest.mark.parametrize(("is_json", "name"), [(False, "all.toml"), (True, "all.json")])
def test_what_is_written_reads_back_equal(*, is_json: bool, name: str) -> None:
    network = read_network(shipped()).network

    again = read_network({name: write_network(network, is_json=is_json)})

    assert again.problems == []
    assert again.network == network


def test_vans_fees_and_work_on_the_road_survive_being_written_and_read() -> None:
    texts = shipped()
    for old, new in (
        (
            'skills = ["T1", "T2"], shift = "late"',
            'skills = ["T1"], shift = "late", carries = ["TIRE-SENSOR"]',
        ),
        ('labour_rate = "180.00"', 'labour_rate = "180.00"\nfees = { mobile = "60.00", pickup = "40.50" }'),
    ):
        texts["stations.toml"] = texts["stations.toml"].replace(old, new, 1)

    network = read_network(texts).network
    again = read_network({"all.toml": write_network(network, is_json=False)}).network

    station = again.entries["stations"]["SH-ZHANGJIANG"]
    assert again == network
    assert station["fees"] == {"mobile": "60", "pickup": "40.5"}
    assert [who["carries"] for who in station["technicians"] if who["carries"]] == [["TIRE-SENSOR"]]
    assert again.entries["repair_jobs"]["lv_battery"]["mobile_fix"] == 0.95
    assert again.entries["repair_jobs"]["brake_drag"]["mobile_fix"] is None


ZHANGJIANG = "stations SH-ZHANGJIANG"


@pytest.mark.parametrize(
    ("file", "change", "entry", "told"),
    [
        ("stations.toml", ("lat = 31.2041", "lat = 93.0"), ZHANGJIANG, ("lat", "93.0", "<= 90")),
        ("stations.toml", ("lat = 31.2041", "lat = nan"), ZHANGJIANG, ("lat", "nan", "")),
        ("stations.toml", ('"180.00"', '"1.005"'), ZHANGJIANG, ("labour_rate", "1.005", "two dec")),
        ("stations.toml", ('hours = "long"', 'hours = "lng"'), ZHANGJIANG, ("hours", "lng", "one of")),
        ("stations.toml", ('name = "L1"', 'name = "T1"'), ZHANGJIANG, ("bays", "T1", "given once")),
        ("stations.toml", ('["lift"]', '["roof"]'), ZHANGJIANG, ("bays[1].kinds[0]", "roof", "invalid")),
        ("stations.toml", ("SENSOR = 6", "SENSOR = -6"), ZHANGJIANG, ("stock[...]", "", ">= 0")),
        ("stations.toml", ("TIRE-SENSOR", "TYRE"), ZHANGJIANG, ("stock", "TYRE", "part of")),
        (
            "stations.toml",
            ('"late" }', '"late", carries = ["X"] }'),
            ZHANGJIANG,
            ("technicians", "X", "part of"),
        ),
        (
            "stations.toml",
            ('hours = "long"', 'hours = "long"\nfees = { tow = "-1" }'),
            ZHANGJIANG,
            ("fees.tow", "-1", "from 0"),
        ),
        ("stations.toml", ("20:00:00", "07:00:00"), ZHANGJIANG, ("hours", "08:00-07:00", "first before")),
        ("parts.toml", ('"38.00"', '"-1"'), "parts TIRE-REPAIR-KIT", ("unit_price", "-1", "from 0")),
        ("labour.toml", ('"0.5"', '"0"'), "labour_operations tire-repair", ("hours", "0", "from 0.01")),
        (
            "jobs.toml",
            ('"tire-repair"', '"tire-x"'),
            "repair_jobs tire_slow_leak",
            ("operations", "tire-x", "labour operation"),
        ),
    ],
)
def test_a_wrong_entry_is_named_with_line_field_value_and_rule(
    file: str, change: tuple[str, str], entry: str, told: tuple[str, str, str]
) -> None:
    found = changed(file, *change)

    problem = next(p for p in found.problems if p.entry == entry)
    assert (problem.file, problem.field, problem.value) == (file, *told[:2])
    assert told[2] in problem.rule
    assert problem.line is not None
    assert shipped()[file].splitlines()[problem.line - 1].startswith("[[")
    kind, key = entry.split(" ")
    assert key not in found.network.entries[kind]


def test_every_wrong_entry_is_named_and_the_right_ones_stay() -> None:
    text = "\n".join(
        f'[[parts]]\nsku = "P{n}"\nname_en = "a"\nname_zh = "b"\nunit_price = "{price}"'
        for n, price in enumerate(("1.00", "x", "2.00", "1.001"))
    )

    found = read_network({"parts.toml": text})

    assert [(p.entry, p.line) for p in found.problems] == [("parts P1", 6), ("parts P3", 16)]
    assert list(found.network.entries["parts"]) == ["P0", "P2"]


def test_an_entry_given_twice_is_refused_and_names_the_first() -> None:
    text = '[[parts]]\nsku = "P"\nname_en = "a"\nname_zh = "b"\nunit_price = "1"\n'

    found = read_network({"a.toml": text, "b.toml": text})

    assert [str(p) for p in found.problems] == [
        "b.toml line 1: parts P sku 'P': must be given once, is in a.toml line 1"
    ]


def test_stretches_that_overlap_on_a_day_are_refused() -> None:
    found = changed(
        "stations.toml",
        'hours = "long"',
        'hours = [{ weekdays = [1, 2], opens = "08:00:00", closes = "12:00:00" },'
        ' { weekdays = [2], opens = "11:00:00", closes = "15:00:00" }]',
    )

    assert [(p.field, p.value, p.rule) for p in found.problems] == [
        ("hours", "11:00-15:00", "must not overlap another on weekday 2")
    ]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("x.toml", "[[parts]\n", "x.toml: cannot be read"),
        ("x.json", "[]", "must be a table of"),
        ("x.toml", "[[part]]\n", "'part': must be one of"),
        ("x.json", '{"parts": {}}', "parts: must be an array"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(name: str, text: str, told: str) -> None:
    with pytest.raises(NetworkFileError, match="x") as caught:
        read_network({name: text})

    assert told in str(caught.value)

"""Files of a service network into the database and out again."""

from datetime import UTC, datetime
from importlib import resources
from typing import LiteralString

import pytest

from data.audit import Deed
from data.db import Pool, transaction
from data.network_file import write_network
from data.network_import import NetworkReport, export_network, import_network
from data.reference import load_reference

DEED = Deed(actor="command:test", now=datetime(2026, 3, 1, tzinfo=UTC))
SHIPPED = ("stations.toml", "parts.toml", "labour.toml", "jobs.toml")


def shipped() -> dict[str, str]:
    folder = resources.files("data").joinpath("reference")
    return {name: folder.joinpath(name).read_text("utf-8") for name in SHIPPED}


def bring(pool: Pool, files: dict[str, str], *, is_partial: bool = False) -> NetworkReport:
    with transaction(pool) as connection:
        return import_network(connection, files, tenant="demo", deed=DEED, is_partial=is_partial)


def exported(pool: Pool, *, is_json: bool = False) -> str:
    with transaction(pool) as connection:
        return write_network(export_network(connection, tenant="demo"), is_json=is_json)


def count(reported: dict[str, list[str]]) -> int:
    return sum(map(len, reported.values()))


def test_an_export_read_again_changes_nothing(pool: Pool) -> None:
    first = bring(pool, shipped())
    text, as_json = exported(pool), exported(pool, is_json=True)

    for again in (
        bring(pool, {"all.toml": text}),
        bring(pool, {"all.json": as_json}),
        bring(pool, shipped()),
    ):
        assert (count(again.added), count(again.changed), again.problems) == (0, 0, [])
        assert again.unchanged == count(first.added)
    assert exported(pool) == text
    with pool.connection() as connection:
        audits = connection.execute("SELECT action FROM audit_events").fetchall()
    assert audits == [("stations.import",)]


def test_the_shipped_files_say_what_the_reference_data_loads(pool: Pool) -> None:
    with transaction(pool) as connection:
        load_reference(connection, tenant="demo")

    found = bring(pool, shipped())

    assert (count(found.added), count(found.changed), found.problems) == (0, 0, [])


def test_one_wrong_entry_writes_nothing_unless_asked_to(pool: Pool) -> None:
    files = shipped()
    files["parts.toml"] = files["parts.toml"].replace('"38.00"', '"dear"', 1)

    refused = bring(pool, files)

    assert not refused.is_written
    assert "parts" not in exported(pool).replace("parts that", "")
    written = bring(pool, files, is_partial=True)
    assert written.is_written
    assert "TIRE-REPAIR-KIT" in {p.entry.split(" ")[1] for p in written.problems}
    assert "TIRE-REPAIR-KIT" not in exported(pool)
    assert "COOLANT-PUMP" in exported(pool)


def test_what_a_station_no_longer_lists_is_closed_and_its_stock_stays(pool: Pool) -> None:
    bring(pool, shipped())
    files = shipped()
    files["stations.toml"] = (
        files["stations.toml"]
        .replace('    { name = "L1", kinds = ["lift"] },\n', "", 1)
        .replace('    { name = "王建国", skills = ["T1", "T2"], shift = "late" },\n', "", 1)
        .replace("TIRE-SENSOR = 6, ", "", 1)
    )

    found = bring(pool, files)

    assert found.changed["stations"] == ["SH-ZHANGJIANG"]
    with pool.connection() as connection:
        facts = connection.execute(
            "SELECT (SELECT is_open FROM bays b WHERE b.station_id = s.station_id AND b.name = 'L1'),"
            " (SELECT is_active FROM technicians t WHERE t.station_id = s.station_id AND t.name = '王建国'),"
            " (SELECT on_hand FROM part_stock p WHERE p.station_id = s.station_id AND sku = 'TIRE-SENSOR')"
            " FROM stations s WHERE code = 'SH-ZHANGJIANG'"
        ).fetchone()
    assert facts == (False, False, 6)
    assert bring(pool, {"all.toml": exported(pool)}).changed["stations"] == []


def test_stock_is_never_counted_below_what_is_reserved(pool: Pool) -> None:
    bring(pool, shipped())
    with transaction(pool) as connection:
        connection.execute("UPDATE part_stock SET reserved = 4 WHERE sku = 'TIRE-SENSOR' AND on_hand = 6")
    files = shipped()
    files["stations.toml"] = files["stations.toml"].replace("TIRE-SENSOR = 6", "TIRE-SENSOR = 3", 1)

    found = bring(pool, files)

    assert not found.is_written
    assert [(p.entry, p.field, p.value) for p in found.problems] == [
        ("stations SH-ZHANGJIANG", "stock TIRE-SENSOR", "3")
    ]
    assert "4 are reserved" in found.problems[0].rule or "at least 4" in found.problems[0].rule


def test_reorder_points_and_substitutes_come_back_as_they_were_given(pool: Pool) -> None:
    bring(pool, shipped())
    files = shipped()
    files["stations.toml"] = files["stations.toml"].replace(
        'code = "SH-ZHANGJIANG"',
        'code = "SH-ZHANGJIANG"\nreorder = { TIRE-SENSOR = { point = 2, to = 8 } }',
        1,
    )
    files["parts.toml"] = files["parts.toml"].replace(
        'sku = "TIRE-SENSOR"', 'sku = "TIRE-SENSOR"\nsubstitutes = ["TIRE-REPAIR-KIT"]', 1
    )

    assert bring(pool, files).problems == []
    text = exported(pool)

    assert 'reorder = { "TIRE-SENSOR" = { "point" = 2, "to" = 8 } }' in text
    assert 'substitutes = ["TIRE-REPAIR-KIT"]' in text
    assert count(bring(pool, {"all.toml": text}).changed) == 0
    assert bring(pool, shipped()).changed["stations"] == ["SH-ZHANGJIANG"]
    assert "reorder = {}" in exported(pool)


ARRIVAL = (
    'code = "SH-ZHANGJIANG"\narrivals = [{ reference = "PO-1", sku = "TIRE-SENSOR", qty = 4,'
    ' expected_at = 2026-03-05T16:00:00+08:00, spread_h = 6.5, supplier = "Sensing Ltd" }]'
)


def with_arrival(entry: str = ARRIVAL) -> dict[str, str]:
    files = shipped()
    files["stations.toml"] = files["stations.toml"].replace('code = "SH-ZHANGJIANG"', entry, 1)
    return files


def test_what_is_on_its_way_comes_back_as_it_was_announced_and_is_expected_once(pool: Pool) -> None:
    bring(pool, with_arrival())
    text = exported(pool)

    assert '"expected_at" = "2026-03-05T08:00:00+00:00"' in text
    for again in (bring(pool, {"all.toml": text}), bring(pool, with_arrival()), bring(pool, shipped())):
        assert (count(again.changed), again.problems) == (0, [])
    later = bring(pool, with_arrival(ARRIVAL.replace("03-05T16", "03-06T16").replace("qty = 4", "qty = 5")))
    assert later.changed["stations"] == ["SH-ZHANGJIANG"]
    with pool.connection() as connection:
        found = connection.execute(
            "SELECT reference, sku, qty, expected_at, spread_h, supplier, source, state, announced_at"
            " FROM part_arrivals"
        ).fetchall()
    expected_at = datetime(2026, 3, 6, 8, tzinfo=UTC)
    assert found == [
        ("PO-1", "TIRE-SENSOR", 5, expected_at, 6.5, "Sensing Ltd", "purchase", "expected", DEED.now)
    ]


@pytest.mark.parametrize(
    ("change", "entry", "field", "rule"),
    [
        (None, ("qty = 4", "qty = 0"), "arrivals[0].qty", "expected `int` >= 1"),
        (None, ("+08:00", ""), "arrivals[0].expected_at", "timezone"),
        (None, ("TIRE-SENSOR", "NOTHING"), "arrivals", "must be a part of these files or stored before"),
        ("UPDATE part_arrivals SET state = 'cancelled'", ("", ""), "arrivals PO-1", "is cancelled already"),
        (
            "UPDATE part_arrivals SET reserved = 3",
            ("qty = 4", "qty = 2"),
            "arrivals PO-1",
            "must be at least 3: orders wait for so many",
        ),
        (
            "UPDATE part_arrivals SET qty = 4",
            ("TIRE-SENSOR", "COOLANT-PUMP"),
            "arrivals PO-1",
            "must stay TIRE-SENSOR",
        ),
    ],
)
def test_an_arrival_that_cannot_be_is_named_with_its_rule(
    pool: Pool, change: LiteralString | None, entry: tuple[str, str], field: str, rule: str
) -> None:
    if change is not None:
        bring(pool, with_arrival())
        with transaction(pool) as connection:
            connection.execute(change)

    (problem,) = bring(pool, with_arrival(ARRIVAL.replace(*entry))).problems

    assert (
        problem.entry,
        problem.field,
        rule in problem.rule.lower().replace("tire-sensor", "TIRE-SENSOR"),
    ) == (
        "stations SH-ZHANGJIANG",
        field,
        True,
    ), str(problem)


def test_a_reorder_level_below_its_point_and_a_part_that_replaces_itself_are_refused(pool: Pool) -> None:
    files = shipped()
    files["stations.toml"] = files["stations.toml"].replace(
        'code = "SH-ZHANGJIANG"',
        'code = "SH-ZHANGJIANG"\nreorder = { TIRE-SENSOR = { point = 2, to = 2 } }',
        1,
    )
    files["parts.toml"] = files["parts.toml"].replace(
        'sku = "TIRE-SENSOR"', 'sku = "TIRE-SENSOR"\nsubstitutes = ["TIRE-SENSOR"]', 1
    )

    told = {(p.entry, p.field): p.rule for p in bring(pool, files).problems}

    assert told["stations SH-ZHANGJIANG", "reorder.TIRE-SENSOR.to"] == "must be above the point, 2"
    assert told["parts TIRE-SENSOR", "substitutes"] == "must be another part, given once"

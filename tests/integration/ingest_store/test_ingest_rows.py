"""Readings become rows once, whatever comes first, late or twice."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.db import Pool
from ingest.copy import CopyColumn, build_copy
from ingest.intake import Intake
from tests.effort import examples
from tests.integration.ingest_store.steps import delivery, feed, head, rows, t, tele


def test_columns_of_one_instant_meet_in_one_row(fleet: Pool, intake: Intake) -> None:
    feed(intake, delivery(tele(0, [t(0)], speed=[50.0])), delivery(tele(1, [t(0)], soc=[80.0])))
    feed(intake, delivery(tele(2, [t(0)], odometer=[1234.5], tire_pressure=[[250, None, 251, 252]])))
    feed(intake, delivery(tele(3, [t(0)], tire_pressure=[[249, 248, None, 252]])))

    assert rows(fleet, "SELECT speed, soc, odometer FROM drive_readings") == [(50.0, 80.0, 1234.5)]
    assert rows(fleet, "SELECT pressure FROM tire_readings") == [([250.0, 248.0, 251.0, 252.0],)]
    assert rows(fleet, "SELECT conflict_count FROM ingest_batches ORDER BY batch_id") == [(0,), (0,), (1,)]


def test_cells_are_stored_in_millivolts_and_probes_in_tenths(fleet: Pool, intake: Intake) -> None:
    feed(
        intake,
        delivery(tele(0, [t(0)], cell_voltage=[[3.7, 3.7012, None, 4.2]], cell_temperature=[[-12.34, 25]])),
    )

    assert rows(fleet, "SELECT voltage_mv, temperature_ddegc, sub_pack, first_cell FROM cell_readings") == [
        ([3700, 3701, None, 4200], [-123, 250], 1, 1)
    ]
    readings = rows(fleet, "SELECT readings FROM vehicle_latest WHERE family = 'cell'")[0][0]
    assert readings == {"cell.voltage": [3.7, 3.7012, None, 4.2], "cell.temperature": [-12.34, 25]}


def test_the_same_messages_again_change_only_the_duplicate_count(fleet: Pool, intake: Intake) -> None:
    messages = [
        delivery(
            tele(
                i,
                [t(10 * i + k) for k in range(10)],
                speed=[float(k) for k in range(10)],
                cell_voltage=[[3.7, 3.7, None, 3.6]] * 10,
            )
        )
        for i in range(3)
    ]
    feed(intake, *messages)
    before = rows(fleet, "SELECT * FROM drive_readings ORDER BY time") + rows(
        fleet, "SELECT * FROM cell_readings"
    )

    result = feed(intake, *messages)

    assert before == rows(fleet, "SELECT * FROM drive_readings ORDER BY time") + rows(
        fleet, "SELECT * FROM cell_readings"
    )
    assert (result.duplicate_count, result.row_count, result.conflict_count) == (3, 0, 0)
    assert rows(fleet, "SELECT received_count, duplicate_count, high FROM message_streams") == [(3, 3, 2)]


def test_late_rows_fill_in_and_do_not_touch_the_latest_reading(fleet: Pool, intake: Intake) -> None:
    feed(intake, delivery(tele(5, [t(100)], speed=[60.0])))
    feed(intake, delivery(tele(0, [t(50)], hist=1, speed=[10.0], soc=[70.0])))

    assert rows(fleet, "SELECT speed FROM drive_readings ORDER BY time") == [(10.0,), (60.0,)]
    latest = rows(
        fleet, "SELECT time, live_time, is_hist, readings FROM vehicle_latest WHERE family = 'drive'"
    )[0]
    at = datetime.fromtimestamp(t(100) / 1000, UTC)
    assert (at, at, False, {"speed": 60, "soc": 70}) == latest


def test_late_values_beside_new_rows_replace_nothing_newer(fleet: Pool, intake: Intake) -> None:
    feed(intake, delivery(tele(0, [t(7)], speed=[7.0], soc=[70.0])))
    feed(
        intake,
        delivery(tele(1, [t(0)], hist=1, soc=[99.0], odometer=[1234.5])),
        delivery(tele(2, [t(10)], speed=[10.0])),
    )

    assert rows(fleet, "SELECT time, readings FROM vehicle_latest") == [
        (datetime.fromtimestamp(t(10) / 1000, UTC), {"speed": 10.0, "soc": 70.0, "odometer": 1234.5})
    ]


def test_the_newest_readings_do_not_depend_on_the_order_of_messages(fleet: Pool, intake: Intake) -> None:
    said: list[dict[str, Any]] = [
        {"t": [t(0)], "soc": [50.0], "tire_pressure": [[250, 250, 250, 250]]},
        {"t": [t(2)], "speed": [20.0]},
        {"t": [t(2)], "soc": [52.0]},
        {"t": [t(1)], "soc": [51.0], "odometer": [1000.0]},
        {"t": [t(1), t(3)], "speed": [10.0, None], "tire_pressure": [[251, 251, 251, 251], None]},
    ]
    found = []
    for order in itertools.islice(itertools.permutations(range(len(said))), 0, None, 17):
        for cut in (1, 3):
            with fleet.connection() as connection:
                connection.execute(
                    "WITH a AS (DELETE FROM vehicle_latest), b AS (DELETE FROM message_streams),"
                    " c AS (DELETE FROM tire_readings) DELETE FROM drive_readings"
                )
            messages = [delivery(tele(n, **said[n])) for n in order]
            feed(intake, *messages[:cut])
            feed(intake, *messages[cut:])
            found.append(
                rows(fleet, "SELECT family, time, readings, reading_times FROM vehicle_latest ORDER BY 1")
            )

    at = {second: datetime.fromtimestamp(t(second) / 1000, UTC) for second in (1, 2)}
    assert found[0] == [
        (
            "drive", at[2], {"speed": 20.0, "soc": 52.0, "odometer": 1000.0}, {"odometer": t(1) * 1000},
        ),
        ("tire", at[1], {"tire.pressure": [251, 251, 251, 251]}, {}),
    ]  # fmt: skip
    assert all(one == found[0] for one in found)


def test_another_process_that_wrote_first_turns_a_copy_into_a_merge(fleet: Pool, intake: Intake) -> None:
    with fleet.connection() as connection:
        connection.execute(
            "INSERT INTO drive_readings (vehicle_id, time, soc) VALUES (1, %s, 42)",
            (datetime.fromtimestamp(t(1) / 1000, UTC),),
        )
    result = feed(intake, delivery(tele(0, [t(0), t(1), t(2)], speed=[1.0, 2.0, 3.0])))

    assert rows(fleet, "SELECT speed, soc FROM drive_readings ORDER BY time") == [
        (1.0, None),
        (2.0, 42.0),
        (3.0, None),
    ]
    assert result.late_row_count == 3


def test_impossible_values_are_missing_and_counted(fleet: Pool, intake: Intake) -> None:
    result = feed(
        intake,
        delivery(
            tele(
                0,
                [t(0), t(1)],
                speed=[-1.0, 20.0],
                gear=[1.5, 2],
                tire_pressure=[[255.0] * 4, [255.0, 250, 250, 250]],
                lv_voltage=[float("inf"), 12.0],
                warp=[1.0, 2.0],
            )
        ),
    )

    assert rows(fleet, "SELECT speed, gear, lv_voltage FROM drive_readings ORDER BY time") == [
        (20.0, 2, 12.0)
    ]
    assert rows(fleet, "SELECT pressure FROM tire_readings") == [([255.0, 250.0, 250.0, 250.0],)]
    assert dict(result.masked) == {
        "speed:range": 1,
        "gear:not_integer": 1,
        "tire.pressure:sentinel": 4,
        "lv.voltage:range": 1,
        "warp:unknown_alias": 2,
    }


def test_can_frames_become_rows_and_unknown_ids_are_counted(fleet: Pool, intake: Intake) -> None:
    record = np.dtype([("us", "<u4"), ("id", "<u4"), ("flags", "u1"), ("length", "u1"), ("data", "u1", (8,))])
    frames = np.zeros(3, record)
    frames["us"], frames["id"], frames["length"] = [0, 500_000, 2_000_000], [256, 0x7FF, 256], 8
    frames["data"][0, :4] = list((500).to_bytes(2, "little") + (7).to_bytes(2, "little"))
    frames["data"][2, :4] = list((600).to_bytes(2, "little") + (8).to_bytes(2, "little"))
    result = feed(intake, delivery(head(0) | {"t0": t(0), "f": frames.tobytes()}, "can/bus0"))

    assert rows(fleet, "SELECT speed FROM drive_readings ORDER BY time") == [(50.0,), (60.0,)]
    assert rows(fleet, "SELECT signal, value FROM signal_readings ORDER BY time") == [
        ("Drive.Strange", 7.0),
        ("Drive.Strange", 8.0),
    ]
    assert dict(result.masked) == {"can.7FF:unknown_id": 1}


reals = st.one_of(st.just(float("nan")), st.floats(-(2.0**99), 2.0**99, width=32))


@settings(
    max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.integers(-(2**31), 2**31 - 1),
            reals,
            st.floats(allow_nan=True, allow_infinity=False),
            st.lists(
                st.one_of(st.just(float("nan")), st.integers(-32768, 32767).map(float)),
                min_size=0,
                max_size=5,
            ),
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6),
            st.booleans(),
            st.integers(0, 4_000_000_000_000_000),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_binary_copy_reads_back_what_was_written(pool: Pool, table: list[tuple[Any, ...]]) -> None:
    n, widest = len(table), max(1, *(len(r[3]) for r in table))
    arrays = np.full((n, widest), np.nan)
    for i, row in enumerate(table):
        arrays[i, : len(row[3])] = row[3]
    chosen = np.flatnonzero([r[5] or i % 3 == 0 for i, r in enumerate(table)])
    content = build_copy(
        [
            CopyColumn("int", np.arange(n)),
            CopyColumn("int", np.array([r[0] for r in table])),
            CopyColumn("real", np.array([r[1] for r in table], np.float64)),
            CopyColumn("double precision", np.array([r[2] for r in table], np.float64)),
            CopyColumn("smallint", arrays, widths=np.array([len(r[3]) for r in table])),
            CopyColumn("text", np.array([r[4] for r in table], np.str_)),
            CopyColumn("boolean", np.array([r[5] for r in table])),
            CopyColumn("timestamptz", np.array([r[6] for r in table])),
        ]
    ).stream(chosen)
    with pool.connection() as connection:
        connection.execute(
            "CREATE TEMP TABLE back (i int, a int, r real, d double precision, s smallint[], x text,"
            " b boolean, t timestamptz) ON COMMIT DROP"
        )
        with connection.cursor() as cursor, cursor.copy("COPY back FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(content)
        back = connection.execute("SELECT a, r, d, s, x, b, t FROM back ORDER BY i").fetchall()

    def known(value: float) -> float | None:
        return None if np.isnan(value) else value

    def element_wise(values: list[float]) -> list[float | None] | None:
        return [known(v) for v in values] if any(known(v) is not None for v in values) else None

    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    for want, have in zip([table[i] for i in chosen], back, strict=True):
        number, real, double, array, text, flag, time_us = want
        assert (number, known(double), element_wise(array), text, flag) == (have[0], *have[2:6])
        assert known(real) == (None if have[1] is None else float(np.float32(have[1])))
        assert epoch + timedelta(microseconds=time_us) == have[6]

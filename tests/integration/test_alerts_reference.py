import pytest

from data.db import Pool, transaction
from data.errors import ReferenceDataError, VinError
from data.reference import VehicleRegistration, load_reference, register_vehicles


def make_registration(**overrides: object) -> VehicleRegistration:
    facts = {
        "vin": "LAX00000000000001",
        "model_id": "anxin-sedan-96-ncm",
        "plate": "沪A12345",
        "owner_name": "李雷",
        "home_lat": 31.23,
        "home_lon": 121.47,
    }
    return VehicleRegistration(**{**facts, **overrides})  # type: ignore[arg-type]


def count(pool: Pool, table: str) -> int:
    with transaction(pool) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # type: ignore[arg-type]  # noqa: S608 - names below
        assert row
        return int(row[0])


TABLES = ("stations", "station_hours", "bays", "technicians", "shifts", "parts", "part_stock", "repair_jobs")


def test_loading_twice_gives_the_same_rows_and_keeps_what_was_used(pool: Pool) -> None:
    with transaction(pool) as connection:
        load_reference(connection, tenant="demo")
        connection.execute("UPDATE part_stock SET reserved = 1, on_hand = on_hand - 1 WHERE on_hand > 2")
        stock = connection.execute("SELECT * FROM part_stock ORDER BY 1, 2").fetchall()
    counts = [count(pool, table) for table in TABLES]
    with transaction(pool) as connection:
        load_reference(connection, tenant="demo")
        assert connection.execute("SELECT * FROM part_stock ORDER BY 1, 2").fetchall() == stock

    assert [count(pool, table) for table in TABLES] == counts
    assert all(counts)


def test_vehicles_are_registered_with_one_owner_each(pool: Pool) -> None:
    with transaction(pool) as connection:
        load_reference(connection, tenant="demo")
        first = register_vehicles(
            connection,
            tenant="demo",
            vehicles=[make_registration(), make_registration(vin="LAX00000000000002")],
        )
        again = register_vehicles(connection, tenant="demo", vehicles=[make_registration(owner_name="韩梅")])
        owners = connection.execute(
            "SELECT v.vin, o.name FROM vehicles v JOIN owners o USING (owner_id) ORDER BY vin"
        ).fetchall()

    assert again == {"LAX00000000000001": first["LAX00000000000001"]}
    assert owners == [("LAX00000000000001", "韩梅"), ("LAX00000000000002", "李雷")]
    assert count(pool, "owners") == 2


@pytest.mark.parametrize(
    ("overrides", "error", "named"),
    [
        ({"vin": "SHORT"}, VinError, "SHORT"),
        ({"model_id": "no-such"}, ReferenceDataError, "model_id 'no-such'"),
        ({"time_zone": "Mars/Olympus"}, ReferenceDataError, "time_zone 'Mars/Olympus'"),
        ({"home_lat": 91.0}, ReferenceDataError, "home_lat 91.0"),
        ({"home_lon": None}, ReferenceDataError, "together"),
    ],
)
def test_a_bad_registration_is_refused_by_name(
    pool: Pool, overrides: dict[str, object], error: type[Exception], named: str
) -> None:
    with transaction(pool) as connection:
        load_reference(connection, tenant="demo")
    with pytest.raises(error, match=named), transaction(pool) as connection:
        register_vehicles(connection, tenant="demo", vehicles=[make_registration(**overrides)])

"""Parts on their way, as stations and operations tell of them: by whom, and what is refused."""

from __future__ import annotations

from data.db import transaction

NEW = {
    "sku": "TIRE-PLUG",
    "qty": 4,
    "expected_at": "2026-01-22T08:00:00Z",
    "spread_h": 6,
    "reference": "PO-1",
}
URL = "/api/v1/parts/arrivals"


def stock(world, station_id=1, sku="TIRE-PLUG"):
    with transaction(world.pool) as connection:
        asked = (station_id, sku)
        row = connection.execute(
            "SELECT on_hand, reserved FROM part_stock WHERE station_id = %s AND sku = %s", asked
        )
        return row.fetchone()


def test_a_station_announces_for_itself_and_receives_once(world):
    station = world.client("station")
    made = station.post(URL, json=NEW).json()
    assert (made["station"], made["source"], made["state"], made["reserved"]) == (
        "SH1",
        "purchase",
        "expected",
        0,
    )
    assert station.post(URL, json=NEW).status_code == 422

    slipped = {"action": "slip", "expected_at": "2026-01-23T08:00:00Z"}
    assert station.post(f"{URL}/{made['arrival_id']}", json=slipped).json()["spread_h"] == 6
    received = station.post(f"{URL}/{made['arrival_id']}", json={"action": "receive"})
    again = station.post(f"{URL}/{made['arrival_id']}", json={"action": "receive"})

    assert (received.status_code, received.json()["state"], again.status_code) == (200, "received", 409)
    assert stock(world) == (14, 1)
    assert station.get(URL).json()["items"] == []


def test_a_station_neither_takes_from_others_nor_buys_for_them(world):
    station, operations = world.client("station"), world.client("operations")
    for wrong in (
        {**NEW, "station": "BJ1"},
        {**NEW, "sku": "CELL-MODULE", "qty": 1, "from_station": "BJ1"},
        {**NEW, "sku": "NOTHING"},
        {**NEW, "from_station": "SH1"},
        {**NEW, "station": "BJ1", "from_station": "SH1", "qty": 10},
        {**NEW, "expected_at": "2026-01-22T08:00:00"},
        {**NEW, "qty": 0},
    ):
        assert station.post(URL, json=wrong).status_code == 422, wrong
    theirs = operations.post(URL, json={**NEW, "station": "BJ1"}).json()
    assert station.post(f"{URL}/{theirs['arrival_id']}", json={"action": "receive"}).status_code == 404
    assert station.get(URL).json()["items"] == []
    assert stock(world) == (10, 1)


def test_a_station_gives_its_own_parts_away_and_the_other_receives_them(world):
    station, operations = world.client("station"), world.client("operations")
    sent = station.post(URL, json={**NEW, "station": "BJ1", "from_station": "SH1"}).json()
    assert (sent["source"], stock(world)) == ("transfer", (10, 5))

    assert station.post(f"{URL}/{sent['arrival_id']}", json={"action": "receive"}).status_code == 404
    assert station.post(f"{URL}/{sent['arrival_id']}", json={"action": "ship"}).json()["state"] == "shipped"
    assert operations.post(f"{URL}/{sent['arrival_id']}", json={"action": "receive"}).status_code == 200

    assert (stock(world), stock(world, 2)) == ((6, 1), (4, 0))


def test_an_action_that_needs_a_time_has_one_and_no_other_has(world):
    station = world.client("station")
    arrival_id = station.post(URL, json=NEW).json()["arrival_id"]

    for wrong in (
        {"action": "slip"},
        {"action": "receive", "expected_at": NEW["expected_at"]},
        {"action": "cancel", "qty": 1},
        {"action": "receive", "qty": 5},
    ):
        assert station.post(f"{URL}/{arrival_id}", json=wrong).status_code == 422


def test_fewer_pieces_than_expected_are_received_as_they_are(world):
    station = world.client("station")
    arrival_id = station.post(URL, json=NEW).json()["arrival_id"]
    got = station.post(f"{URL}/{arrival_id}", json={"action": "receive", "qty": 3}).json()

    assert (got["state"], got["qty"], stock(world)) == ("received", 3, (13, 1))
    assert station.get(URL).json()["items"] == []


def test_what_is_to_be_bought_is_told_to_its_station_and_to_operations(world):
    with transaction(world.pool) as connection:
        connection.execute("UPDATE part_stock SET reorder_point = 9, reorder_to = 20")

    (mine,) = world.client("station").get("/api/v1/parts/to-order").json()["items"]
    all_ = world.client("operations").get("/api/v1/parts/to-order").json()["items"]

    assert (mine["station"], mine["sku"], mine["free"], mine["qty"]) == ("SH1", "TIRE-PLUG", 9, 11)
    assert [row["station"] for row in all_] == ["BJ1", "SH1"]

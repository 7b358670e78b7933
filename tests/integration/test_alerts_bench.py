"""The dispatch benchmark counts in the database; with nothing to fight over it meets its own bounds."""

from alerts.bench.dispatch import bench_dispatch


def test_a_small_region_is_dispatched_without_a_broken_guarantee(database_server: str) -> None:
    found = bench_dispatch(alerts=30, stations=5, routers=4, seed=3, database_url=database_server)

    assert found["orders"] + sum(found["unserved"].values()) == 30
    assert found["orders"] >= 25
    names = ("double_bookings", "negative_stock", "duplicate_orders", "orders_without_booking", "lost")
    assert {name: found[name] for name in names} == dict.fromkeys(names, 0)
    assert found["orders_per_s"] > 0
    assert 0 < found["lower_bound"] <= found["mean_cost"]
    assert found["lower_bound"] <= found["greedy_cost"]

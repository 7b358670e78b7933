import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.alarm_router import follow_events
from alerts.desk import Desk, decide_for_vehicle
from alerts.orders.replanning import replan_waiting
from alerts.report import order_report
from alerts.router import Routed, route_vehicles, route_waiting
from data.db import Pool, load_queries, transaction
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)  # Tuesday 10:00 in Shanghai
TERMS = seed.make_terms()


def report(pool: Pool) -> list[dict[str, Any]]:
    with transaction(pool) as connection:
        return order_report(connection)


def test_a_fresh_prediction_becomes_one_complete_order(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_prediction(pool, vehicle, NOW)

    done = route_waiting(pool, TERMS, now=NOW)

    (order,) = report(pool)
    assert (done.raised, done.orders) == (1, 1)
    assert (order["component"], order["state"], order["is_distance_estimated"]) == (
        "tire rear-left",
        "offered",
        True,
    )
    assert order["parts"] == [{"sku": "TIRE-REPAIR-KIT", "qty": 1, "reserved": True}]
    lines = order["price"]["lines"]
    assert [line["kind"] for line in lines] == ["labour", "part", "tax"]
    assert order["price"]["total"] == pytest.approx(sum(line["amount"] for line in lines))
    assert datetime.fromisoformat(order["slot_start"]) > NOW
    assert order["time_to_threshold_h"] == {"p10": 100.0, "p50": 140.0, "p90": 180.0}
    assert json.dumps(order)
    assert seed.rows(pool, "SELECT to_state FROM order_events ORDER BY event_id") == [
        ("predicted",),
        ("triaged",),
        ("offered",),
    ]
    assert seed.rows(pool, "SELECT channel, address, state FROM deliveries") == [
        ("mqtt", f"anxin/v1/demo/{seed.vin_of(0)}/down/warning", "pending")
    ]
    assert seed.rows(pool, "SELECT count(*) FROM predictions WHERE routed_at IS NULL") == [(0,)]


def test_the_same_trouble_again_opens_nothing_new(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    for hour in range(5):
        seed.add_prediction(pool, vehicle, NOW + timedelta(hours=hour))
        route_waiting(pool, TERMS, now=NOW + timedelta(hours=hour))

    assert len(report(pool)) == 1
    assert seed.rows(pool, "SELECT count(*) FROM warnings") == [(1,)]
    assert seed.rows(pool, "SELECT count(*), max(last_seen) FROM alerts") == [(1, NOW + timedelta(hours=4))]


def test_stale_and_improbable_predictions_are_settled_without_an_alert(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_prediction(pool, vehicle, NOW, is_fresh=False)
    seed.add_prediction(pool, vehicle, NOW + timedelta(hours=1), probability=0.1)

    assert route_waiting(pool, TERMS, now=NOW).predictions == 2
    assert seed.rows(pool, "SELECT count(*) FROM alerts") == [(0,)]


def test_a_battery_fault_goes_to_a_station_with_the_certificate(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool, home=(31.1126, 121.3821))  # beside the Minhang station, without it
    seed.add_prediction(pool, vehicle, NOW, component="cell 82", failure_mode="cell_internal_short")
    route_waiting(pool, TERMS, now=NOW)

    (order,) = report(pool)
    assert order["station"] == "SH-ZHANGJIANG"
    assert order["bay"].startswith("H")
    assert [(p["station"], p["code"]) for p in order["passed_over"]] == [("SH-MINHANG", "no_certificate")]


def test_old_alarms_join_the_order_of_their_cause_whichever_comes_first(pool: Pool) -> None:
    before, after = seed.seed_vehicles(pool, 2)
    alarms = [NOW - timedelta(days=d) for d in (87, 49, 21, 2)]
    too_old = NOW - timedelta(days=130)
    for vehicle in (before, after):
        seed.add_prediction(pool, vehicle, NOW, component="cell 82", failure_mode="cell_internal_short")
    seed.add_alarms(pool, before, [too_old, *alarms], received=NOW)
    first = follow_events(pool, TERMS, now=NOW)
    route_waiting(pool, TERMS, now=NOW)
    seed.add_alarms(pool, after, alarms[:2], received=NOW)
    follow_events(pool, TERMS, now=NOW)
    seed.add_alarms(pool, after, alarms, received=NOW)
    follow_events(pool, TERMS, now=NOW)
    follow_events(pool, TERMS, now=NOW)

    assert first.raised == 0
    orders = report(pool)
    assert [o["component"] for o in orders] == ["cell 82", "cell 82"]
    for order in orders:
        assert [(a["failure_mode"], a["occurrence_count"]) for a in order["alerts"]] == [
            ("cell_internal_short", 1),
            ("onboard_alarm", 4),
        ]
    assert seed.rows(pool, "SELECT count(*) FROM warnings") == [(2,)]


def test_an_old_alarm_alone_raises_nothing(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_alarms(pool, vehicle, [NOW - timedelta(days=1)], received=NOW)
    seed.add_alarms(pool, vehicle, [NOW - timedelta(hours=2)], received=NOW, is_hist=False)

    follow_events(pool, TERMS, now=NOW)

    assert seed.rows(pool, "SELECT count(*) FROM alerts") == [(0,)]
    assert report(pool) == []


def test_a_live_alarm_of_level_3_opens_an_order_once(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    for second in range(3):
        time = NOW + timedelta(seconds=second)
        seed.add_alarms(pool, vehicle, [time], received=time, is_hist=False)
        follow_events(pool, TERMS, now=time)

    (order,) = report(pool)
    assert (order["component"], order["failure_mode"], order["severity"]) == (
        "battery",
        "onboard_alarm",
        "S1",
    )
    assert seed.rows(pool, "SELECT count(*) FROM warnings") == [(1,)]


def test_seeing_the_same_batches_again_changes_nothing(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_alarms(pool, vehicle, [NOW], received=NOW, is_hist=False)
    follow_events(pool, TERMS, now=NOW)
    state = seed.rows(pool, "SELECT * FROM alerts"), seed.rows(pool, "SELECT * FROM order_events")
    seed.rows(pool, "DELETE FROM service_cursors RETURNING 1")
    follow_events(pool, TERMS, now=NOW)

    assert (seed.rows(pool, "SELECT * FROM alerts"), seed.rows(pool, "SELECT * FROM order_events")) == state


def test_a_thermal_event_flag_means_stop_now(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_alarms(pool, vehicle, [NOW], received=NOW, is_hist=False, data={"flags": 1 << 23}, level=1)

    follow_events(pool, TERMS, now=NOW)

    assert [(o["failure_mode"], o["severity"]) for o in report(pool)] == [("battery_thermal_event", "S0")]


def test_a_thermal_event_right_behind_another_alarm_still_means_stop_now(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    later = NOW + timedelta(seconds=1)
    seed.add_alarms(pool, vehicle, [NOW], received=NOW, is_hist=False)
    seed.add_alarms(pool, vehicle, [later], received=later, is_hist=False, data={"flags": 1 << 23})

    follow_events(pool, TERMS, now=later)

    assert [o["severity"] for o in report(pool)] == ["S0"]
    assert seed.rows(pool, "SELECT severity FROM warnings ORDER BY severity") == [("S0",), ("S1",)]


def test_a_live_alarm_that_came_while_an_order_was_opened_still_makes_it_more_urgent(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_prediction(pool, vehicle, NOW, component="cell 82", failure_mode="cell_internal_short")
    seed.add_alarms(pool, vehicle, [NOW - timedelta(seconds=5)], received=NOW, is_hist=False)
    seed.add_alarms(pool, vehicle, [NOW], received=NOW, is_hist=False, level=1)
    route_waiting(pool, TERMS, now=NOW)
    follow_events(pool, TERMS, now=NOW)

    (order,) = report(pool)
    assert (order["severity"], len(order["alerts"])) == ("S1", 2)
    assert seed.rows(pool, "SELECT severity FROM warnings ORDER BY severity") == [("S1",), ("S3",)]


@pytest.mark.parametrize("bit", [1, 11, 12, 13, 14, 15, 17])
def test_every_flag_of_a_live_level_3_alarm_opens_an_order_at_once(pool: Pool, bit: int) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_alarms(pool, vehicle, [NOW], received=NOW, is_hist=False, data={"bits": [bit]})

    assert follow_events(pool, TERMS, now=NOW).orders == 1


def test_a_live_alarm_counts_behind_any_number_of_stored_ones(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.rows(
        pool,
        "INSERT INTO vehicle_events (vehicle_id, time, kind, source, level, is_hist, received)"
        " SELECT %s, %s::timestamptz - n * interval '1 minute', 'alarm', 'event', 1, true, now()"
        " FROM generate_series(1, 10001) n RETURNING 1",
        vehicle,
        NOW,
    )
    with transaction(pool) as connection:
        seed.add_batch(connection, vehicle, NOW - timedelta(days=8), NOW - timedelta(minutes=1))
    seed.add_alarms(pool, vehicle, [NOW], received=NOW, is_hist=False)

    assert follow_events(pool, TERMS, now=NOW).orders == 1


def test_a_live_alarm_makes_the_open_order_more_urgent_and_tells_once(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_prediction(pool, vehicle, NOW, component="cell 82", failure_mode="cell_internal_short")
    route_waiting(pool, TERMS, now=NOW)
    seed.add_alarms(pool, vehicle, [NOW], received=NOW, is_hist=False)
    follow_events(pool, TERMS, now=NOW)

    (order,) = report(pool)
    assert (order["component"], order["severity"]) == ("cell 82", "S1")
    assert seed.rows(pool, "SELECT severity FROM warnings ORDER BY created_at, severity DESC") == [
        ("S3",),
        ("S1",),
    ]


def test_an_order_without_a_feasible_station_waits_and_is_placed_later(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.rows(pool, "UPDATE part_stock SET on_hand = 0 WHERE sku = 'TIRE-REPAIR-KIT' RETURNING 1")
    seed.add_prediction(pool, vehicle, NOW)
    route_waiting(pool, TERMS, now=NOW)
    (waiting,) = report(pool)
    early = replan_waiting(pool, TERMS, now=NOW + timedelta(minutes=1))
    seed.rows(pool, "UPDATE part_stock SET on_hand = 1 WHERE sku = 'TIRE-REPAIR-KIT' RETURNING 1")
    placed = replan_waiting(pool, TERMS, now=NOW + timedelta(minutes=10))

    (order,) = report(pool)
    assert (waiting["state"], waiting["station"]) == ("triaged", None)
    assert "without the part" in waiting["waiting_reason"]
    assert (early, placed) == (0, 1)
    assert (order["state"], order["waiting_reason"]) == ("offered", None)
    assert len(seed.rows(pool, "SELECT 1 FROM warnings")) == 2


def test_a_waiting_order_that_cannot_be_planned_stops_no_other_and_keeps_its_version(pool: Pool) -> None:
    seed.seed_vehicles(pool, 2)
    seed.rows(pool, "UPDATE part_stock SET on_hand = 0 WHERE sku = 'TIRE-REPAIR-KIT' RETURNING 1")
    for (vehicle,) in seed.rows(pool, "SELECT vehicle_id FROM vehicles"):
        seed.add_prediction(pool, vehicle, NOW)
    route_waiting(pool, TERMS, now=NOW)
    again = NOW + timedelta(minutes=10)
    versions = seed.rows(pool, "SELECT version FROM repair_orders")
    replan_waiting(pool, TERMS, now=again)

    assert seed.rows(pool, "SELECT version FROM repair_orders") == versions
    assert seed.rows(pool, "SELECT min(updated_at) FROM repair_orders") == [(again,)]

    seed.rows(pool, "UPDATE part_stock SET on_hand = 2 WHERE sku = 'TIRE-REPAIR-KIT' RETURNING 1")
    seed.rows(
        pool,
        "UPDATE vehicles SET time_zone = 'Mars/Olympus' WHERE vehicle_id ="
        " (SELECT vehicle_id FROM repair_orders ORDER BY order_id LIMIT 1) RETURNING 1",
    )
    placed = replan_waiting(pool, TERMS, now=again + timedelta(minutes=10))

    assert placed == 1
    assert [o["state"] for o in report(pool)] == ["triaged", "offered"]


def test_a_vehicle_that_never_told_where_it_is_waits(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool, home=None)
    seed.add_prediction(pool, vehicle, NOW)
    route_waiting(pool, TERMS, now=NOW)

    assert report(pool)[0]["waiting_reason"] == "neither position nor home of the vehicle is known"


def test_the_position_the_vehicle_sent_counts_before_the_owners_home(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.rows(
        pool,
        "INSERT INTO vehicle_latest (vehicle_id, family, time, received, is_hist, origin, readings)"
        " VALUES (%s, 'drive', now(), now(), false, 'real', %s) RETURNING 1",
        vehicle,
        json.dumps({"latitude": 30.5443, "longitude": 104.0668, "soc": 80.0}),
    )
    seed.add_prediction(pool, vehicle, NOW)
    route_waiting(pool, TERMS, now=NOW)

    (order,) = report(pool)
    assert (order["station"], order["is_distance_estimated"]) == ("CD-GAOXIN", False)


def test_expired_holds_are_free_for_the_next_order(pool: Pool) -> None:
    first, second = seed.seed_vehicles(pool, 2)
    seed.rows(pool, "UPDATE part_stock SET on_hand = 0 WHERE sku = 'TIRE-REPAIR-KIT' RETURNING 1")
    seed.rows(
        pool,
        "UPDATE part_stock SET on_hand = 1 WHERE sku = 'TIRE-REPAIR-KIT' AND station_id ="
        " (SELECT station_id FROM stations WHERE code = 'SH-ZHANGJIANG') RETURNING 1",
    )
    seed.add_prediction(pool, first, NOW)
    route_waiting(pool, TERMS, now=NOW)
    later = NOW + timedelta(minutes=16)
    seed.add_prediction(pool, second, later)
    route_waiting(pool, TERMS, now=later)

    states = seed.rows(pool, "SELECT order_id, state FROM bookings ORDER BY booking_id")
    assert [state for _, state in states] == ["released", "held"]
    assert seed.rows(pool, "SELECT sum(reserved) FROM part_stock") == [(1,)]


def test_a_prediction_of_an_unknown_mode_does_not_hold_up_the_others(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_prediction(pool, vehicle, NOW, failure_mode="from_the_future")
    seed.add_prediction(pool, vehicle, NOW)

    assert route_waiting(pool, TERMS, now=NOW).orders == 1


def test_a_vehicle_whose_data_break_the_decision_leaves_nothing_behind_and_stops_nobody(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_prediction(pool, vehicle, NOW)

    def half_done(desk: Desk) -> Routed:
        route_vehicles(desk, [vehicle], TERMS, now=NOW)
        raise ZeroDivisionError

    done = decide_for_vehicle(pool, vehicle, half_done, otherwise=Routed(lost=1))

    assert Routed(lost=1) == done
    assert seed.rows(pool, "SELECT count(*) FROM repair_orders") == [(0,)]
    assert seed.rows(pool, "SELECT count(*) FROM predictions WHERE routed_at IS NULL") == [(1,)]


def test_the_newest_alert_of_a_component_is_found_without_reading_all_alerts(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.rows(
        pool,
        "INSERT INTO alerts (tenant_id, vehicle_id, component, failure_mode, severity, state, first_seen,"
        " last_seen, origin, updated_at) SELECT tenant_id, %s, 'cell ' || n, 'cell_weak', 'S3', 'cleared',"
        " now(), now(), 'real', now() FROM tenants, generate_series(1, 5000) n RETURNING 1",
        vehicle,
    )
    subject = {"vehicle_ids": [vehicle], "components": ["cell 7"], "failure_modes": ["cell_weak"]}
    with transaction(pool) as connection:
        connection.execute("ANALYZE alerts")
        plan = connection.execute(
            "EXPLAIN " + load_queries("alerts")["fetch_latest_alerts"], subject
        ).fetchall()

    assert any("alerts_of_component" in line for (line,) in plan)


@pytest.mark.parametrize(
    "modes", [("insulation_loss", "motor_thermal"), ("motor_thermal", "insulation_loss")]
)
def test_a_component_with_an_order_for_another_cause_still_gets_its_warning(
    pool: Pool, modes: tuple[str, str]
) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    for hour, (mode, severity) in enumerate(zip(modes, ("S2", "S1"), strict=True)):
        now = NOW + timedelta(hours=hour)
        seed.add_prediction(pool, vehicle, now, component="motor 1", failure_mode=mode, severity=severity)
        assert route_waiting(pool, TERMS, now=now).lost == 0

    assert seed.rows(pool, "SELECT component, severity FROM repair_orders") == [("motor 1", "S1")]
    assert seed.rows(pool, "SELECT count(*) FROM alerts WHERE order_id IS NOT NULL") == [(2,)]
    assert seed.rows(pool, "SELECT count(*) FROM warnings WHERE severity = 'S1'") == [(1,)]

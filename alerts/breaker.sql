-- The circuit breaker: how much a predictor orders, and what waits for a person because of it.

-- fetch_open_trip --
-- Shared lock: a release waits for orders that are being added, and orders for a release.
SELECT trip_id FROM breaker_trips
WHERE tenant_id = %(tenant_id)s AND failure_mode = %(failure_mode)s AND model_version = %(model_version)s
  AND model_id = %(model_id)s AND released_at IS NULL
FOR SHARE;

-- lock_combination --
SELECT pg_advisory_xact_lock(%(lock)s, hashtext(%(key)s));

-- count_orders --
-- A person who has released has judged what came before.
SELECT count(*) FROM repair_orders o JOIN vehicles v USING (vehicle_id)
WHERE o.tenant_id = %(tenant_id)s AND o.failure_mode = %(failure_mode)s AND o.model_version = %(model_version)s
  AND v.model_id = %(model_id)s AND o.trip_id IS NULL AND o.replaces_id IS NULL
  AND o.opened_at > %(after)s
  AND o.opened_at >= coalesce((
      SELECT max(released_at) FROM breaker_trips t
      WHERE t.tenant_id = %(tenant_id)s AND t.failure_mode = %(failure_mode)s
        AND t.model_version = %(model_version)s AND t.model_id = %(model_id)s), '-infinity');

-- count_fleet --
SELECT count(*) FROM vehicles
WHERE tenant_id = %(tenant_id)s AND model_id = %(model_id)s AND retired_at IS NULL;

-- insert_trip --
INSERT INTO breaker_trips (tenant_id, failure_mode, model_version, model_id, tripped_at, order_count, order_limit)
VALUES (%(tenant_id)s, %(failure_mode)s, %(model_version)s, %(model_id)s, %(now)s, %(order_count)s, %(order_limit)s)
RETURNING trip_id;

-- lock_trip --
SELECT trip_id, failure_mode, model_version, model_id, released_at FROM breaker_trips
WHERE trip_id = %(trip_id)s AND tenant_id = %(tenant_id)s FOR UPDATE;

-- close_trip --
UPDATE breaker_trips SET released_at = %(now)s, released_by = %(actor)s, decision = %(decision)s, reason = %(reason)s
WHERE trip_id = %(trip_id)s;

-- let_orders_go --
WITH let_go AS (
    UPDATE repair_orders SET waiting_reason = %(let_go)s, version = version + 1, updated_at = %(now)s
    WHERE trip_id = %(trip_id)s AND state = 'triaged' AND waiting_reason = %(held)s RETURNING order_id
)
INSERT INTO order_events (order_id, at, actor, from_state, to_state, reason)
SELECT order_id, %(now)s, %(actor)s, 'triaged', 'triaged', %(let_go)s FROM let_go RETURNING order_id;

-- cancel_orders --
WITH cancelled AS (
    UPDATE repair_orders SET state = 'cancelled', waiting_reason = NULL, version = version + 1, updated_at = %(now)s
    WHERE trip_id = %(trip_id)s AND state = 'triaged' AND waiting_reason = %(held)s RETURNING order_id
)
INSERT INTO order_events (order_id, at, actor, from_state, to_state, reason)
SELECT order_id, %(now)s, %(actor)s, 'triaged', 'cancelled', %(reason)s FROM cancelled RETURNING order_id;

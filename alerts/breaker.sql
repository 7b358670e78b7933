-- The circuit breaker: how much a predictor orders, and what waits for a person because of it.

-- fetch_open_trips --
-- Shared lock: a release waits for orders that are being added, and orders for a release.
SELECT tenant_id, failure_mode, model_version, model_id, trip_id FROM breaker_trips
WHERE (tenant_id, failure_mode, model_version, model_id) IN (
          SELECT * FROM unnest(%(tenant_ids)s::int[], %(failure_modes)s::text[], %(model_versions)s::text[],
                               %(model_ids)s::text[]))
  AND released_at IS NULL
ORDER BY trip_id FOR SHARE;

-- lock_combinations --
-- In one order, whoever asks: nobody who holds one waits for somebody who waits for it.
SELECT pg_advisory_xact_lock(%(lock)s, hash)
FROM (SELECT DISTINCT hashtext(key) AS hash FROM unnest(%(keys)s::text[]) AS k (key) ORDER BY 1 OFFSET 0) sorted;

-- count_orders --
-- A person who has released has judged what came before.
SELECT c.tenant_id, c.failure_mode, c.model_version, c.model_id, (
    SELECT count(*) FROM repair_orders o JOIN vehicles v USING (vehicle_id)
    WHERE o.tenant_id = c.tenant_id AND o.failure_mode = c.failure_mode AND o.model_version = c.model_version
      AND v.model_id = c.model_id AND o.trip_id IS NULL AND o.replaces_id IS NULL
      AND o.opened_at > %(after)s
      AND o.opened_at >= coalesce((
          SELECT max(released_at) FROM breaker_trips t
          WHERE t.tenant_id = c.tenant_id AND t.failure_mode = c.failure_mode
            AND t.model_version = c.model_version AND t.model_id = c.model_id), '-infinity')) AS count
FROM unnest(%(tenant_ids)s::int[], %(failure_modes)s::text[], %(model_versions)s::text[], %(model_ids)s::text[])
     AS c (tenant_id, failure_mode, model_version, model_id);

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

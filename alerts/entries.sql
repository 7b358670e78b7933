-- Writing down what was decided, about one vehicle or about many: one statement for each table.

-- draw_alert_ids --
SELECT nextval(pg_get_serial_sequence('alerts', 'alert_id')) AS number FROM generate_series(1, %(count)s);

-- draw_order_ids --
SELECT nextval(pg_get_serial_sequence('repair_orders', 'order_id')) AS number FROM generate_series(1, %(count)s);

-- insert_orders --
INSERT INTO repair_orders (order_id, tenant_id, vehicle_id, component, cause, failure_mode, severity, state, deadline,
                           complaint, reasons, ttt_p10_h, ttt_p50_h, ttt_p90_h, origin, prediction_id,
                           idempotency_key, model_version, trip_id, waiting_reason, opened_at, updated_at)
OVERRIDING SYSTEM VALUE
SELECT order_id, tenant_id, vehicle_id, component, cause, failure_mode, severity, 'triaged', deadline, complaint,
       reasons::jsonb, p10, p50, p90, origin, prediction_id, idempotency_key, model_version, trip_id, waiting_reason,
       at, at
FROM unnest(%(order_id)s::bigint[], %(tenant_id)s::int[], %(vehicle_id)s::int[], %(component)s::text[],
            %(cause)s::text[], %(failure_mode)s::text[], %(severity)s::text[], %(deadline)s::timestamptz[],
            %(complaint)s::text[], %(reasons)s::text[], %(p10)s::real[], %(p50)s::real[], %(p90)s::real[],
            %(origin)s::text[], %(prediction_id)s::bigint[], %(idempotency_key)s::text[], %(model_version)s::text[],
            %(trip_id)s::bigint[], %(waiting_reason)s::text[], %(at)s::timestamptz[])
     AS n (order_id, tenant_id, vehicle_id, component, cause, failure_mode, severity, deadline, complaint, reasons, p10,
           p50, p90, origin, prediction_id, idempotency_key, model_version, trip_id, waiting_reason, at);

-- insert_alerts --
-- At most one that is not cleared per vehicle, component and failure mode (alerts_one_open).
INSERT INTO alerts (alert_id, tenant_id, vehicle_id, component, failure_mode, severity, state, first_seen, raised_at,
                    cleared_at, last_seen, quiet_since, occurrence_count, prediction_id, order_id, origin, updated_at)
OVERRIDING SYSTEM VALUE
SELECT * FROM unnest(%(alert_id)s::bigint[], %(tenant_id)s::int[], %(vehicle_id)s::int[], %(component)s::text[],
                     %(failure_mode)s::text[], %(severity)s::text[], %(state)s::text[], %(first_seen)s::timestamptz[],
                     %(raised_at)s::timestamptz[], %(cleared_at)s::timestamptz[], %(last_seen)s::timestamptz[],
                     %(quiet_since)s::timestamptz[], %(occurrence_count)s::int[], %(prediction_id)s::bigint[],
                     %(order_id)s::bigint[], %(origin)s::text[], %(at)s::timestamptz[]);

-- update_alerts --
UPDATE alerts a SET severity = n.severity, state = n.state, raised_at = n.raised_at, cleared_at = n.cleared_at,
    last_seen = n.last_seen, quiet_since = n.quiet_since, occurrence_count = n.occurrence_count,
    prediction_id = coalesce(n.prediction_id, a.prediction_id), order_id = n.order_id, updated_at = n.at
FROM unnest(%(alert_id)s::bigint[], %(severity)s::text[], %(state)s::text[], %(raised_at)s::timestamptz[],
            %(cleared_at)s::timestamptz[], %(last_seen)s::timestamptz[], %(quiet_since)s::timestamptz[],
            %(occurrence_count)s::int[], %(prediction_id)s::bigint[], %(order_id)s::bigint[], %(at)s::timestamptz[])
     AS n (alert_id, severity, state, raised_at, cleared_at, last_seen, quiet_since, occurrence_count, prediction_id,
           order_id, at)
WHERE a.alert_id = n.alert_id;

-- insert_alert_events --
INSERT INTO alert_events (alert_id, at, actor, from_state, to_state, reason)
SELECT * FROM unnest(%(subject_id)s::bigint[], %(at)s::timestamptz[], %(actor)s::text[], %(from_state)s::text[],
                     %(to_state)s::text[], %(reason)s::text[]);

-- insert_order_events --
INSERT INTO order_events (order_id, at, actor, from_state, to_state, reason)
SELECT * FROM unnest(%(subject_id)s::bigint[], %(at)s::timestamptz[], %(actor)s::text[], %(from_state)s::text[],
                     %(to_state)s::text[], %(reason)s::text[]);

-- announce --
SELECT pg_notify(%(channel)s, news) FROM unnest(%(news)s::text[]) AS n (news);

-- Statements of api/store.py. Every statement on a tenant's rows takes tenant_id; owner_id and station_id narrow it
-- further where the caller is bound to one. An owner sees their vehicles, from owner_since on: what is older belongs to
-- the owner before. Alerts that are still open belong to the vehicle. A station sees the orders given to it,
-- and a vehicle as long as one of its orders is open there.

-- fetch_schema_number --
SELECT max(number) FROM schema_migrations;

-- fetch_vehicles --
-- One row a vehicle: its model, the newest readings of each family, what is open. vin narrows to one vehicle,
-- after_rank and after name the last vehicle of the page before. The page is chosen before it is dressed.
WITH page AS (
    SELECT v.vehicle_id, v.vin, v.time_zone, v.firmware, v.in_service_on, v.owner_id, v.model_id, a.open_alerts,
        c.is_masked, CASE WHEN c.is_masked THEN left(v.plate, 2) || '•••' ELSE v.plate END AS plate,
        a.worst_severity, r.rank, CASE WHEN %(owner_id)s::int IS NOT NULL THEN v.owner_since END AS visible_since
    FROM vehicles v
    CROSS JOIN LATERAL (
        SELECT count(*) AS open_alerts, min(severity) AS worst_severity
        FROM alerts a WHERE a.vehicle_id = v.vehicle_id AND a.state IN ('open', 'acknowledged')
    ) a
    CROSS JOIN LATERAL (  -- a station sees personal data where this owner agreed to it for an order here
        SELECT %(station_id)s::int IS NOT NULL AND NOT EXISTS (
            SELECT FROM repair_orders o WHERE o.vehicle_id = v.vehicle_id AND o.station_id = %(station_id)s
                AND o.shares_data AND (v.owner_since IS NULL OR o.opened_at >= v.owner_since)
                AND o.state NOT IN ('closed', 'cancelled', 'declined', 'no_fault_found', 'paid')
        ) AS is_masked
    ) c
    CROSS JOIN LATERAL (
        SELECT CASE WHEN %(is_urgent_first)s THEN coalesce(a.worst_severity, 'none') ELSE '' END AS rank
    ) r
    WHERE v.tenant_id = %(tenant_id)s
        AND (%(owner_id)s::int IS NULL OR v.owner_id = %(owner_id)s)
        AND (%(station_id)s::int IS NULL OR EXISTS (
            SELECT FROM repair_orders o WHERE o.vehicle_id = v.vehicle_id AND o.station_id = %(station_id)s
                AND o.state NOT IN ('closed', 'cancelled', 'declined', 'no_fault_found', 'paid')))
        AND (%(vin)s::text IS NULL OR v.vin = %(vin)s)
        AND (%(after)s::text IS NULL OR (r.rank, v.vin) > (%(after_rank)s, %(after)s))
        AND (NOT %(only_alerts)s OR a.open_alerts > 0)
    ORDER BY r.rank, v.vin
    LIMIT %(limit)s
)
SELECT v.vehicle_id, v.vin, v.plate, v.is_masked, v.time_zone, v.firmware, v.in_service_on, v.owner_id, v.visible_since,
    m.model_id, m.name AS model_name, m.chemistry, m.cell_count, m.probe_count, m.capacity_ah, m.energy_kwh,
    m.wheels, m.placard_kpa,
    l.latest, v.open_alerts, v.worst_severity, v.rank, o.order_id, o.order_state,
    coalesce(s.is_online, false) AS is_online, coalesce(s.missing, 0) AS missing_messages
FROM page v
JOIN vehicle_models m USING (model_id)
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(family, jsonb_build_object('time', time, 'received', received, 'is_hist', is_hist,
        'live_time', live_time, 'origin', origin, 'readings', readings)) AS latest
    FROM vehicle_latest l WHERE l.vehicle_id = v.vehicle_id
        AND (v.visible_since IS NULL OR l.time >= v.visible_since)
) l ON true
LEFT JOIN LATERAL (
    SELECT order_id, state AS order_state FROM repair_orders o
    WHERE o.vehicle_id = v.vehicle_id
        AND o.state NOT IN ('closed', 'cancelled', 'declined', 'no_fault_found', 'paid')
        AND (v.visible_since IS NULL OR o.opened_at >= v.visible_since)
    ORDER BY severity, deadline LIMIT 1
) o ON true
LEFT JOIN LATERAL (
    SELECT bool_or(is_online) AS is_online,
        sum((SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(missing) AS r))::bigint AS missing
    FROM message_streams s WHERE s.vehicle_id = v.vehicle_id
) s ON true
ORDER BY v.rank, v.vin;

-- fetch_fleet_totals --
SELECT count(*) AS vehicles,
    count(*) FILTER (WHERE EXISTS (SELECT FROM alerts a WHERE a.vehicle_id = v.vehicle_id
        AND a.state IN ('open', 'acknowledged'))) AS with_alerts,
    count(*) FILTER (WHERE EXISTS (SELECT FROM repair_orders o WHERE o.vehicle_id = v.vehicle_id
        AND o.state NOT IN ('closed', 'cancelled', 'declined', 'no_fault_found', 'paid'))) AS with_orders,
    count(*) FILTER (WHERE EXISTS (SELECT FROM vehicle_latest l WHERE l.vehicle_id = v.vehicle_id
        AND l.live_time > %(now)s::timestamptz - interval '15 minutes')) AS live
FROM vehicles v WHERE v.tenant_id = %(tenant_id)s;

-- fetch_row_count --
-- At most limit rows are counted: enough to know whether the span must be thinned out.
SELECT count(*) FROM (
    SELECT FROM {table} WHERE vehicle_id = %(vehicle_id)s AND time BETWEEN %(since)s AND %(until)s LIMIT %(limit)s
) AS few;

-- fetch_drive_buckets --
SELECT min(time) AS time, count(*) AS samples, {columns}
FROM drive_readings
WHERE vehicle_id = %(vehicle_id)s AND time BETWEEN %(since)s AND %(until)s
GROUP BY date_bin(%(stride)s, time, %(since)s) ORDER BY 1;

-- fetch_tire_buckets --
SELECT date_bin(%(stride)s, r.time, %(since)s) AS bucket, min(r.time) AS time, u.wheel::int AS wheel,
    avg(u.pressure) AS pressure, min(u.pressure) AS pressure_low, max(u.pressure) AS pressure_high,
    avg(u.temperature) AS temperature, min(u.temperature) AS temperature_low, max(u.temperature) AS temperature_high
FROM tire_readings r, unnest(r.pressure, r.temperature) WITH ORDINALITY AS u (pressure, temperature, wheel)
WHERE r.vehicle_id = %(vehicle_id)s AND r.time BETWEEN %(since)s AND %(until)s
GROUP BY 1, 3 ORDER BY 1, 3;

-- fetch_cell_samples --
-- One real sample of each bucket, never a mean: cells of different instants are not comparable.
WITH picked AS (
    SELECT min(time) AS time FROM cell_readings
    WHERE vehicle_id = %(vehicle_id)s AND time BETWEEN %(since)s AND %(until)s AND first_cell = 1
    GROUP BY date_bin(%(stride)s, time, %(since)s)
)
SELECT c.time, c.sub_pack, c.first_cell, c.voltage_mv, c.temperature_ddegc
FROM picked JOIN cell_readings c ON c.vehicle_id = %(vehicle_id)s AND c.time = picked.time
    AND c.time BETWEEN %(since)s AND %(until)s -- as constants, so that other days are not looked into
ORDER BY c.time, c.sub_pack, c.first_cell;

-- fetch_signal_count --
SELECT count(DISTINCT signal) FROM signal_readings
WHERE vehicle_id = %(vehicle_id)s AND time BETWEEN %(since)s AND %(until)s
    AND (%(signals)s::text[] IS NULL OR signal = ANY (%(signals)s));

-- fetch_signal_buckets --
-- All signals of a bucket have one time.
SELECT signal, min(min(time)) OVER (PARTITION BY date_bin(%(stride)s, time, %(since)s)) AS time,
    avg(value) AS value, min(value) AS low, max(value) AS high
FROM signal_readings
WHERE vehicle_id = %(vehicle_id)s AND time BETWEEN %(since)s AND %(until)s
    AND (%(signals)s::text[] IS NULL OR signal = ANY (%(signals)s))
GROUP BY signal, date_bin(%(stride)s, time, %(since)s) ORDER BY 2, 1;

-- fetch_event_rows --
-- The number of the SIM card says whose telephone contract it is: masked with the rest.
SELECT time, kind, source, level, code, CASE WHEN %(is_masked)s THEN data - 'iccid' ELSE data END AS data, is_hist,
    sent, received
FROM vehicle_events
WHERE vehicle_id = %(vehicle_id)s AND (%(until)s::timestamptz IS NULL OR time < %(until)s)
    AND (%(since)s::timestamptz IS NULL OR time >= %(since)s)
    AND kind NOT IN ('oem_block', 'signature')  -- bytes kept for whoever can read them
ORDER BY time DESC LIMIT %(limit)s;

-- fetch_streams --
SELECT boot, origin, high, received_count, duplicate_count, repaired_count, first_received, last_received,
    first_time, last_time, is_online, resend_requested_at, resend_count,
    (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(missing) AS r)::bigint AS missing_count,
    (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(given_up) AS r)::bigint AS given_up_count,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(lower(r), upper(r) - 1)), '[]')
        FROM (SELECT r FROM unnest(missing) AS r LIMIT 200) AS few) AS missing,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(lower(r), upper(r) - 1)), '[]')
        FROM (SELECT r FROM unnest(given_up) AS r LIMIT 200) AS few) AS given_up
FROM message_streams WHERE vehicle_id = %(vehicle_id)s
ORDER BY last_received DESC LIMIT %(limit)s;

-- fetch_quality --
-- What the checks found at a vehicle since a day, the most frequent first. What stands still, is held or comes from a
-- clock that is off was kept; the rest became missing.
SELECT signal, element, reason, reason NOT IN ('stuck', 'held', 'offset') AS is_masked, sum(count)::bigint AS count,
    min(first_received) AS first_received, max(last_received) AS last_received,
    jsonb_agg(jsonb_build_object('day', day, 'count', count) ORDER BY day) AS days
FROM quality_counts WHERE vehicle_id = %(vehicle_id)s AND day >= %(since)s
GROUP BY signal, element, reason ORDER BY count DESC, signal, element, reason LIMIT %(limit)s;

-- fetch_clock --
SELECT offset_s, is_off, observed_at FROM vehicle_clocks WHERE vehicle_id = %(vehicle_id)s;

-- fetch_predictions --
-- is_newest: of its vehicle, component and failure mode; asked row by row, so that a page reads no history.
WITH page AS (
    SELECT p.*, v.vin
    FROM predictions p JOIN vehicles v USING (vehicle_id)
    WHERE v.tenant_id = %(tenant_id)s
        AND (%(vehicle_id)s::int IS NULL OR p.vehicle_id = %(vehicle_id)s)
        AND (%(prediction_id)s::bigint IS NULL OR p.prediction_id = %(prediction_id)s)
        AND p.probability >= %(at_least)s
        AND (%(owner_id)s::int IS NULL OR v.owner_id = %(owner_id)s)
        AND (%(owner_id)s::int IS NULL OR v.owner_since IS NULL OR p.data_time >= v.owner_since)
        AND (%(station_id)s::int IS NULL OR EXISTS (
            SELECT FROM repair_orders o WHERE o.vehicle_id = v.vehicle_id AND o.station_id = %(station_id)s
                AND o.state NOT IN ('closed', 'cancelled', 'declined', 'no_fault_found', 'paid')))
        AND (%(after)s::bigint IS NULL OR p.prediction_id < %(after)s)
        AND (NOT %(only_newest)s OR NOT EXISTS (
            SELECT FROM predictions n WHERE n.vehicle_id = p.vehicle_id AND n.component = p.component
                AND n.failure_mode = p.failure_mode
                AND (n.data_time, n.prediction_id) > (p.data_time, p.prediction_id)))
    ORDER BY p.prediction_id DESC LIMIT %(limit)s
)
SELECT page.*, prediction_id = (
    SELECT n.prediction_id FROM predictions n WHERE n.vehicle_id = page.vehicle_id
        AND n.component = page.component AND n.failure_mode = page.failure_mode
    ORDER BY n.data_time DESC, n.prediction_id DESC LIMIT 1) AS is_newest
FROM page ORDER BY prediction_id DESC;

-- fetch_alerts --
SELECT a.alert_id, v.vin, CASE WHEN %(station_id)s::int IS NULL OR EXISTS (
        SELECT FROM repair_orders o WHERE o.order_id = a.order_id AND o.shares_data
            AND (v.owner_since IS NULL OR o.opened_at >= v.owner_since))
        THEN v.plate ELSE left(v.plate, 2) || '•••' END AS plate, a.component, a.failure_mode, a.severity, a.state,
    a.first_seen, a.raised_at, a.cleared_at, a.last_seen, a.occurrence_count, a.prediction_id, a.order_id, a.origin,
    a.updated_at, p.probability, p.ttt_p10_h, p.ttt_p50_h, p.ttt_p90_h, p.reasons, p.model_version
FROM alerts a JOIN vehicles v USING (vehicle_id)
LEFT JOIN predictions p ON p.prediction_id = a.prediction_id
WHERE v.tenant_id = %(tenant_id)s
    AND (%(vehicle_id)s::int IS NULL OR a.vehicle_id = %(vehicle_id)s)
    AND (%(owner_id)s::int IS NULL OR v.owner_id = %(owner_id)s)
    AND (%(owner_id)s::int IS NULL OR v.owner_since IS NULL OR a.state <> 'cleared'
        OR a.first_seen >= v.owner_since)
    AND (%(station_id)s::int IS NULL OR EXISTS (
        SELECT FROM repair_orders o WHERE o.order_id = a.order_id AND o.station_id = %(station_id)s))
    AND (NOT %(only_open)s OR a.state IN ('open', 'acknowledged'))
    AND (%(alert_id)s::bigint IS NULL OR a.alert_id = %(alert_id)s)
    AND (%(after)s::bigint IS NULL OR a.alert_id < %(after)s)
ORDER BY a.alert_id DESC LIMIT %(limit)s;

-- fetch_orders --
-- By urgency: severity, then deadline. after_* is the last order of the page before. What a former owner agreed to
-- says nothing of the owner after.
SELECT o.order_id, v.vin, v.time_zone AS vehicle_time_zone, m.name AS model_name, c.shares_data,
    CASE WHEN %(station_id)s::int IS NULL OR c.shares_data THEN v.plate ELSE left(v.plate, 2) || '•••' END AS plate,
    CASE WHEN %(station_id)s::int IS NULL OR c.shares_data THEN w.name ELSE left(w.name, 1) || '•••' END AS owner_name,
    o.component, o.failure_mode, o.severity, o.state, o.version, o.mode, o.station_id, s.code AS station_code,
    s.name_en AS station_name_en, s.name_zh AS station_name_zh, s.city, s.address, s.lat AS station_lat,
    s.lon AS station_lon, s.has_hv_certificate, coalesce(s.time_zone, v.time_zone) AS time_zone,
    o.distance_km, o.is_distance_estimated, b.name AS bay, t.name AS technician, t.skills,
    lower(o.slot) AS slot_start, upper(o.slot) AS slot_end, o.deadline, o.complaint, o.currency, o.total,
    o.customer_total, o.reasons,
    o.ttt_p10_h, o.ttt_p50_h, o.ttt_p90_h, o.passed_over, o.waiting_reason, o.origin, o.prediction_id,
    o.owner_answer, o.opened_at, o.updated_at,
    p.model_version, p.data_time, p.probability,
    coalesce(parts.list, '[]') AS parts
FROM repair_orders o
JOIN vehicles v USING (vehicle_id)
JOIN vehicle_models m USING (model_id)
LEFT JOIN owners w ON w.owner_id = v.owner_id
LEFT JOIN stations s ON s.station_id = o.station_id
LEFT JOIN bays b ON b.bay_id = o.bay_id
LEFT JOIN technicians t ON t.technician_id = o.technician_id
LEFT JOIN predictions p ON p.prediction_id = o.prediction_id
CROSS JOIN LATERAL (
    SELECT o.shares_data AND (v.owner_since IS NULL OR o.opened_at >= v.owner_since) AS shares_data
) c
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('sku', r.sku, 'name_en', c.name_en, 'name_zh', c.name_zh, 'qty', r.qty,
        'state', r.state) ORDER BY r.sku) AS list
    FROM part_reservations r JOIN parts c ON c.tenant_id = o.tenant_id AND c.sku = r.sku
    WHERE r.order_id = o.order_id
) parts ON true
WHERE o.tenant_id = %(tenant_id)s
    AND (%(order_id)s::bigint IS NULL OR o.order_id = %(order_id)s)
    AND (%(vehicle_id)s::int IS NULL OR o.vehicle_id = %(vehicle_id)s)
    AND (%(owner_id)s::int IS NULL OR v.owner_id = %(owner_id)s)
    AND (%(owner_id)s::int IS NULL OR v.owner_since IS NULL OR o.opened_at >= v.owner_since)
    -- what the circuit breaker holds back is no news for an owner
    AND (%(owner_id)s::int IS NULL OR o.trip_id IS NULL OR o.station_id IS NOT NULL OR o.state <> 'triaged')
    AND (%(station_id)s::int IS NULL OR o.station_id = %(station_id)s)
    AND (NOT %(only_open)s OR o.state NOT IN ('closed', 'cancelled', 'declined', 'no_fault_found', 'paid'))
    AND (%(after_id)s::bigint IS NULL
        OR (o.severity, o.deadline, o.order_id) > (%(after_severity)s, %(after_deadline)s, %(after_id)s))
ORDER BY o.severity, o.deadline, o.order_id LIMIT %(limit)s;

-- fetch_order_lines --
SELECT line, kind, code, text_en, text_zh, qty, unit_price, amount, payer, payer_en, payer_zh FROM order_lines
WHERE order_id = %(order_id)s ORDER BY line;

-- fetch_order_events --
SELECT at, actor, from_state, to_state, reason FROM order_events WHERE order_id = %(order_id)s ORDER BY event_id;

-- fetch_order_bookings --
SELECT b.name AS bay, t.name AS technician, lower(k.slot) AS slot_start, upper(k.slot) AS slot_end, k.state,
    k.expires_at
FROM bookings k LEFT JOIN bays b USING (bay_id) LEFT JOIN technicians t ON t.technician_id = k.technician_id
WHERE k.order_id = %(order_id)s ORDER BY k.booking_id;

-- fetch_stations --
SELECT s.station_id, s.code, s.name_en, s.name_zh, s.city, s.address, s.lat, s.lon, s.time_zone,
    s.has_hv_certificate, s.labour_rate, s.currency, s.is_active,
    (SELECT count(*) FROM repair_orders o WHERE o.station_id = s.station_id
        AND o.state NOT IN ('closed', 'cancelled', 'declined', 'no_fault_found', 'paid')) AS open_orders,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('bay_id', bay_id, 'name', name, 'kinds', kinds, 'is_open', is_open)
        ORDER BY name), '[]') FROM bays b WHERE b.station_id = s.station_id) AS bays,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('technician_id', technician_id, 'name', name, 'skills', skills,
        'is_active', is_active) ORDER BY name), '[]') FROM technicians t WHERE t.station_id = s.station_id) AS technicians,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('sku', k.sku, 'name_en', c.name_en, 'name_zh', c.name_zh,
        'on_hand', k.on_hand, 'reserved', k.reserved, 'unit_price', c.unit_price) ORDER BY k.sku), '[]')
        FROM part_stock k JOIN parts c ON c.tenant_id = s.tenant_id AND c.sku = k.sku
        WHERE k.station_id = s.station_id) AS stock,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('weekday', weekday, 'opens', opens, 'closes', closes)
        ORDER BY weekday, opens), '[]') FROM station_hours h WHERE h.station_id = s.station_id) AS hours
FROM stations s
WHERE s.tenant_id = %(tenant_id)s
    AND (%(station_id)s::int IS NULL OR s.station_id = %(station_id)s)
    AND (%(code)s::text IS NULL OR s.code = %(code)s)
    AND (%(after)s::text IS NULL OR s.code > %(after)s)
ORDER BY s.code LIMIT %(limit)s;

-- fetch_rejects --
-- A message whose topic named no tenant is everyone's to explain; its bytes stay in the database.
SELECT r.reject_id, r.received, r.tenant, r.vin, r.topic, r.reason, r.detail, length(r.payload) AS payload_bytes,
    r.is_retryable, r.retried_at, r.seen_count
FROM rejects r
WHERE (r.tenant IS NULL OR r.tenant = (SELECT name FROM tenants WHERE tenant_id = %(tenant_id)s))
    AND (%(reason)s::text IS NULL OR r.reason = %(reason)s)
    AND (%(after)s::bigint IS NULL OR r.reject_id < %(after)s)
ORDER BY r.reject_id DESC LIMIT %(limit)s;

-- fetch_reject_counts --
SELECT r.reason, count(*) AS rejects, sum(r.seen_count)::bigint AS messages, max(r.received) AS last_received,
    count(*) FILTER (WHERE r.is_retryable AND r.retried_at IS NULL) AS retryable
FROM rejects r
WHERE r.tenant IS NULL OR r.tenant = (SELECT name FROM tenants WHERE tenant_id = %(tenant_id)s)
GROUP BY r.reason ORDER BY 2 DESC, 1;

-- fetch_warnings --
SELECT w.warning_id, v.vin, w.alert_id, w.order_id, w.severity, w.title_en, w.title_zh, w.body_en, w.body_zh,
    w.created_at, w.acknowledged_at, w.acknowledged_by, w.desk_at, w.superseded_by,
    CASE WHEN w.step = 0 THEN w.next_step_at END AS held_until,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('channel', d.channel, 'audience', d.audience, 'state', d.state, 'attempts', d.attempts,
        'sent_at', d.sent_at, 'received_at', d.received_at) ORDER BY d.delivery_id), '[]')
        FROM deliveries d WHERE d.warning_id = w.warning_id) AS deliveries
FROM warnings w JOIN vehicles v USING (vehicle_id)
WHERE w.tenant_id = %(tenant_id)s
    AND (%(owner_id)s::int IS NULL OR v.owner_id = %(owner_id)s)
    AND (%(owner_id)s::int IS NULL OR v.owner_since IS NULL OR w.created_at >= v.owner_since)
    AND (%(vehicle_id)s::int IS NULL OR w.vehicle_id = %(vehicle_id)s)
    AND (%(warning_id)s::uuid IS NULL OR w.warning_id = %(warning_id)s)
    AND (%(before)s::timestamptz IS NULL OR (w.created_at, w.warning_id) < (%(before)s, %(before_id)s::uuid))
ORDER BY w.created_at DESC, w.warning_id DESC LIMIT %(limit)s;

-- upsert_subscription --
-- An endpoint belongs to one browser: whoever is logged in there now gets the warnings.
INSERT INTO push_subscriptions (owner_id, endpoint, p256dh, auth, created_at)
VALUES (%(owner_id)s, %(endpoint)s, %(p256dh)s, %(auth)s, %(now)s)
ON CONFLICT (endpoint) DO UPDATE SET owner_id = excluded.owner_id, p256dh = excluded.p256dh,
    auth = excluded.auth, gone_at = NULL
RETURNING subscription_id;

-- delete_subscription --
DELETE FROM push_subscriptions WHERE owner_id = %(owner_id)s AND endpoint = %(endpoint)s;

-- fetch_scope_order --
SELECT o.tenant_id, v.owner_id, o.station_id FROM repair_orders o JOIN vehicles v USING (vehicle_id)
WHERE o.order_id = %(id)s::bigint;

-- fetch_scope_alert --
SELECT a.tenant_id, v.owner_id, o.station_id FROM alerts a JOIN vehicles v USING (vehicle_id)
LEFT JOIN repair_orders o ON o.order_id = a.order_id WHERE a.alert_id = %(id)s::bigint;

-- fetch_scope_warning --
SELECT w.tenant_id, v.owner_id, NULL::int AS station_id FROM warnings w JOIN vehicles v USING (vehicle_id)
WHERE w.warning_id = %(id)s::uuid;

-- fetch_scope_prediction --
SELECT v.tenant_id, v.owner_id, NULL::int AS station_id FROM predictions p JOIN vehicles v USING (vehicle_id)
WHERE p.prediction_id = %(id)s::bigint;

-- fetch_touched_vehicles --
-- Vehicles that batches after a cursor touched, with whom they belong to.
SELECT v.tenant_id, v.owner_id, v.vin,
    array(SELECT DISTINCT o.station_id FROM repair_orders o WHERE o.vehicle_id = v.vehicle_id
        AND o.station_id IS NOT NULL
        AND o.state NOT IN ('closed', 'cancelled', 'declined', 'no_fault_found', 'paid')) AS station_ids
FROM vehicles v
WHERE v.vehicle_id IN (SELECT DISTINCT unnest(vehicle_ids) FROM ingest_batches
    WHERE batch_id > %(after)s AND batch_id <= %(until)s);

-- fetch_last_batch --
SELECT coalesce(max(batch_id), 0) FROM ingest_batches;

-- fetch_totals --
-- Gauges for /metrics, over all tenants.
SELECT
    (SELECT count(*) FROM vehicles) AS vehicles,
    (SELECT count(*) FROM repair_orders
        WHERE state NOT IN ('closed', 'cancelled', 'declined', 'no_fault_found', 'paid')) AS open_orders,
    (SELECT count(*) FROM alerts WHERE state IN ('open', 'acknowledged')) AS open_alerts,
    (SELECT count(*) FROM breaker_trips WHERE released_at IS NULL) AS open_breaker_trips,
    (SELECT count(DISTINCT vehicle_id) FROM scoring_failures) AS vehicles_with_scoring_failures,
    (SELECT count(*) FROM feature_drift WHERE is_drifted) AS drifted_features,
    (SELECT count(*) FROM model_artefacts WHERE state = 'champion') AS champion_artefacts,
    (SELECT count(*) FROM deliveries WHERE state = 'pending') AS pending_deliveries,
    (SELECT count(*) FROM predictions WHERE routed_at IS NULL) AS unrouted_predictions,
    (SELECT count(*) FROM rejects) AS rejects,
    (SELECT coalesce(sum(upper(r) - lower(r)), 0)
        FROM message_streams, unnest(missing) AS r WHERE missing <> '{}')::bigint AS missing_messages,
    (SELECT coalesce(max(batch_id), 0) FROM ingest_batches) AS last_batch;

-- fetch_breaker_trips --
SELECT t.trip_id, t.failure_mode, t.model_version, t.model_id, t.tripped_at, t.order_count, t.order_limit,
       (SELECT count(*) FROM repair_orders o
        WHERE o.trip_id = t.trip_id AND o.state = 'triaged' AND t.released_at IS NULL) AS waiting_orders,
       t.released_at, t.released_by, t.decision, t.reason
FROM breaker_trips t WHERE t.tenant_id = %(tenant_id)s
ORDER BY (t.released_at IS NOT NULL), t.trip_id DESC LIMIT 500;

-- fetch_predictors --
-- A version that is not named itself follows the mode of all versions; live where nothing was ever set.
SELECT k.failure_mode, k.model_version, coalesce(m.mode, 'live') AS mode, m.at, m.actor, m.reason,
       count(s.shadow_id) AS shadow_alerts,
       count(s.shadow_id) FILTER (WHERE EXISTS (
           SELECT FROM alerts a
           WHERE a.vehicle_id = s.vehicle_id AND a.component = s.component AND a.failure_mode = s.failure_mode
             AND a.raised_at IS NOT NULL AND a.first_seen <= coalesce(s.cleared_at, 'infinity')
             AND coalesce(a.cleared_at, 'infinity') >= s.first_seen)) AS shared_alerts
FROM (SELECT failure_mode, model_version FROM predictor_modes WHERE tenant_id = %(tenant_id)s
      UNION
      SELECT failure_mode, model_version FROM shadow_alerts WHERE tenant_id = %(tenant_id)s) k
LEFT JOIN LATERAL (
    SELECT mode, at, actor, reason FROM predictor_modes p
    WHERE p.tenant_id = %(tenant_id)s AND p.failure_mode = k.failure_mode AND p.model_version IN (k.model_version, '*')
    ORDER BY (p.model_version = '*' AND k.model_version <> '*'), mode_id DESC LIMIT 1) m ON true
LEFT JOIN shadow_alerts s ON s.tenant_id = %(tenant_id)s AND s.failure_mode = k.failure_mode
    AND s.model_version = k.model_version AND s.raised_at IS NOT NULL
GROUP BY k.failure_mode, k.model_version, m.mode, m.at, m.actor, m.reason
ORDER BY k.failure_mode, k.model_version LIMIT 1000;

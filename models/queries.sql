-- fetch_cursor --
SELECT batch_id FROM service_cursors WHERE service = %(service)s AND partition = %(partition)s;

-- create_cursor --
INSERT INTO service_cursors (service, partition, batch_id) VALUES (%(service)s, %(partition)s, %(batch_id)s)
ON CONFLICT (service, partition) DO NOTHING;

-- move_cursor --
-- Fails (no row) where another process has moved it: that one owns the partition now.
UPDATE service_cursors SET batch_id = %(to)s, updated_at = clock_timestamp()
WHERE service = %(service)s AND partition = %(partition)s AND batch_id = %(from)s;

-- fetch_batches --
SELECT batch_id, vehicle_ids, vehicle_families, time_from, time_to, has_live
FROM ingest_batches WHERE batch_id > %(after)s ORDER BY batch_id LIMIT %(limit)s;

-- fetch_last_batch --
SELECT coalesce(max(batch_id), 0) FROM ingest_batches;

-- fetch_specs --
SELECT v.vehicle_id, m.model_id, m.chemistry, m.cell_count, m.probe_count, m.capacity_ah::float8, m.wheels,
       m.placard_kpa::float8[], v.time_zone
FROM vehicles v JOIN vehicle_models m USING (model_id)
WHERE v.vehicle_id = ANY (%(vehicle_ids)s);

-- fetch_states --
-- Newest live sample and where a vehicle's data come from: the least real of what it has sent.
SELECT v.vehicle_id,
       (SELECT max(l.live_time) FROM vehicle_latest l WHERE l.vehicle_id = v.vehicle_id) AS live_time,
       (SELECT l.live_time FROM vehicle_latest l WHERE l.vehicle_id = v.vehicle_id AND l.family = 'tire'),
       coalesce((SELECT s.origin FROM message_streams s WHERE s.vehicle_id = v.vehicle_id
                 ORDER BY array_position(ARRAY['simulated', 'replayed', 'real'], s.origin) LIMIT 1), 'real') AS origin
FROM vehicles v WHERE v.vehicle_id = ANY (%(vehicle_ids)s);

-- copy_rows --
COPY (
    SELECT {columns} FROM {table}
    WHERE vehicle_id = %(vehicle_id)s AND time >= %(begin)s AND time < %(end)s
    ORDER BY time
) TO STDOUT (FORMAT binary);

-- fetch_longest_frame --
SELECT max(cardinality(voltage_mv)) FROM cell_readings
WHERE vehicle_id = %(vehicle_id)s AND time >= %(begin)s AND time < %(end)s AND sub_pack = 1;

-- copy_cell_rows --
-- The first row of each frame and 10 s, as rows.thinned takes them.
COPY (
    SELECT {columns} FROM (
        SELECT DISTINCT ON (date_bin('10 seconds', time, '1970-01-01Z'), first_cell) *
        FROM cell_readings
        WHERE vehicle_id = %(vehicle_id)s AND time >= %(begin)s AND time < %(end)s AND sub_pack = 1
          AND first_cell > 0
        ORDER BY date_bin('10 seconds', time, '1970-01-01Z'), first_cell, time) AS thinned
    ORDER BY time, first_cell
) TO STDOUT (FORMAT binary);

-- copy_recent_rows --
-- New rows of many vehicles for the live watch, every frame of cells.
COPY (
    SELECT {columns} FROM {table}
    WHERE vehicle_id = ANY (%(vehicle_ids)s) AND time >= %(begin)s AND time < %(end)s {part}
    ORDER BY vehicle_id, time
) TO STDOUT (FORMAT binary);

-- copy_thinned_rows --
-- The first row of each vehicle and minute: what a live rule with a long memory is built from.
COPY (
    SELECT DISTINCT ON (vehicle_id, date_bin('1 minute', time, 'epoch')) {columns} FROM {table}
    WHERE vehicle_id = ANY (%(vehicle_ids)s) AND time >= %(begin)s AND time < %(end)s {part}
    ORDER BY vehicle_id, date_bin('1 minute', time, 'epoch'), time
) TO STDOUT (FORMAT binary);

-- upsert_day --
INSERT INTO day_features (vehicle_id, feature_set, day, version, first_time, last_time, value)
VALUES (%(vehicle_id)s, %(feature_set)s, %(day)s, %(version)s, %(first_time)s, %(last_time)s, %(value)s)
ON CONFLICT (vehicle_id, feature_set, day) DO UPDATE
SET version = excluded.version, first_time = excluded.first_time, last_time = excluded.last_time,
    value = excluded.value
WHERE (day_features.version, day_features.first_time, day_features.last_time, day_features.value)
      IS DISTINCT FROM (excluded.version, excluded.first_time, excluded.last_time, excluded.value);

-- fetch_known_days --
-- Which of some days of some vehicles have something of which set, parallel arrays.
SELECT d.vehicle_id, d.feature_set, d.day - date '1970-01-01'
FROM unnest(%(vehicle_ids)s::int[], %(days)s::int[]) AS w (vehicle_id, day)
JOIN day_features d ON d.vehicle_id = w.vehicle_id AND d.day = date '1970-01-01' + w.day;

-- fetch_stale_days --
-- Days of a vehicle that some set has not been computed for in its present version, newest first. Every set has a row
-- for each day that any of them has been computed for.
SELECT d.day, array_agg(s.name ORDER BY s.name)
FROM (SELECT day - date '1970-01-01' AS day, max(day - date '1970-01-01') OVER () AS newest
      FROM day_features WHERE vehicle_id = %(vehicle_id)s GROUP BY day) d
CROSS JOIN unnest(%(names)s::text[], %(versions)s::int[], %(histories)s::int[]) AS s (name, version, history)
LEFT JOIN day_features f ON f.vehicle_id = %(vehicle_id)s AND f.feature_set = s.name
      AND f.day = date '1970-01-01' + d.day
WHERE d.day > d.newest - s.history AND f.version IS DISTINCT FROM s.version
GROUP BY d.day ORDER BY d.day DESC LIMIT %(limit)s;

-- copy_days --
-- Each vehicle's last days that have something, counted from its newest.
COPY (
    SELECT v.vehicle_id, d.day - date '1970-01-01', d.first_time, d.last_time, d.value
    FROM unnest(%(vehicle_ids)s::int[]) AS v (vehicle_id)
    CROSS JOIN LATERAL (SELECT day FROM day_features n
        WHERE n.vehicle_id = v.vehicle_id AND n.feature_set = %(feature_set)s AND n.version = %(version)s
          AND cardinality(n.value) = %(width)s
        ORDER BY day DESC LIMIT 1) AS newest
    JOIN day_features d ON d.vehicle_id = v.vehicle_id AND d.feature_set = %(feature_set)s
        AND d.day > newest.day - %(history)s
    WHERE d.version = %(version)s AND cardinality(d.value) = %(width)s
    ORDER BY v.vehicle_id, d.day
) TO STDOUT (FORMAT binary);

-- fetch_off --
-- Predictors that are switched off for some vehicles' owners; version '*': all that are not named themselves.
SELECT v.vehicle_id, p.failure_mode, p.model_version, p.mode
FROM vehicles v JOIN (
    SELECT DISTINCT ON (tenant_id, failure_mode, model_version) tenant_id, failure_mode, model_version, mode
    FROM predictor_modes ORDER BY tenant_id, failure_mode, model_version, mode_id DESC) p USING (tenant_id)
WHERE v.vehicle_id = ANY (%(vehicle_ids)s);

-- fetch_repairs --
-- When which component was last repaired: that of the order, and those whose alerts joined it.
SELECT o.vehicle_id, c.component, max(o.repaired_at)
FROM repair_orders o
CROSS JOIN LATERAL (SELECT o.component UNION SELECT a.component FROM alerts a WHERE a.order_id = o.order_id) c
WHERE o.vehicle_id = ANY (%(vehicle_ids)s) AND o.repaired_at IS NOT NULL
GROUP BY 1, 2;

-- fetch_open_alerts --
-- Components that are told of until their alert has ended.
SELECT vehicle_id, failure_mode, component FROM alerts
WHERE vehicle_id = ANY (%(vehicle_ids)s) AND state <> 'cleared';

-- fetch_newest_predictions --
SELECT DISTINCT ON (vehicle_id, failure_mode, model_version, component)
       vehicle_id, model_version, component, probability, data_time, is_fresh
FROM predictions WHERE vehicle_id = ANY (%(vehicle_ids)s) AND model_version = ANY (%(versions)s)
ORDER BY vehicle_id, failure_mode, model_version, component, data_time DESC, prediction_id DESC;

-- upsert_failure --
INSERT INTO scoring_failures (vehicle_id, part, error, first_at, last_at)
VALUES (%(vehicle_id)s, %(part)s, %(error)s, %(now)s, %(now)s)
ON CONFLICT (vehicle_id, part) DO UPDATE
SET error = excluded.error, last_at = excluded.last_at, count = scoring_failures.count + 1;

-- delete_failures --
-- Of vehicles that were scored, what did not fail this time.
DELETE FROM scoring_failures f
WHERE vehicle_id = ANY (%(vehicle_ids)s)
  AND NOT EXISTS (SELECT FROM unnest(%(failed_ids)s::int[], %(parts)s::text[]) AS n (vehicle_id, part)
                  WHERE n.vehicle_id = f.vehicle_id AND n.part = f.part);

-- fetch_likely_components --
-- Components whose newest prediction of a failure mode was likely: they are told of until they no longer are.
SELECT vehicle_id, failure_mode, component FROM (
    SELECT DISTINCT ON (vehicle_id, failure_mode, component) vehicle_id, failure_mode, component, probability
    FROM predictions WHERE vehicle_id = ANY (%(vehicle_ids)s) AND failure_mode = ANY (%(failure_modes)s)
    ORDER BY vehicle_id, failure_mode, component, data_time DESC, prediction_id DESC
) AS newest WHERE probability >= %(level)s;

-- insert_prediction --
-- The same data time again (late rows, a live sample behind it now) corrects the row and offers it anew.
-- A component that was healthy and still is needs one row a day, not one for every scoring; vehicle_scores has
-- the newest word on it.
INSERT INTO predictions (vehicle_id, component, failure_mode, severity, probability, horizon_h, ttt_p10_h, ttt_p50_h,
                         ttt_p90_h, predicted_at, data_time, since, window_from, window_to, reasons, evidence,
                         model_version, origin, is_fresh, calibrated, p_value, is_tail)
SELECT %(vehicle_id)s, %(component)s, %(failure_mode)s, %(severity)s, %(probability)s, %(horizon_h)s, %(p10)s,
       %(p50)s, %(p90)s, %(predicted_at)s, %(data_time)s::timestamptz, %(since)s, %(window_from)s, %(window_to)s,
       %(reasons)s, %(evidence)s, %(model_version)s, %(origin)s, %(is_fresh)s,
       %(calibrated)s, %(p_value)s, %(is_tail)s
WHERE %(probability)s >= %(tell_level)s OR NOT coalesce(
    (SELECT p.probability < %(tell_level)s AND p.data_time > %(data_time)s::timestamptz - interval '1 day'
            AND p.is_fresh = %(is_fresh)s
     FROM predictions p
     WHERE p.vehicle_id = %(vehicle_id)s AND p.failure_mode = %(failure_mode)s AND p.component = %(component)s
       AND p.model_version = %(model_version)s AND p.data_time < %(data_time)s::timestamptz
     ORDER BY p.data_time DESC LIMIT 1), false)
ON CONFLICT (vehicle_id, component, failure_mode, data_time, model_version) DO UPDATE
SET severity = excluded.severity, probability = excluded.probability, ttt_p10_h = excluded.ttt_p10_h,
    ttt_p50_h = excluded.ttt_p50_h, ttt_p90_h = excluded.ttt_p90_h, predicted_at = excluded.predicted_at,
    since = excluded.since, window_from = excluded.window_from, window_to = excluded.window_to,
    reasons = excluded.reasons, evidence = excluded.evidence, origin = excluded.origin,
    is_fresh = excluded.is_fresh, calibrated = excluded.calibrated, p_value = excluded.p_value,
    is_tail = excluded.is_tail, routed_at = NULL
WHERE (predictions.probability, predictions.since, predictions.is_fresh, predictions.severity)
      IS DISTINCT FROM (excluded.probability, excluded.since, excluded.is_fresh, excluded.severity)
RETURNING prediction_id;

-- upsert_scores --
-- Parallel arrays; NaN: nothing is known.
INSERT INTO vehicle_scores (vehicle_id, failure_mode, scored_at, data_time, probability, component, model_version)
SELECT vehicle_id, failure_mode, %(scored_at)s, data_time, nullif(probability, 'NaN'), component, model_version
FROM unnest(%(vehicle_ids)s::int[], %(failure_modes)s::text[], %(data_times)s::timestamptz[],
            %(probabilities)s::real[], %(components)s::text[], %(versions)s::text[])
    AS s (vehicle_id, failure_mode, data_time, probability, component, model_version)
ON CONFLICT (vehicle_id, failure_mode, model_version) DO UPDATE
SET scored_at = excluded.scored_at, data_time = greatest(vehicle_scores.data_time, excluded.data_time),
    probability = excluded.probability, component = excluded.component;

-- delete_old_scores --
-- Of model versions that nobody runs any more.
DELETE FROM vehicle_scores WHERE vehicle_id = ANY (%(vehicle_ids)s) AND model_version <> ALL (%(versions)s);

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

-- copy_drive_rows --
COPY (
    SELECT time, coalesce(speed, 'NaN'), coalesce(pack_current, 'NaN'),
           coalesce(soc, 'NaN'), coalesce(charging::real, 'NaN'), coalesce(ambient, 'NaN'),
           coalesce(barometer, 'NaN'), coalesce(altitude, 'NaN')
    FROM drive_readings
    WHERE vehicle_id = %(vehicle_id)s AND time >= %(begin)s AND time < %(end)s
    ORDER BY time
) TO STDOUT (FORMAT binary);

-- copy_tire_rows --
-- Every row has as many elements as the model has wheels, so that all rows have one length.
COPY (
    SELECT time,
           array_replace(pressure, NULL, 'NaN'::real),
           CASE WHEN cardinality(temperature) = %(width)s THEN array_replace(temperature, NULL, 'NaN'::real)
                ELSE array_fill('NaN'::real, ARRAY[%(width)s]) END,
           CASE WHEN cardinality(age) = %(width)s THEN array_replace(age, NULL, 'NaN'::real)
                ELSE array_fill('NaN'::real, ARRAY[%(width)s]) END
    FROM tire_readings
    WHERE vehicle_id = %(vehicle_id)s AND time >= %(begin)s AND time < %(end)s
      AND cardinality(pressure) = %(width)s
    ORDER BY time
) TO STDOUT (FORMAT binary);

-- fetch_cell_frames --
-- Frames that a pack is put together from, and their lengths.
SELECT DISTINCT first_cell, cardinality(voltage_mv)
FROM cell_readings
WHERE vehicle_id = %(vehicle_id)s AND time >= %(begin)s AND time < %(end)s AND sub_pack = 1
  AND voltage_mv IS NOT NULL AND cardinality(voltage_mv) > 0
ORDER BY 1, 2;

-- copy_cell_rows --
-- The first row of each 30 s, as the features take them.
COPY (
    SELECT DISTINCT ON (date_bin('30 seconds', time, '1970-01-01Z'))
           time,
           array_replace(voltage_mv, NULL, (-1)::smallint),
           coalesce(temperature_ddegc[1], (-32768)::smallint)
    FROM cell_readings
    WHERE vehicle_id = %(vehicle_id)s AND time >= %(begin)s AND time < %(end)s AND sub_pack = 1
      AND first_cell = %(first_cell)s AND cardinality(voltage_mv) = %(width)s
    ORDER BY date_bin('30 seconds', time, '1970-01-01Z'), time
) TO STDOUT (FORMAT binary);

-- copy_recent_tires --
COPY (
    SELECT vehicle_id, time,
           array_replace(pressure, NULL, 'NaN'::real),
           CASE WHEN cardinality(temperature) = %(width)s THEN array_replace(temperature, NULL, 'NaN'::real)
                ELSE array_fill('NaN'::real, ARRAY[%(width)s]) END,
           CASE WHEN cardinality(age) = %(width)s THEN array_replace(age, NULL, 'NaN'::real)
                ELSE array_fill('NaN'::real, ARRAY[%(width)s]) END
    FROM tire_readings
    WHERE vehicle_id = ANY (%(vehicle_ids)s) AND time >= %(begin)s AND time < %(end)s
      AND cardinality(pressure) = %(width)s
    ORDER BY time, vehicle_id
) TO STDOUT (FORMAT binary);

-- copy_recent_surroundings --
COPY (
    SELECT vehicle_id, time, coalesce(ambient, 'NaN'),
           coalesce(barometer, 'NaN'), coalesce(altitude, 'NaN')
    FROM drive_readings
    WHERE vehicle_id = ANY (%(vehicle_ids)s) AND time >= %(begin)s::timestamptz - interval '15 minutes'
      AND time < %(end)s
    ORDER BY vehicle_id, time
) TO STDOUT (FORMAT binary);

-- delete_tire_days --
DELETE FROM tire_days WHERE vehicle_id = %(vehicle_id)s AND day = ANY (%(days)s);

-- delete_cell_sessions --
-- In another time zone the same session may have counted to a neighbouring day.
DELETE FROM cell_sessions
WHERE vehicle_id = %(vehicle_id)s AND (day = ANY (%(days)s) OR started_at = ANY (%(started_at)s::timestamptz[]));

-- fetch_day_families --
-- Which of some days of some vehicles have features, parallel arrays.
SELECT w.vehicle_id, w.day, EXISTS (SELECT FROM tire_days t WHERE t.vehicle_id = w.vehicle_id AND t.day = w.day),
       EXISTS (SELECT FROM cell_sessions c WHERE c.vehicle_id = w.vehicle_id AND c.day = w.day)
FROM unnest(%(vehicle_ids)s::int[], %(days)s::date[]) AS w (vehicle_id, day);

-- fetch_tire_days --
SELECT vehicle_id, day, gas_kpa, contrast_kpa, spread_kpa, sample_count, altitude_low_m, altitude_high_m,
       has_equal_wheels, first_time, last_time
FROM tire_days WHERE vehicle_id = ANY (%(vehicle_ids)s) AND day >= %(first_day)s
ORDER BY vehicle_id, day;

-- fetch_cell_sessions --
SELECT vehicle_id, day, kind, started_at, ended_at, row_count, rested_count, soc_percent, voltage_v, current_a,
       temperature_degc, spread_mv, deviation_mv
FROM cell_sessions WHERE vehicle_id = ANY (%(vehicle_ids)s) AND day >= %(first_day)s
ORDER BY vehicle_id, started_at;

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
                         model_version, origin, is_fresh)
SELECT %(vehicle_id)s, %(component)s, %(failure_mode)s, %(severity)s, %(probability)s, %(horizon_h)s, %(p10)s,
       %(p50)s, %(p90)s, %(predicted_at)s, %(data_time)s::timestamptz, %(since)s, %(window_from)s, %(window_to)s,
       %(reasons)s, %(evidence)s, %(model_version)s, %(origin)s, %(is_fresh)s
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
    is_fresh = excluded.is_fresh, routed_at = NULL
WHERE (predictions.probability, predictions.since, predictions.is_fresh, predictions.severity)
      IS DISTINCT FROM (excluded.probability, excluded.since, excluded.is_fresh, excluded.severity)
RETURNING prediction_id;

-- upsert_score --
INSERT INTO vehicle_scores (vehicle_id, failure_mode, scored_at, data_time, probability, component, model_version)
VALUES (%(vehicle_id)s, %(failure_mode)s, %(scored_at)s, %(data_time)s, %(probability)s, %(component)s,
        %(model_version)s)
ON CONFLICT (vehicle_id, failure_mode) DO UPDATE
SET scored_at = excluded.scored_at, data_time = greatest(vehicle_scores.data_time, excluded.data_time),
    probability = excluded.probability, component = excluded.component, model_version = excluded.model_version;

-- SQL of `anxin maintain` and of the policies it stands in for.

-- fetch_relation --
-- Kind, columns and whether it is a continuous aggregate; no row where there is no such relation.
SELECT c.relkind::text,
    array(SELECT a.attname::text FROM pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
    c.relkind = 'v' AND EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
FROM pg_class c WHERE c.oid = to_regclass(%(relation)s);

-- note_whole_history --
-- From the oldest to the newest reading of each vehicle, by the primary key.
INSERT INTO rollup_debts AS r (vehicle_id, family, time_from, time_to, noted_at)
SELECT v.vehicle_id, %(family)s, o.time, n.time, '-infinity'
FROM vehicles v
CROSS JOIN LATERAL (SELECT time FROM {table} WHERE vehicle_id = v.vehicle_id ORDER BY time LIMIT 1) o
CROSS JOIN LATERAL (SELECT time FROM {table} WHERE vehicle_id = v.vehicle_id ORDER BY time DESC LIMIT 1) n
ON CONFLICT (vehicle_id, family) DO UPDATE SET
    time_from = least(r.time_from, excluded.time_from), time_to = greatest(r.time_to, excluded.time_to),
    noted_at = excluded.noted_at;

-- start_cursor --
INSERT INTO service_cursors (service, partition, batch_id) VALUES ('maintain', 0, 0)
ON CONFLICT (service, partition) DO NOTHING;

-- note_debts --
-- What the batches after the cursor touched; batch_id order is commit order. Rows that end before ``until`` only:
-- where continuous aggregates follow the newest by themselves, what is older than their window is left to us.
WITH batch AS (
    SELECT batch_id, vehicle_ids, vehicle_families, time_from, time_to FROM ingest_batches
    WHERE batch_id > (SELECT batch_id FROM service_cursors WHERE service = 'maintain' AND partition = 0)
    ORDER BY batch_id LIMIT %(limit)s
), touched AS (
    SELECT t.vehicle_id, t.family, min(t.time_from) AS time_from, max(t.time_to) AS time_to
    FROM batch b, unnest(b.vehicle_ids, b.vehicle_families, b.time_from, b.time_to)
        AS t (vehicle_id, family, time_from, time_to)
    WHERE t.family = ANY (%(families)s)
        AND (%(until)s::timestamptz IS NULL OR t.time_from < %(until)s::timestamptz)
    GROUP BY t.vehicle_id, t.family
), noted AS (
    INSERT INTO rollup_debts AS r (vehicle_id, family, time_from, time_to, noted_at)
    SELECT vehicle_id, family, time_from, time_to, %(now)s FROM touched ORDER BY vehicle_id, family
    ON CONFLICT (vehicle_id, family) DO UPDATE SET
        time_from = least(r.time_from, excluded.time_from), time_to = greatest(r.time_to, excluded.time_to)
)
UPDATE service_cursors SET batch_id = (SELECT max(batch_id) FROM batch), updated_at = %(now)s
WHERE service = 'maintain' AND partition = 0 AND EXISTS (SELECT FROM batch)
RETURNING (SELECT count(*) FROM batch);

-- fetch_due_debts --
-- Short spans wait a little, so that a vehicle on the road is rolled up every five minutes; long ones (a back-fill
-- goes on) wait longer. The oldest spans first: neighbours share chunks.
SELECT vehicle_id, time_from, time_to, xmin::text FROM rollup_debts
WHERE family = %(family)s
    AND noted_at <= CASE WHEN time_to - time_from < interval '2 hours' THEN %(short_before)s ELSE %(long_before)s END
ORDER BY time_from LIMIT %(limit)s;

-- pay_debts --
-- A debt that is paid in part begins later; one that is paid is gone. One that a migration has written to since it was
-- read (xmin) reaches further back, or asks for columns that this process does not know: it stays.
WITH paid AS (
    SELECT * FROM unnest(%(vehicle_ids)s::int[], %(seen)s::text[], %(paid_to)s::timestamptz[])
        AS p (vehicle_id, seen, paid_to)
), gone AS (
    DELETE FROM rollup_debts d USING paid p
    WHERE d.family = %(family)s AND d.vehicle_id = p.vehicle_id AND d.xmin::text = p.seen AND d.time_to < p.paid_to
)
UPDATE rollup_debts d SET time_from = p.paid_to FROM paid p
WHERE d.family = %(family)s AND d.vehicle_id = p.vehicle_id AND d.xmin::text = p.seen AND d.time_to >= p.paid_to;

-- fetch_debt_span --
SELECT min(time_from), max(time_to) FROM rollup_debts WHERE family = %(family)s AND noted_at <= %(before)s;

-- advance_debts --
-- What lies before ``seen_from`` was noted by a migration since the span was read.
UPDATE rollup_debts SET time_from = %(paid_to)s
WHERE family = %(family)s AND noted_at <= %(before)s AND time_from >= %(seen_from)s AND time_from < %(paid_to)s;

-- forget_debts --
DELETE FROM rollup_debts WHERE family = %(family)s AND noted_at <= %(before)s AND time_from >= %(seen_from)s;

-- drop_chunks --
SELECT count(*) FROM drop_chunks(%(relation)s, older_than => %(before)s::timestamptz);

-- fetch_vehicles_before --
-- Vehicles with rows older than the limit: one index probe per vehicle of the table, known or not.
WITH RECURSIVE vehicle AS (
    (SELECT vehicle_id FROM {table} ORDER BY vehicle_id LIMIT 1)
    UNION ALL
    SELECT (SELECT t.vehicle_id FROM {table} t WHERE t.vehicle_id > v.vehicle_id ORDER BY t.vehicle_id LIMIT 1)
    FROM vehicle v WHERE v.vehicle_id IS NOT NULL
)
SELECT v.vehicle_id FROM vehicle v
WHERE EXISTS (SELECT FROM {table} t WHERE t.vehicle_id = v.vehicle_id AND t.{time} < %(before)s);

-- delete_rows --
-- A few thousand rows at a time, oldest first: no long lock, no long transaction.
DELETE FROM {table} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {table} WHERE vehicle_id = %(vehicle_id)s AND {time} < %(before)s LIMIT %(limit)s));

-- delete_batches --
-- Never what a follower has not read, and never the newest: numbers shown must not go back.
DELETE FROM ingest_batches WHERE batch_id = ANY (ARRAY(
    SELECT batch_id FROM ingest_batches
    WHERE committed_at < %(before)s AND batch_id <= (SELECT min(batch_id) FROM service_cursors)
        AND batch_id < (SELECT max(batch_id) FROM ingest_batches)
    ORDER BY batch_id LIMIT %(limit)s));

-- delete_rejects --
DELETE FROM rejects WHERE reject_id = ANY (ARRAY(
    SELECT reject_id FROM rejects WHERE received < %(before)s ORDER BY reject_id LIMIT %(limit)s));

-- delete_streams --
-- Boots with nothing left to come. A vehicle's two newest stay: its next birth may name the one before it.
DELETE FROM message_streams s USING (
    SELECT vehicle_id, boot FROM (
        SELECT vehicle_id, boot, last_received, missing,
            row_number() OVER (PARTITION BY vehicle_id ORDER BY last_received DESC) AS place
        FROM message_streams) ranked
    WHERE place > 2 AND last_received < %(before)s AND missing = '{}'
    LIMIT %(limit)s) old
WHERE s.vehicle_id = old.vehicle_id AND s.boot = old.boot AND s.last_received < %(before)s;

-- delete_quality --
DELETE FROM quality_counts WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM quality_counts WHERE day < %(before)s LIMIT %(limit)s));

-- delete_features --
DELETE FROM day_features WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM day_features WHERE day < %(before)s LIMIT %(limit)s));

-- delete_beats --
-- Processes that were retired without a goodbye.
DELETE FROM service_beats WHERE beat_at < %(before)s;

-- SQL of ingest. Names in braces are filled from the signal catalogue by ingest/tables.py.

-- fetch_vehicles --
SELECT t.name AS tenant, v.vin, v.vehicle_id, v.model_id, v.retired_at IS NOT NULL AS is_retired
FROM vehicles v JOIN tenants t USING (tenant_id)

-- fetch_models --
SELECT model_id, cell_count, probe_count, cardinality(wheels) AS wheel_count, grid_s, dbc, signal_map, coordinates
FROM vehicle_models

-- create_stage --
-- Late rows, and rows that a plain COPY refused, meet the table from here.
CREATE TEMP TABLE IF NOT EXISTS {stage} (LIKE {table}) ON COMMIT DELETE ROWS

-- copy_rows --
COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)

-- count_conflicts --
-- The bounds say what the join says too, but as constants: without them every chunk of the table is read.
SELECT coalesce(sum({differences}), 0)::bigint FROM {stage} s JOIN {table} t USING ({key})
WHERE t.vehicle_id = ANY(%(vehicle_ids)s::int[]) AND t.time BETWEEN %(time_from)s AND %(time_to)s

-- lift_decompression_limit --
-- Late rows may meet a compressed chunk of TimescaleDB; its limit would refuse the same batch for ever.
SELECT set_config(name, '0', true) FROM pg_settings
WHERE name = 'timescaledb.max_tuples_decompressed_per_dml_transaction'

-- merge_stage --
-- Sorted by key, so that two ingesters take row locks in one order. A row that would not change is not written.
INSERT INTO {table} AS t ({columns})
SELECT {columns} FROM {stage} ORDER BY {key}
ON CONFLICT ({key}) DO UPDATE SET {assignments}
WHERE {changes}

-- empty_stage --
DELETE FROM {stage}

-- insert_streams --
INSERT INTO message_streams (vehicle_id, boot, first_received, last_received)
SELECT vehicle_id, boot, received, received
FROM unnest(%(vehicle_id)s::int[], %(boot)s::text[], %(received)s::timestamptz[]) AS b (vehicle_id, boot, received)
ORDER BY vehicle_id, boot
ON CONFLICT DO NOTHING

-- lock_streams --
SELECT 1 FROM message_streams s
JOIN unnest(%(vehicle_id)s::int[], %(boot)s::text[]) AS b (vehicle_id, boot) USING (vehicle_id, boot)
ORDER BY s.vehicle_id, s.boot
FOR UPDATE OF s

-- merge_streams --
-- got: numbers of this batch. owed: what was not here before (holes, given-up holes, all above the old high). Numbers
-- too far above the old high to be true count for nothing here; of too many holes the oldest are dropped.
-- is_beyond: all of it comes after the last hole, the usual case: hundreds of holes are then left as they are.
-- Materialized, or each mention of a set of hundreds of ranges would work it out anew: ten times as slow.
WITH batch AS (
    SELECT * FROM unnest(
        %(vehicle_id)s::int[], %(boot)s::text[], %(received)s::timestamptz[], %(origin)s::text[], %(high)s::int[],
        %(got)s::text[], %(message_count)s::int[], %(is_online)s::boolean[], %(first_time)s::timestamptz[],
        %(last_time)s::timestamptz[]
    ) AS b (vehicle_id, boot, received, origin, told_high, got_text, message_count, is_online, first_time, last_time)
), believed AS MATERIALIZED (
    SELECT b.*, s.high AS old_high, s.is_online AS was_online, s.missing, s.given_up,
        b.got_text::int4multirange
            * int4multirange(int4range(0, least(s.high::bigint + %(leap)s, 2147483646)::int + 1)) AS got,
        b.told_high > s.high::bigint + %(leap)s AS is_leap
    FROM batch b JOIN message_streams s USING (vehicle_id, boot)
), reached AS (
    SELECT b.*, CASE WHEN b.is_leap THEN coalesce(upper(b.got) - 1, -1) ELSE b.told_high END AS high FROM believed b
), owed AS (
    SELECT r.*, lower(r.got) >= greatest(upper(r.missing), upper(r.given_up), 0) AS is_beyond,
        CASE WHEN r.high > r.old_high THEN int4multirange(int4range(r.old_high + 1, r.high + 1)) ELSE '{}' END AS fresh
    FROM reached r
), counted AS (
    SELECT o.*, o.is_beyond AND o.got @> o.fresh AS is_as_before,
        CASE WHEN o.is_beyond THEN 0 ELSE
            (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(o.got * (o.missing + o.given_up)) AS r)
        END AS repaired,
        (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(o.got * o.fresh) AS r) AS advanced,
        CASE WHEN o.is_leap THEN (SELECT coalesce(sum(upper(r) - lower(r)), 0)
            FROM unnest(o.got_text::int4multirange - o.got) AS r) ELSE 0 END AS unbelieved
    FROM owed o
), opened AS MATERIALIZED (
    SELECT c.*, CASE WHEN c.is_as_before THEN c.missing ELSE (c.missing + c.fresh) - c.got END AS holes FROM counted c
), capped AS MATERIALIZED (
    SELECT o.*, CASE
        WHEN o.is_as_before OR (SELECT count(*) FROM unnest(o.holes)) <= %(range_limit)s THEN o.holes
        ELSE (SELECT range_agg(n.r) FROM (
            SELECT r FROM unnest(o.holes) AS r ORDER BY r DESC LIMIT %(range_limit)s) AS n)
        END AS kept
    FROM opened o
), merged AS (
    UPDATE message_streams s SET
        high = greatest(s.high, c.high),
        missing = c.kept,
        given_up = CASE WHEN c.is_beyond THEN c.given_up ELSE c.given_up - c.got END,
        received_count = s.received_count + c.repaired + c.advanced,
        duplicate_count = s.duplicate_count + c.message_count - c.repaired - c.advanced - c.unbelieved,
        repaired_count = s.repaired_count + c.repaired,
        dropped_count = s.dropped_count + CASE WHEN c.is_as_before THEN 0 ELSE
            (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(c.holes - c.kept) AS r) END,
        unbelieved_count = s.unbelieved_count + c.unbelieved,
        resend_count = CASE WHEN c.repaired > 0 THEN 0 ELSE s.resend_count END,
        origin = coalesce(c.origin, s.origin),
        last_received = greatest(s.last_received, c.received),
        first_time = least(s.first_time, c.first_time),
        last_time = greatest(s.last_time, c.last_time),
        is_online = coalesce(c.is_online, s.is_online)
    FROM capped c
    WHERE s.vehicle_id = c.vehicle_id AND s.boot = c.boot
    RETURNING c.vehicle_id, c.boot,
        c.message_count - c.repaired - c.advanced - c.unbelieved AS duplicates, c.repaired, c.was_online,
        c.is_online AS now_online
)
SELECT vehicle_id, boot, duplicates, repaired, was_online, now_online FROM merged
WHERE duplicates <> 0 OR repaired <> 0 OR now_online IS DISTINCT FROM was_online
ORDER BY vehicle_id, boot

-- close_older_boots --
-- A vehicle that is online in one boot is not in any other.
UPDATE message_streams s SET is_online = false
FROM unnest(%(vehicle_id)s::int[], %(boot)s::text[]) AS b (vehicle_id, boot)
WHERE s.vehicle_id = b.vehicle_id AND s.boot <> b.boot AND s.is_online

-- insert_events --
INSERT INTO vehicle_events (vehicle_id, time, kind, source, level, code, data, is_hist, sent, received)
SELECT vehicle_id, time, kind, source, level, code, data::jsonb, is_hist, sent, received
FROM unnest(
    %(vehicle_id)s::int[], %(time)s::timestamptz[], %(kind)s::text[], %(source)s::text[], %(level)s::smallint[],
    %(code)s::text[], %(data)s::text[], %(is_hist)s::boolean[], %(sent)s::timestamptz[], %(received)s::timestamptz[]
) AS e (vehicle_id, time, kind, source, level, code, data, is_hist, sent, received)
ORDER BY vehicle_id, time, kind, source, code
ON CONFLICT (vehicle_id, time, kind, source, code) DO NOTHING

-- insert_other_events --
-- Those of the same whose key another event has. The bounds are constants, so that other chunks are not read.
INSERT INTO vehicle_events (vehicle_id, time, kind, source, level, code, data, is_hist, sent, received)
SELECT vehicle_id, time, kind, source, level, code || '~' || checksum, data::jsonb, is_hist, sent, received
FROM unnest(
    %(vehicle_id)s::int[], %(time)s::timestamptz[], %(kind)s::text[], %(source)s::text[], %(level)s::smallint[],
    %(code)s::text[], %(data)s::text[], %(is_hist)s::boolean[], %(sent)s::timestamptz[], %(received)s::timestamptz[],
    %(checksum)s::text[]
) AS e (vehicle_id, time, kind, source, level, code, data, is_hist, sent, received, checksum)
WHERE kind <> 'birth' AND NOT EXISTS (
    SELECT FROM vehicle_events s
    WHERE s.time BETWEEN %(time_from)s::timestamptz AND %(time_to)s::timestamptz
        AND (s.vehicle_id, s.time, s.kind, s.source, s.code) = (e.vehicle_id, e.time, e.kind, e.source, e.code)
        AND s.level = e.level AND s.data = e.data::jsonb)
ORDER BY vehicle_id, time, kind, source, code, checksum
ON CONFLICT (vehicle_id, time, kind, source, code) DO NOTHING

-- insert_trouble_codes --
INSERT INTO trouble_codes AS t (vehicle_id, time, ecu, code, status, is_hist, occurrence_count)
SELECT * FROM unnest(
    %(vehicle_id)s::int[], %(time)s::timestamptz[], %(ecu)s::text[], %(code)s::text[], %(status)s::smallint[],
    %(is_hist)s::boolean[], %(occurrence_count)s::smallint[]
) AS c (vehicle_id, time, ecu, code, status, is_hist, occurrence_count)
ORDER BY vehicle_id, time, ecu, code
ON CONFLICT (vehicle_id, time, ecu, code) DO UPDATE SET status = excluded.status
WHERE t.status IS NULL AND excluded.status IS NOT NULL

-- update_birth --
-- Unless a later birth is here already: this one came out of the vehicle's store.
UPDATE vehicles SET firmware = %(firmware)s, time_zone = coalesce(%(time_zone)s, time_zone)
WHERE vehicle_id = %(vehicle_id)s
    AND (firmware, time_zone) IS DISTINCT FROM (%(firmware)s, coalesce(%(time_zone)s, time_zone))
    AND NOT EXISTS (SELECT FROM vehicle_events e
        WHERE e.vehicle_id = %(vehicle_id)s AND e.kind = 'birth' AND e.time > %(sent)s)

-- insert_rejects --
-- Sorted by digest, so that two ingesters take row locks in one order.
INSERT INTO rejects AS r
    (received, tenant, vin, topic, reason, detail, payload, digest, is_retryable, seen_count)
SELECT * FROM unnest(
    %(received)s::timestamptz[], %(tenant)s::text[], %(vin)s::text[], %(topic)s::text[], %(reason)s::text[],
    %(detail)s::text[], %(payload)b::bytea[], %(digest)b::bytea[], %(is_retryable)s::boolean[], %(seen_count)s::int[]
)
ON CONFLICT (digest) DO UPDATE SET
    seen_count = r.seen_count + excluded.seen_count, reason = excluded.reason, detail = excluded.detail,
    is_retryable = excluded.is_retryable

-- insert_batch --
-- The lock is held to the end of the transaction: batch_id order is commit order.
INSERT INTO ingest_batches (slot, message_count, duplicate_count, reject_count, row_count, conflict_count, masked,
    families, vehicle_ids, vehicle_families, time_from, time_to, has_live)
VALUES (%(slot)s, %(message_count)s, %(duplicate_count)s, %(reject_count)s, %(row_count)s, %(conflict_count)s,
    %(masked)s, %(families)s, %(vehicle_ids)s, %(vehicle_families)s, %(time_from)s, %(time_to)s, %(has_live)s)
RETURNING batch_id

-- lock_batch_log --
SELECT pg_advisory_xact_lock(%s)

-- try_repair_lock --
SELECT pg_try_advisory_xact_lock(%s)

-- fetch_gaps --
-- The next streams with holes whose vehicle can answer now and that may be asked again, in one order for all of
-- them: holes that come and go with messages that overtake one another never keep others from their turn.
SELECT s.vehicle_id, s.boot, t.name AS tenant, v.vin, s.missing::text AS missing, s.high, s.resend_requested_at,
    s.resend_count
FROM message_streams s JOIN vehicles v USING (vehicle_id) JOIN tenants t USING (tenant_id)
WHERE s.missing <> '{}' AND (s.vehicle_id, s.boot) > (%(after_vehicle)s::int, %(after_boot)s::text)
    AND (s.resend_requested_at IS NULL OR s.resend_requested_at <= %(now)s::timestamptz - make_interval(secs =>
        %(interval_s)s::float8 * least(power(2, least(greatest(s.resend_count - 1, 0), 30)), %(longest_backoff)s)))
    AND EXISTS (SELECT FROM message_streams o WHERE o.vehicle_id = s.vehicle_id AND o.is_online)
ORDER BY s.vehicle_id, s.boot
LIMIT %(limit)s

-- mark_requested --
UPDATE message_streams s SET resend_requested_at = %(now)s, resend_count = s.resend_count + 1
FROM unnest(%(vehicle_id)s::int[], %(boot)s::text[]) AS b (vehicle_id, boot)
WHERE s.vehicle_id = b.vehicle_id AND s.boot = b.boot

-- give_up --
-- What the vehicle no longer stores; it still counts as repaired should it come after all. Asking begins anew
-- with the next hole.
UPDATE message_streams s SET given_up = s.given_up + s.missing * b.ranges::int4multirange,
    missing = s.missing - b.ranges::int4multirange, resend_count = 0, resend_requested_at = NULL
FROM unnest(%(vehicle_id)s::int[], %(boot)s::text[], %(ranges)s::text[]) AS b (vehicle_id, boot, ranges)
WHERE s.vehicle_id = b.vehicle_id AND s.boot = b.boot

-- give_up_silent --
-- Rows are locked in the order of those who store batches.
WITH silent AS (
    SELECT vehicle_id, boot FROM message_streams
    WHERE missing <> '{}' AND last_received < %(before)s
    ORDER BY vehicle_id, boot
    FOR UPDATE
)
UPDATE message_streams s
SET given_up = s.given_up + s.missing, missing = '{}', resend_count = 0, resend_requested_at = NULL
FROM silent WHERE s.vehicle_id = silent.vehicle_id AND s.boot = silent.boot

-- count_holes --
SELECT count(*), coalesce(sum((SELECT sum(upper(r) - lower(r)) FROM unnest(missing) AS r)), 0)::bigint
FROM message_streams WHERE missing <> '{}'

-- count_rejects --
SELECT reason, is_retryable, count(*)::int AS rejects, sum(seen_count)::bigint AS messages,
    min(received) AS first_received, max(received) AS last_received
FROM rejects GROUP BY reason, is_retryable ORDER BY reason, is_retryable

-- list_rejects --
SELECT reject_id, received, tenant, vin, topic, reason, detail, is_retryable, retried_at, seen_count,
    octet_length(payload) AS payload_bytes
FROM rejects
WHERE (%(reason)s::text IS NULL OR reason = %(reason)s)
ORDER BY reject_id DESC LIMIT %(limit)s

-- fetch_retryable --
SELECT reject_id, topic, payload, (extract(epoch FROM received) * 1000000)::bigint AS received_us, seen_count
FROM rejects
WHERE is_retryable AND reject_id > %(after)s
    AND (%(vins)s::text[] IS NULL OR (tenant = %(tenant)s AND vin = ANY(%(vins)s)))
ORDER BY reject_id LIMIT %(limit)s

-- find_welcome --
-- Vehicles that were unknown or out of service when they spoke, and are welcome now.
SELECT t.name, array_agg(v.vin ORDER BY v.vin)
FROM tenants t JOIN vehicles v USING (tenant_id)
WHERE v.retired_at IS NULL AND EXISTS (SELECT FROM rejects r WHERE r.is_retryable AND r.tenant = t.name
    AND r.vin = v.vin AND r.reason IN ('unknown_vehicle', 'retired_vehicle'))
GROUP BY t.name

-- delete_rejects --
-- Unless it was rejected again meanwhile, by storing it or by another process.
DELETE FROM rejects r
USING unnest(%(reject_ids)s::bigint[], %(seen_counts)s::int[]) AS b (reject_id, seen_count)
WHERE r.reject_id = b.reject_id AND r.seen_count = b.seen_count
RETURNING r.reject_id

-- mark_retried --
UPDATE rejects r SET retried_at = %(now)s, reason = coalesce(b.reason, r.reason),
    detail = coalesce(b.detail, r.detail), is_retryable = coalesce(b.is_retryable, r.is_retryable)
FROM unnest(%(reject_ids)s::bigint[], %(reasons)s::text[], %(details)s::text[], %(is_retryable)s::boolean[])
    AS b (reject_id, reason, detail, is_retryable)
WHERE r.reject_id = b.reject_id

-- note_session --
INSERT INTO broker_sessions (client_id, service, slot, share, connected_at)
VALUES (%(client_id)s, 'ingest', %(slot)s, %(share)s, now())
ON CONFLICT (client_id) DO UPDATE SET share = excluded.share, connected_at = excluded.connected_at

-- forget_session --
DELETE FROM broker_sessions WHERE client_id = %(client_id)s

-- fetch_slot_holder --
-- The process that beats for a slot now.
SELECT pid, extract(epoch FROM now() - beat_at)::double precision AS silent_s FROM service_beats
WHERE service = 'ingest' AND slot = %(slot)s AND beat_at > now() - %(within_s)s * interval '1 second'

-- Questions of `anxin check`: is this installation healthy?

-- server --
SELECT current_setting('server_version') AS version,
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb,
       current_setting('timescaledb.license', true) AS licence;

-- service_beats --
SELECT service, slot, is_ready, extract(epoch FROM now() - beat_at)::double precision AS silent_s
FROM service_beats ORDER BY service, slot;

-- beat --
INSERT INTO service_beats (service, slot, pid, started_at, beat_at, is_ready)
VALUES (%(service)s, %(slot)s, %(pid)s, now(), now(), %(is_ready)s)
ON CONFLICT (service, slot) DO UPDATE SET
    pid = excluded.pid,
    started_at = CASE WHEN service_beats.pid = excluded.pid THEN service_beats.started_at ELSE excluded.started_at END,
    beat_at = excluded.beat_at,
    is_ready = excluded.is_ready;

-- forget_beat --
DELETE FROM service_beats WHERE service = %(service)s AND slot = %(slot)s AND pid = %(pid)s;

-- ingest_state --
SELECT max(committed_at) AS last_batch_at,
       coalesce(sum(message_count), 0)::bigint AS messages,
       coalesce(sum(row_count), 0)::bigint AS rows,
       coalesce(sum(conflict_count), 0)::bigint AS conflicts
FROM ingest_batches WHERE committed_at > now() - interval '24 hours';

-- masked_values --
SELECT reason, sum(count::bigint)::bigint AS values
FROM ingest_batches, jsonb_each_text(masked) AS m (reason, count)
WHERE committed_at > now() - interval '24 hours'
GROUP BY reason ORDER BY values DESC;

-- rejects_by_reason --
SELECT reason, count(*) AS rejects, sum(seen_count)::bigint AS seen, max(received) AS last,
       (array_agg(detail ORDER BY received DESC))[1] AS example
FROM rejects WHERE received > now() - interval '24 hours'
GROUP BY reason ORDER BY rejects DESC;

-- gaps --
SELECT count(*) FILTER (WHERE missing <> '{}') AS streams,
       coalesce(sum((SELECT sum(upper(r) - lower(r)) FROM unnest(missing) AS r)), 0)::bigint AS missing,
       coalesce(sum((SELECT sum(upper(r) - lower(r)) FROM unnest(given_up) AS r))
                FILTER (WHERE last_received > now() - interval '7 days'), 0)::bigint AS given_up,
       coalesce(sum(duplicate_count), 0)::bigint AS duplicates,
       coalesce(sum(repaired_count), 0)::bigint AS repaired
FROM message_streams;

-- lag --
-- How many committed batches each follower of the commit log has not read, and for how long the oldest has waited.
SELECT c.service, c.partition,
       (SELECT count(*) FROM ingest_batches b WHERE b.batch_id > c.batch_id) AS batches,
       (SELECT extract(epoch FROM now() - min(b.committed_at)) FROM ingest_batches b
        WHERE b.batch_id > c.batch_id)::double precision AS waiting_s
FROM service_cursors c ORDER BY c.service, c.partition;

-- unrouted --
SELECT count(*) AS predictions, extract(epoch FROM now() - min(predicted_at))::double precision AS waiting_s
FROM predictions WHERE routed_at IS NULL;

-- outbox --
SELECT count(*) FILTER (WHERE state = 'pending' AND next_attempt_at < now() - interval '1 minute') AS overdue,
       count(*) FILTER (WHERE state = 'pending') AS pending,
       count(*) FILTER (WHERE state = 'failed') AS failed,
       (array_agg(last_error ORDER BY delivery_id DESC) FILTER (WHERE last_error IS NOT NULL))[1] AS last_error
FROM deliveries;

-- scoring_failures --
-- Feature sets and predictors that raised when they last met a vehicle, the most frequent first.
SELECT part, count(*) AS vehicles, sum(count)::bigint AS times, max(last_at) AS last_at,
    (array_agg(vehicle_id || ': ' || left(error, 200) ORDER BY last_at DESC))[1] AS example
FROM scoring_failures GROUP BY part ORDER BY 2 DESC, 1;

-- waiting_orders --
SELECT count(*) AS orders, (array_agg(waiting_reason))[1] AS example
FROM repair_orders
WHERE waiting_reason IS NOT NULL AND state NOT IN ('closed', 'cancelled', 'declined', 'no_fault_found', 'paid');

-- parts_to_order --
SELECT count(*) AS parts, count(DISTINCT station_id) AS stations FROM parts_to_order;

-- concerns --
-- What needs a person, by kind.
SELECT kind, count(*) AS concerns, min(raised_at) AS since FROM concerns
WHERE settled_at IS NULL AND audience = 'operations' GROUP BY kind ORDER BY 2 DESC, kind;

-- orphan_sessions --
-- Sessions that the broker keeps, whose slot has not beaten for two minutes.
SELECT s.client_id, s.slot, s.share,
    extract(epoch FROM now() - coalesce(b.beat_at, s.connected_at))::double precision AS silent_s
FROM broker_sessions s LEFT JOIN service_beats b ON b.service = s.service AND b.slot = s.slot
WHERE coalesce(b.beat_at, s.connected_at) < now() - interval '2 minutes'
ORDER BY s.client_id;

-- feature_drift --
-- What `anxin drift` found last.
SELECT count(*) AS features, count(*) FILTER (WHERE is_drifted) AS drifted, max(measured_at) AS measured_at,
    (array_agg(model_id || ' ' || feature ORDER BY psi DESC) FILTER (WHERE is_drifted))[1:3] AS worst
FROM feature_drift;

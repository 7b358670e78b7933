-- The outbox: who is to be told what, and what became of it.

-- claim_due --
-- One row at a time, so that a sender that dies holds up nobody.
SELECT d.delivery_id, d.channel, d.address, d.attempts, w.warning_id, w.severity, w.title_en, w.title_zh, w.body_en,
       w.body_zh, w.order_id, w.created_at, v.vin, p.p256dh, p.auth, p.gone_at,
       coalesce(o.locale, 'zh') AS locale
FROM deliveries d
JOIN warnings w USING (warning_id)
JOIN vehicles v USING (vehicle_id)
LEFT JOIN push_subscriptions p ON d.channel = 'webpush' AND p.endpoint = d.address
LEFT JOIN owners o ON o.owner_id = p.owner_id
WHERE d.state = 'pending' AND d.next_attempt_at <= %(now)s AND d.channel = ANY(%(channels)s)
ORDER BY w.severity, d.next_attempt_at, d.delivery_id LIMIT 1
FOR UPDATE OF d SKIP LOCKED;

-- seconds_to_next --
SELECT extract(epoch FROM min(next_attempt_at) - %(now)s)::float AS seconds FROM deliveries
WHERE state = 'pending' AND channel = ANY(%(channels)s);

-- mark_sent --
UPDATE deliveries SET state = 'sent', attempts = attempts + 1, sent_at = %(now)s, last_error = NULL
WHERE delivery_id = %(delivery_id)s AND state = 'pending';

-- mark_failed --
UPDATE deliveries SET state = 'failed', attempts = attempts + 1, last_error = %(detail)s
WHERE delivery_id = %(delivery_id)s;

-- postpone --
UPDATE deliveries SET attempts = attempts + 1, next_attempt_at = %(next_attempt_at)s, last_error = %(detail)s
WHERE delivery_id = %(delivery_id)s;

-- insert_receipt --
INSERT INTO delivery_receipts (delivery_id, attempt, at, outcome, detail)
VALUES (%(delivery_id)s, %(attempt)s, %(now)s, %(outcome)s, %(detail)s);

-- mark_gone --
UPDATE push_subscriptions SET gone_at = %(now)s WHERE endpoint = %(endpoint)s AND gone_at IS NULL;

-- receive --
-- The receiver's own word counts once for each delivery, whatever the sender knows.
WITH got AS (
    UPDATE deliveries SET state = 'received', received_at = %(now)s
    WHERE warning_id = %(warning_id)s AND channel = %(channel)s AND state <> 'received'
      AND (%(address)s::text IS NULL OR address = %(address)s)
    RETURNING delivery_id, attempts
)
INSERT INTO delivery_receipts (delivery_id, attempt, at, outcome)
SELECT delivery_id, attempts, %(now)s, 'received' FROM got;

-- receive_from_vehicles --
-- Receipts that vehicles sent as events with the warning's id as code; a vehicle can only receive its own warnings.
WITH got AS (
    UPDATE deliveries d SET state = 'received', received_at = e.received
    FROM warnings w, vehicle_events e
    WHERE d.warning_id = w.warning_id AND d.channel = 'mqtt' AND d.state <> 'received'
      AND e.vehicle_id = w.vehicle_id AND e.kind = 'warning_receipt' AND e.code = w.warning_id::text
      AND e.vehicle_id = %(vehicle_id)s AND e.time BETWEEN %(after)s AND %(until)s
    RETURNING d.delivery_id, d.attempts, e.received
)
INSERT INTO delivery_receipts (delivery_id, attempt, at, outcome)
SELECT delivery_id, attempts, received, 'received' FROM got;

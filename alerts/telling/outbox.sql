-- The outbox: who is to be told what, and what became of it.

-- claim_due --
-- One row at a time, so that a sender that dies holds up nobody.
SELECT d.delivery_id FROM deliveries d LEFT JOIN warnings w USING (warning_id)
WHERE d.state = 'pending' AND d.next_attempt_at <= %(now)s AND d.channel = ANY(%(channels)s)
ORDER BY w.severity NULLS LAST, d.next_attempt_at, d.delivery_id LIMIT 1
FOR UPDATE OF d SKIP LOCKED;

-- fetch_due_addresses --
-- Addresses that something is due for, the most urgent first; those that did not answer rest.
SELECT d.channel, d.address
FROM deliveries d
LEFT JOIN warnings w USING (warning_id)
LEFT JOIN address_pauses a ON a.channel = d.channel AND a.address = d.address AND a.until > %(now)s
WHERE d.state = 'pending' AND d.next_attempt_at <= %(now)s AND d.channel = ANY(%(channels)s) AND a.until IS NULL
GROUP BY d.channel, d.address
ORDER BY min(w.severity) NULLS LAST, min(d.next_attempt_at) LIMIT 32;

-- try_lock_address --
SELECT pg_try_advisory_xact_lock(%(lock)s, hashtext(%(channel)s || ' ' || %(address)s)) AS is_mine;

-- claim_due_at --
SELECT d.delivery_id FROM deliveries d LEFT JOIN warnings w USING (warning_id)
WHERE d.state = 'pending' AND d.next_attempt_at <= %(now)s AND d.channel = %(channel)s AND d.address = %(address)s
ORDER BY w.severity NULLS LAST, d.delivery_id LIMIT 1
FOR UPDATE OF d SKIP LOCKED;

-- fetch_delivery --
-- With all that any channel needs; is_known: the receiver still wants to hear from us there.
SELECT d.delivery_id, d.channel, d.address, d.audience, d.attempts, d.created_at, d.order_id AS told_order_id,
       d.event_id, w.warning_id, coalesce(w.severity, 'S4') AS severity, coalesce(w.title_en, '') AS title_en,
       coalesce(w.title_zh, '') AS title_zh, coalesce(w.body_en, '') AS body_en, coalesce(w.body_zh, '') AS body_zh,
       w.order_id, w.created_at AS warned_at, v.vin, v.plate, p.p256dh, p.auth,
       coalesce(po.locale, vo.locale, co.locale, 'zh') AS locale, coalesce(h.secret, c.secret) AS secret, c.code,
       CASE WHEN d.channel = 'webpush' THEN p.endpoint IS NOT NULL AND p.gone_at IS NULL
            WHEN d.audience IN ('desk', 'station') THEN h.webhook_id IS NOT NULL
            WHEN d.channel = 'mqtt' THEN true
            WHEN d.contact_id IS NOT NULL THEN c.code IS NOT NULL
            ELSE c.contact_id IS NOT NULL END AS is_known
FROM deliveries d
LEFT JOIN warnings w USING (warning_id)
LEFT JOIN vehicles v ON v.vehicle_id = w.vehicle_id
LEFT JOIN owners vo ON vo.owner_id = v.owner_id
LEFT JOIN push_subscriptions p ON d.channel = 'webpush' AND p.endpoint = d.address
LEFT JOIN owners po ON po.owner_id = p.owner_id
LEFT JOIN contact_ways c ON c.contact_id = d.contact_id
    OR d.audience IN ('owner', 'emergency') AND c.owner_id = v.owner_id AND c.channel = d.channel
       AND c.address = d.address
LEFT JOIN owners co ON co.owner_id = c.owner_id
LEFT JOIN webhooks h ON h.webhook_id = d.webhook_id
WHERE d.delivery_id = %(delivery_id)s;

-- seconds_to_next --
SELECT extract(epoch FROM min(greatest(d.next_attempt_at, a.until)) - %(now)s)::float AS seconds
FROM deliveries d LEFT JOIN address_pauses a ON a.channel = d.channel AND a.address = d.address
WHERE d.state = 'pending' AND d.channel = ANY(%(channels)s);

-- mark_sent --
UPDATE deliveries SET state = 'sent', attempts = attempts + 1, sent_at = %(now)s, last_error = NULL
WHERE delivery_id = %(delivery_id)s AND state = 'pending';

-- mark_failed --
UPDATE deliveries SET state = 'failed', attempts = attempts + 1, last_error = %(detail)s
WHERE delivery_id = %(delivery_id)s;

-- hasten_next_step --
-- A way that took the warning nowhere must not cost the time until the next one.
UPDATE warnings SET next_step_at = %(now)s
WHERE warning_id = %(warning_id)s AND acknowledged_at IS NULL AND superseded_by IS NULL;

-- postpone --
UPDATE deliveries SET attempts = attempts + 1, next_attempt_at = %(next_attempt_at)s, last_error = %(detail)s
WHERE delivery_id = %(delivery_id)s;

-- pause_address --
INSERT INTO address_pauses AS a (channel, address, failures, until)
VALUES (%(channel)s, %(address)s, 1, %(now)s + %(first)s)
ON CONFLICT (channel, address) DO UPDATE SET
    failures = a.failures + 1,
    until = %(now)s + least(%(longest)s::interval, %(first)s::interval * power(2, least(a.failures, 16)))
RETURNING until;

-- resume_address --
DELETE FROM address_pauses WHERE channel = %(channel)s AND address = %(address)s;

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

-- fetch_order_message --
-- A repair order as its station's system is told of it: what it is now, and what happened.
SELECT o.order_id, o.version, o.state, o.severity, o.mode, o.component, o.failure_mode, o.complaint,
       o.opened_at, o.deadline, lower(o.slot) AS slot_start, upper(o.slot) AS slot_end, o.begun_at, o.repaired_at,
       o.updated_at, o.odometer_in_km, o.odometer_out_km, o.correction, o.part_removed, o.currency, o.total,
       o.customer_total, o.agreed_total, o.reasons, o.origin, v.vin, v.model_id, s.code AS station, b.name AS bay,
       t.name AS technician, e.at, e.actor, e.from_state, e.to_state, e.reason,
       (SELECT jsonb_build_object('outcome', f.outcome, 'cause', f.cause, 'measured_value', f.measured_value,
                   'measured_unit', f.measured_unit, 'trouble_codes', f.trouble_codes)
        FROM order_findings f WHERE f.order_id = o.order_id ORDER BY f.finding_id DESC LIMIT 1) AS finding,
       coalesce((SELECT jsonb_agg(jsonb_build_object('kind', l.kind, 'code', l.code, 'text_en', l.text_en,
                     'text_zh', l.text_zh, 'qty', l.qty::text, 'unit_price', l.unit_price::text,
                     'amount', l.amount::text, 'payer', l.payer, 'payer_en', l.payer_en, 'payer_zh', l.payer_zh,
                     'reserved', r.state) ORDER BY l.line)
                 FROM order_lines l
                 LEFT JOIN part_reservations r ON r.order_id = l.order_id AND r.sku = l.code AND l.kind = 'part'
                 WHERE l.order_id = o.order_id), '[]') AS lines
FROM repair_orders o
JOIN vehicles v USING (vehicle_id)
LEFT JOIN order_events e ON e.event_id = %(event_id)s
LEFT JOIN stations s ON s.station_id = o.station_id
LEFT JOIN bays b ON b.bay_id = o.bay_id
LEFT JOIN technicians t ON t.technician_id = o.technician_id
WHERE o.order_id = %(order_id)s;

-- Warnings to owners: what is told, to whom, and until who knows.

-- fetch_ways --
-- Owners' ways in order of fallback, all browsers as one; state: of what was sent there of a warning.
WITH ways AS (
    SELECT p.owner_id, 'webpush' AS channel, p.endpoint AS address, o.push_rank AS rank, 0 AS contact_id
    FROM push_subscriptions p JOIN owners o USING (owner_id)
    WHERE p.owner_id = ANY(%(owner_ids)s) AND p.gone_at IS NULL
    UNION ALL
    SELECT owner_id, channel, address, rank, contact_id FROM contact_ways
    WHERE owner_id = ANY(%(owner_ids)s) AND verified_at IS NOT NULL AND NOT is_emergency
)
SELECT w.owner_id, w.channel, w.address,
       dense_rank() OVER (PARTITION BY w.owner_id ORDER BY w.rank, w.contact_id)::int AS place, d.state
FROM ways w
LEFT JOIN deliveries d ON d.warning_id = %(warning_id)s AND d.channel = w.channel AND d.address = w.address
ORDER BY w.owner_id, place, w.address;

-- fetch_desk --
-- Who is told when the owner does not answer.
SELECT channel, address, 'emergency' AS audience, NULL::int AS webhook_id FROM contact_ways
WHERE owner_id = %(owner_id)s AND verified_at IS NOT NULL AND is_emergency
UNION ALL
SELECT 'webhook', url, 'desk', webhook_id FROM webhooks WHERE tenant_id = %(tenant_id)s AND station_id IS NULL;

-- fetch_wishes --
SELECT owner_id, quiet_from, quiet_to, time_zone FROM owners WHERE owner_id = ANY(%(owner_ids)s);

-- fetch_recent --
-- When owners were told something, the newest first; what was replaced before it was told does not count.
SELECT o.owner_id, recent.created_at FROM unnest(%(owner_ids)s::int[]) AS o (owner_id)
CROSS JOIN LATERAL (
    SELECT w.created_at FROM warnings w JOIN vehicles v USING (vehicle_id)
    WHERE v.owner_id = o.owner_id AND w.created_at > %(after)s AND (w.step > 0 OR w.superseded_by IS NULL)
    ORDER BY w.created_at DESC LIMIT %(limit)s) recent
ORDER BY o.owner_id, recent.created_at DESC;

-- fetch_unacknowledged --
-- What nobody has acknowledged yet about the same orders, or without one about the same alerts.
SELECT warning_id, order_id, alert_id, severity, step, clock_from, desk_at FROM warnings
WHERE acknowledged_at IS NULL AND superseded_by IS NULL AND clock_from IS NOT NULL
  AND vehicle_id = ANY(%(vehicle_ids)s)
  AND (order_id = ANY(%(order_ids)s::bigint[]) OR order_id IS NULL AND alert_id = ANY(%(alert_ids)s::bigint[]))
ORDER BY warning_id FOR UPDATE;

-- insert_warnings --
-- Exactly one per transition, with what goes out at once; the ones it replaces go no further.
WITH made AS (
    INSERT INTO warnings (warning_id, tenant_id, vehicle_id, alert_id, order_id, transition, severity, title_en,
                          title_zh, body_en, body_zh, created_at, step, clock_from, next_step_at, desk_at)
    SELECT gen_random_uuid(), tenant_id, vehicle_id, alert_id, order_id, transition, severity, title_en, title_zh,
           body_en, body_zh, %(now)s, step, clock_from, next_step_at, desk_at
    FROM unnest(%(tenant_id)s::int[], %(vehicle_id)s::int[], %(alert_id)s::bigint[], %(order_id)s::bigint[],
                %(transition)s::text[], %(severity)s::text[], %(title_en)s::text[], %(title_zh)s::text[],
                %(body_en)s::text[], %(body_zh)s::text[], %(step)s::int[], %(clock_from)s::timestamptz[],
                %(next_step_at)s::timestamptz[], %(desk_at)s::timestamptz[])
         AS n (tenant_id, vehicle_id, alert_id, order_id, transition, severity, title_en, title_zh, body_en, body_zh,
               step, clock_from, next_step_at, desk_at)
    ON CONFLICT (transition) DO NOTHING
    RETURNING warning_id, transition
), replaced AS (
    UPDATE warnings w SET superseded_by = made.warning_id, next_step_at = NULL
    FROM made JOIN unnest(%(replaced)s::uuid[], %(replaced_by)s::text[]) AS r (warning_id, transition) USING (transition)
    WHERE w.warning_id = r.warning_id
), queued AS (
    INSERT INTO deliveries (warning_id, channel, address, audience, webhook_id, state, next_attempt_at,
                            created_at)
    SELECT made.warning_id, t.channel, t.address, t.audience, t.webhook_id, 'pending', %(now)s, %(now)s
    FROM made JOIN unnest(%(told)s::text[], %(channels)s::text[], %(addresses)s::text[], %(audiences)s::text[],
                          %(webhook_ids)s::int[]) AS t (transition, channel, address, audience, webhook_id)
         USING (transition)
)
SELECT warning_id, transition FROM made;

-- claim_step --
-- The most urgent warning that has to go on, locked until the end of the transaction. Once somebody works on the
-- vehicle, or has ended its order, nobody needs to be reached any more.
SELECT w.warning_id, w.tenant_id, t.name AS tenant, w.vehicle_id, v.vin, v.owner_id, w.alert_id, w.order_id,
       w.severity, w.step, w.clock_from, w.desk_at,
       coalesce(o.state NOT IN ('predicted', 'triaged', 'offered', 'booked', 'dispatched'), false) AS is_settled
FROM warnings w
JOIN vehicles v USING (vehicle_id)
JOIN tenants t ON t.tenant_id = w.tenant_id
LEFT JOIN repair_orders o ON o.order_id = w.order_id
WHERE w.next_step_at <= %(now)s
ORDER BY w.severity, w.next_step_at LIMIT 1
FOR UPDATE OF w SKIP LOCKED;

-- advance_warning --
WITH queued AS (
    INSERT INTO deliveries (warning_id, channel, address, audience, webhook_id, state, next_attempt_at,
                            created_at)
    SELECT %(warning_id)s, t.channel, t.address, t.audience, t.webhook_id, 'pending', %(now)s, %(now)s
    FROM unnest(%(channels)s::text[], %(addresses)s::text[], %(audiences)s::text[], %(webhook_ids)s::int[])
         AS t (channel, address, audience, webhook_id)
    ON CONFLICT (warning_id, channel, address) DO NOTHING
)
UPDATE warnings SET step = %(step)s, clock_from = %(clock_from)s, next_step_at = %(next_step_at)s,
    desk_at = coalesce(desk_at, %(desk_at)s)
WHERE warning_id = %(warning_id)s;

-- seconds_to_next_step --
SELECT extract(epoch FROM min(next_step_at) - %(now)s)::float AS seconds FROM warnings WHERE next_step_at IS NOT NULL;

-- acknowledge --
UPDATE warnings SET acknowledged_at = %(now)s, acknowledged_by = %(actor)s, next_step_at = NULL
WHERE acknowledged_at IS NULL
  AND (order_id = %(order_id)s OR order_id IS NULL AND alert_id = %(alert_id)s)
RETURNING warning_id;

-- fetch_subject --
SELECT order_id, alert_id FROM warnings WHERE warning_id = %(warning_id)s;

-- fetch_person_receipts --
-- Warnings that somebody in the vehicle said they had read; a vehicle can only speak of its own.
SELECT DISTINCT w.warning_id FROM warnings w JOIN vehicle_events e USING (vehicle_id)
WHERE e.kind = 'warning_receipt' AND e.code = w.warning_id::text AND e.data ->> 'by' = 'person'
  AND w.acknowledged_at IS NULL
  AND e.vehicle_id = %(vehicle_id)s AND e.time BETWEEN %(after)s AND %(until)s;

-- raise_unacknowledged --
-- For the list that operations work off.
INSERT INTO concerns (tenant_id, vehicle_id, order_id, alert_id, kind, audience, detail, raised_at)
SELECT tenant_id, vehicle_id, order_id, alert_id, 'unacknowledged', 'operations', detail, %(now)s
FROM unnest(%(tenant_id)s::int[], %(vehicle_id)s::int[], %(order_id)s::bigint[], %(alert_id)s::bigint[],
            %(detail)s::text[]) AS n (tenant_id, vehicle_id, order_id, alert_id, detail)
ON CONFLICT (vehicle_id, coalesce(order_id, 0), coalesce(alert_id, 0), kind) WHERE settled_at IS NULL DO NOTHING;

-- settle_unacknowledged --
UPDATE concerns SET settled_at = %(now)s
WHERE kind = 'unacknowledged' AND settled_at IS NULL AND (order_id = %(order_id)s OR alert_id = %(alert_id)s);

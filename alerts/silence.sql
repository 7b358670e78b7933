-- Vehicles that send nothing any more, and those that are heard again.

-- try_lock --
SELECT pg_try_advisory_xact_lock(%(lock)s);

-- fetch_silent --
-- Whose newest message is older than the shorter of their tenant's hours, with what they said last and the alert that
-- is open about it.
WITH heard AS MATERIALIZED (
    SELECT vehicle_id, max(last_received) AS heard_at FROM message_streams GROUP BY vehicle_id
)
SELECT v.vehicle_id, v.tenant_id, l.heard_at, t.lost_after_h, t.parked_after_h, coalesce(d.readings, '{}') AS readings,
       coalesce(s.missing_count, 0) AS missing_count, coalesce(s.origin, d.origin, 'real') AS origin,
       (SELECT min(a.severity) FROM alerts a WHERE a.vehicle_id = v.vehicle_id AND a.state IN ('open', 'acknowledged')
           AND a.failure_mode <> %(failure_mode)s) AS worst, k.severity
FROM vehicles v
JOIN tenants t USING (tenant_id)
LEFT JOIN heard h USING (vehicle_id)
CROSS JOIN LATERAL (
    SELECT coalesce(h.heard_at, (SELECT max(received) FROM vehicle_latest x WHERE x.vehicle_id = v.vehicle_id)) AS heard_at
) l
LEFT JOIN vehicle_latest d ON d.vehicle_id = v.vehicle_id AND d.family = 'drive'
LEFT JOIN LATERAL (
    SELECT origin, (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(missing) AS r
                    WHERE upper(r) > m.high)::int AS missing_count  -- the last ones that it sent
    FROM message_streams m WHERE m.vehicle_id = v.vehicle_id ORDER BY last_received DESC LIMIT 1
) s ON true
LEFT JOIN alerts k ON k.vehicle_id = v.vehicle_id AND k.component = %(component)s
    AND k.failure_mode = %(failure_mode)s AND k.state <> 'cleared'
WHERE v.retired_at IS NULL AND l.heard_at <= %(now)s - least(t.lost_after_h, t.parked_after_h) * interval '1 hour'
ORDER BY l.heard_at DESC;

-- raise_silence --
WITH raised AS (
    INSERT INTO alerts (tenant_id, vehicle_id, component, failure_mode, severity, state, first_seen, raised_at,
                        last_seen, origin, updated_at)
    VALUES (%(tenant_id)s, %(vehicle_id)s, %(component)s, %(failure_mode)s, %(severity)s, 'open', %(heard_at)s, %(now)s,
            %(heard_at)s, %(origin)s, %(now)s)
    ON CONFLICT (vehicle_id, component, failure_mode) WHERE state <> 'cleared' DO UPDATE SET
        severity = excluded.severity, state = 'open', updated_at = excluded.updated_at
        WHERE alerts.severity > excluded.severity
    RETURNING alert_id, tenant_id, vehicle_id
), noted AS (
    INSERT INTO alert_events (alert_id, at, actor, from_state, to_state, reason)
    SELECT alert_id, %(now)s, %(actor)s, (
        SELECT state FROM alerts WHERE vehicle_id = %(vehicle_id)s AND component = %(component)s
            AND failure_mode = %(failure_mode)s AND state <> 'cleared'), 'open', %(reason)s FROM raised
), listed AS (
    INSERT INTO concerns (tenant_id, vehicle_id, alert_id, kind, audience, detail, raised_at)
    SELECT tenant_id, vehicle_id, alert_id, 'silent', 'operations', %(reason)s, %(now)s FROM raised WHERE %(is_lost)s
    ON CONFLICT (vehicle_id, coalesce(order_id, 0), coalesce(alert_id, 0), kind) WHERE settled_at IS NULL
        DO UPDATE SET detail = excluded.detail
)
SELECT alert_id FROM raised;

-- end_silence --
-- With the first message, whatever its urgency: the silence is over.
WITH heard AS MATERIALIZED (
    SELECT a.alert_id, a.state FROM alerts a JOIN vehicles v USING (vehicle_id)
    WHERE a.failure_mode = %(failure_mode)s AND a.component = %(component)s AND a.state <> 'cleared'
      AND (v.retired_at IS NOT NULL
        OR a.first_seen < (SELECT max(last_received) FROM message_streams m WHERE m.vehicle_id = a.vehicle_id)
        OR a.first_seen < (SELECT max(received) FROM vehicle_latest x WHERE x.vehicle_id = a.vehicle_id))
    FOR UPDATE OF a SKIP LOCKED
), ended AS (
    UPDATE alerts SET state = 'cleared', cleared_at = %(now)s, updated_at = %(now)s
    WHERE alert_id IN (SELECT alert_id FROM heard)
), settled AS (
    UPDATE concerns SET settled_at = %(now)s
    WHERE alert_id IN (SELECT alert_id FROM heard) AND kind = 'silent' AND settled_at IS NULL
)
INSERT INTO alert_events (alert_id, at, actor, from_state, to_state, reason)
SELECT alert_id, %(now)s, %(actor)s, state, 'cleared', 'heard again, or out of service' FROM heard
RETURNING alert_id;

-- fetch_hours --
SELECT lost_after_h, parked_after_h FROM tenants WHERE tenant_id = %(tenant_id)s;

-- set_hours --
UPDATE tenants SET lost_after_h = %(lost_after_h)s, parked_after_h = %(parked_after_h)s WHERE tenant_id = %(tenant_id)s
RETURNING lost_after_h, parked_after_h;

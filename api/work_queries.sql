-- What the station's and the owner's pages show of the work.

-- fetch_work --
SELECT o.odometer_in_km, o.odometer_out_km, o.correction, o.part_removed, o.agreed_total, upper(o.slot) AS promised_at,
    o.begun_at IS NOT NULL AS has_begun,
    coalesce((SELECT jsonb_agg(jsonb_build_object('at', f.found_at, 'by', f.found_by, 'outcome', f.outcome,
        'cause', f.cause, 'measured_value', f.measured_value, 'measured_unit', f.measured_unit,
        'trouble_codes', f.trouble_codes, 'onset', f.onset) ORDER BY f.finding_id)
        FROM order_findings f WHERE f.order_id = o.order_id), '[]') AS findings,
    (SELECT jsonb_build_object('lines', e.lines, 'total', e.total::text,
        'customer_total', e.customer_total::text, 'reason', e.reason, 'proposed_at', e.proposed_at,
        'decision', e.decision, 'decided_at', e.decided_at)
        FROM order_estimates e WHERE e.order_id = o.order_id ORDER BY e.estimate_id DESC LIMIT 1) AS estimate,
    coalesce((SELECT jsonb_agg(jsonb_build_object('at', g.at, 'kind', g.kind, 'technician', t.name,
        'measured_v', g.measured_v) ORDER BY g.signoff_id)
        FROM order_signoffs g JOIN technicians t USING (technician_id) WHERE g.order_id = o.order_id), '[]')
        AS signoffs,
    (SELECT jsonb_build_object('station_stars', r.station_stars, 'warning_stars', r.warning_stars,
        'comment', r.comment, 'rated_at', r.rated_at)
        FROM order_ratings r WHERE r.order_id = o.order_id) AS rating,
    (SELECT jsonb_build_object('outcome', l.outcome, 'cause', l.cause, 'component', l.component,
        'failure_mode', l.failure_mode, 'part_removed', l.part_removed, 'measured_value', l.measured_value,
        'measured_unit', l.measured_unit, 'onset', l.onset, 'found_at', l.found_at, 'decided_at', l.decided_at,
        'model_version', l.model_version)
        FROM outcomes l WHERE l.order_id = o.order_id) AS label,
    coalesce((SELECT jsonb_agg(jsonb_build_object('alert_id', a.alert_id, 'component', a.component,
        'failure_mode', a.failure_mode, 'severity', a.severity, 'order_id', f.order_id, 'state', b.state,
        'reason', f.reason) ORDER BY a.alert_id)
        FROM visit_findings f JOIN alerts a USING (alert_id) LEFT JOIN repair_orders b ON b.order_id = f.order_id
        WHERE f.visit_id = o.order_id AND f.order_id IS DISTINCT FROM o.order_id), '[]') AS beside,
    (SELECT min(f.visit_id) FROM visit_findings f WHERE f.order_id = o.order_id AND f.visit_id <> o.order_id)
        AS visit_id
FROM repair_orders o WHERE o.order_id = %(order_id)s;

-- note_views --
-- Who of a station saw personal data of what: once an hour each, however often a page is fetched again.
INSERT INTO audit_events (tenant_id, at, actor, action, subject)
SELECT %(tenant_id)s, now(), %(actor)s, 'personal_data.view', subject
FROM unnest(%(subjects)s::text[]) AS subject
WHERE NOT EXISTS (
    SELECT FROM audit_events e
    WHERE e.tenant_id = %(tenant_id)s AND e.subject = subject.subject AND e.action = 'personal_data.view'
        AND e.actor = %(actor)s AND e.at > now() - interval '1 hour');

-- fetch_concerns --
SELECT c.concern_id, c.kind, c.audience, c.detail, v.vin, c.order_id, c.alert_id,
    coalesce(o.severity, a.severity) AS severity, s.code AS station_code, c.raised_at
FROM concerns c
JOIN vehicles v USING (vehicle_id)
LEFT JOIN repair_orders o ON o.order_id = c.order_id
LEFT JOIN alerts a ON a.alert_id = c.alert_id
LEFT JOIN stations s ON s.station_id = o.station_id
WHERE c.tenant_id = %(tenant_id)s AND c.settled_at IS NULL
    AND (%(station_id)s::int IS NULL OR (c.audience = 'station' AND o.station_id = %(station_id)s))
ORDER BY coalesce(o.severity, a.severity, 'S4'), c.raised_at, c.concern_id LIMIT 500;

-- What needs a person, seen from the orders that are open.

-- fetch_current --
-- Work is done as long after its begin as it was planned; what has not begun could begin now.
SELECT o.tenant_id, o.vehicle_id, o.order_id, o.state, c.kind, c.audience, c.detail
FROM repair_orders o
JOIN vehicles v USING (vehicle_id)
CROSS JOIN LATERAL (
    SELECT o.state = ANY(%(at_work)s) AS is_at_work, upper(o.slot) AS promised_at,
           upper(o.slot) - lower(o.slot) AS planned
) p
CROSS JOIN LATERAL (
    VALUES
    ('no_station', 'operations', o.state = 'triaged' AND o.waiting_reason <> %(planning_failed)s
        AND o.waiting_reason <> ALL(%(held)s), o.waiting_reason),
    ('planning_failed', 'operations', o.state = 'triaged' AND o.waiting_reason = %(planning_failed)s, o.waiting_reason),
    ('unanswered', 'operations', o.state = 'offered' AND lower(o.slot) <= %(now)s,
        'the time offered has come without an answer'),
    ('not_arrived', 'operations', o.state = 'dispatched'
        AND lower(o.slot) + %(no_show_after_minutes)s * interval '1 minute' <= %(now)s,
        'sent out and not checked in'),
    ('overrun', 'station', p.is_at_work AND o.begun_at + (1 + %(overrun_share)s) * p.planned <= %(now)s,
        'the work takes longer than planned'),
    ('promise_at_risk', 'station', p.is_at_work AND p.promised_at > %(now)s
        AND p.promised_at - %(promise_warning_h)s * interval '1 hour' <= %(now)s
        AND coalesce(o.begun_at, %(now)s) + p.planned > p.promised_at,
        'the work will not be done when promised'),
    ('promise_broken', 'operations', p.is_at_work AND p.promised_at <= %(now)s, 'the work is not done as promised'),
    ('owner_changed', 'operations', (p.is_at_work OR o.state = 'dispatched') AND o.opened_at < v.owner_since,
        'the vehicle has another owner: who agrees and who pays?'),
    ('vehicle_retired', 'operations', v.retired_at IS NOT NULL, 'the vehicle is out of service')
) c (kind, audience, holds, detail)
WHERE o.state NOT IN ('ready', 'invoiced', 'closed', 'cancelled', 'declined', 'no_fault_found', 'paid') AND c.holds
ORDER BY o.severity, o.order_id;

-- raise_for_order --
INSERT INTO concerns (tenant_id, vehicle_id, order_id, kind, audience, detail, raised_at)
VALUES (%(tenant_id)s, %(vehicle_id)s, %(order_id)s, %(kind)s, %(audience)s, %(detail)s, %(now)s)
ON CONFLICT (vehicle_id, coalesce(order_id, 0), coalesce(alert_id, 0), kind) WHERE settled_at IS NULL DO NOTHING
RETURNING concern_id;

-- settle_others --
UPDATE concerns c SET settled_at = %(now)s
WHERE settled_at IS NULL AND order_id IS NOT NULL AND kind = ANY(%(kinds)s)
  AND NOT EXISTS (SELECT FROM unnest(%(order_ids)s::bigint[], %(current_kinds)s::text[]) AS h (order_id, kind)
                  WHERE h.order_id = c.order_id AND h.kind = c.kind)
RETURNING order_id;

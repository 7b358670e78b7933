-- What helps a technician; whether the caller may see the order has been decided before.

-- fetch_codes --
-- Trouble codes of the order's vehicle that failed and were confirmed (ISO 14229-1 status bits 0 and 3; a code
-- without status counts) within 30 days, and what the station has read out itself.
SELECT code, ecu, max(last_seen) AS last_seen FROM (
    SELECT c.code, c.ecu, c.time AS last_seen
    FROM trouble_codes c JOIN repair_orders o USING (vehicle_id)
    WHERE o.order_id = %(order_id)s AND c.time > %(now)s::timestamptz - interval '30 days'
        AND (c.status IS NULL OR c.status & 9 <> 0)
    UNION ALL
    SELECT unnest(f.trouble_codes), NULL, f.found_at FROM order_findings f WHERE f.order_id = %(order_id)s
) seen
GROUP BY code, ecu ORDER BY 3 DESC, 1 LIMIT 20;

-- Requests for readings on their way to vehicles.

-- take_requests --
SELECT r.request_id, r.signals, r.expires_at, t.name AS tenant, v.vin
FROM reading_requests r JOIN vehicles v USING (vehicle_id) JOIN tenants t USING (tenant_id)
WHERE r.sent_at IS NULL AND r.expires_at > %(now)s
ORDER BY r.asked_at LIMIT 100
FOR UPDATE OF r SKIP LOCKED;

-- mark_sent --
UPDATE reading_requests SET sent_at = %(now)s WHERE request_id = ANY(%(request_ids)s);

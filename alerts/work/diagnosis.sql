-- Requests for readings of a vehicle.

-- is_waiting --
-- Asked, neither answered nor expired. The vehicle's answer is an event of its own.
SELECT EXISTS (
    SELECT FROM reading_requests r
    WHERE r.vehicle_id = %(vehicle_id)s AND r.expires_at > %(now)s AND r.asked_at > %(now)s::timestamptz - interval '1 day'
        AND NOT EXISTS (SELECT FROM vehicle_events e WHERE e.vehicle_id = r.vehicle_id AND e.kind = 'answer'
            AND e.code = r.request_id::text AND e.time > r.asked_at - interval '1 day'));

-- insert_request --
INSERT INTO reading_requests (order_id, vehicle_id, signals, asked_at, asked_by, expires_at)
VALUES (%(order_id)s, %(vehicle_id)s, %(signals)s, %(now)s, %(actor)s, %(expires_at)s)
RETURNING request_id;

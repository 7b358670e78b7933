-- SQL of ingest/store_cuts.py: halves of transfers that a CAN message does not hold whole.

-- insert_cuts --
INSERT INTO cut_transfers (vehicle_id, bus, width, is_rest, first_time, last_time, frames, origin, is_hist, received)
SELECT * FROM unnest(%(vehicle_id)s::int[], %(bus)s::text[], %(width)s::smallint[], %(is_rest)s::boolean[],
    %(first_time)s::timestamptz[], %(last_time)s::timestamptz[], %(frames)s::bytea[], %(origin)s::text[],
    %(is_hist)s::boolean[], %(received)s::timestamptz[])
ON CONFLICT DO NOTHING

-- delete_cuts --
DELETE FROM cut_transfers c
USING unnest(%(vehicle_id)s::int[], %(bus)s::text[], %(width)s::smallint[], %(is_rest)s::boolean[],
    %(last_time)s::timestamptz[]) AS b (vehicle_id, bus, width, is_rest, last_time)
WHERE (c.vehicle_id, c.bus, c.width, c.is_rest, c.last_time) = (b.vehicle_id, b.bus, b.width, b.is_rest, b.last_time)

-- try_cuts_lock --
SELECT pg_try_advisory_xact_lock(%s)

-- fetch_cut_pairs --
-- Where a half has come lately: each rest with the latest beginning that it can go on from.
WITH fresh AS (SELECT DISTINCT vehicle_id, bus, width FROM cut_transfers WHERE received > %(since)s)
SELECT t.name AS tenant, v.vin, r.vehicle_id, r.bus, r.width, b.last_time AS begun_time, b.frames AS begun,
    r.last_time AS rest_time, r.frames AS rest, r.origin, r.is_hist, r.received
FROM fresh f
JOIN cut_transfers r ON (r.vehicle_id, r.bus, r.width) = (f.vehicle_id, f.bus, f.width) AND r.is_rest
JOIN vehicles v ON v.vehicle_id = r.vehicle_id
JOIN tenants t ON t.tenant_id = v.tenant_id
CROSS JOIN LATERAL (
    SELECT c.last_time, c.frames FROM cut_transfers c
    WHERE (c.vehicle_id, c.bus, c.width) = (r.vehicle_id, r.bus, r.width) AND NOT c.is_rest
        AND c.last_time BETWEEN r.first_time - %(pause)s::interval AND r.first_time
    ORDER BY c.last_time DESC LIMIT 1) b
ORDER BY r.vehicle_id, r.bus, r.width, r.last_time
LIMIT %(limit)s

-- forget_cuts --
-- Where a half has come lately only the newest are kept; the others go when they are too old to be asked for again.
DELETE FROM cut_transfers WHERE ctid IN (
    SELECT ctid FROM (
        SELECT ctid, row_number() OVER (PARTITION BY vehicle_id, bus, width, is_rest ORDER BY received DESC) AS rank
        FROM cut_transfers
        WHERE (vehicle_id, bus, width) IN (SELECT vehicle_id, bus, width FROM cut_transfers WHERE received > %(since)s)
    ) ranked WHERE rank > %(most)s)
    OR received < %(before)s

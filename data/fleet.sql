-- Vehicles and their owners, brought in by file, taken out of service, sold on.

-- fetch_known --
-- The vehicles of a file as they are registered now, locked in VIN order.
SELECT v.vin, v.vehicle_id, v.retired_at, v.owner_id, o.name AS owner_name, o.reference AS owner_ref
FROM vehicles v LEFT JOIN owners o USING (owner_id)
WHERE v.tenant_id = %(tenant_id)s AND v.vin = ANY(%(vins)s)
ORDER BY v.vin FOR UPDATE OF v

-- fetch_iccids --
SELECT iccid, vin FROM vehicles WHERE tenant_id = %(tenant_id)s AND iccid = ANY(%(iccids)s)

-- fetch_references --
SELECT reference, owner_id, name FROM owners
WHERE tenant_id = %(tenant_id)s AND reference = ANY(%(references)s)

-- insert_vehicles --
INSERT INTO vehicles (tenant_id, vin, model_id, plate, time_zone, iccid, in_service_on)
SELECT %(tenant_id)s, vin, model_id, plate, coalesce(time_zone, 'Asia/Shanghai'), iccid, in_service_on
FROM unnest(%(vins)s::text[], %(models)s::text[], %(plates)s::text[], %(time_zones)s::text[], %(iccids)s::text[],
        %(in_service)s::date[]) AS g (vin, model_id, plate, time_zone, iccid, in_service_on)

-- update_vehicles --
-- What the file does not say stays; a row that would not change is not written.
UPDATE vehicles v SET model_id = coalesce(g.model_id, v.model_id), plate = coalesce(g.plate, v.plate),
    time_zone = coalesce(g.time_zone, v.time_zone), iccid = coalesce(g.iccid, v.iccid),
    in_service_on = coalesce(g.in_service_on, v.in_service_on)
FROM unnest(%(vins)s::text[], %(models)s::text[], %(plates)s::text[], %(time_zones)s::text[], %(iccids)s::text[],
        %(in_service)s::date[]) AS g (vin, model_id, plate, time_zone, iccid, in_service_on)
WHERE v.tenant_id = %(tenant_id)s AND v.vin = g.vin
    AND (v.model_id, v.plate, v.time_zone, v.iccid, v.in_service_on) IS DISTINCT FROM (
        coalesce(g.model_id, v.model_id), coalesce(g.plate, v.plate), coalesce(g.time_zone, v.time_zone),
        coalesce(g.iccid, v.iccid), coalesce(g.in_service_on, v.in_service_on))
RETURNING v.vin

-- next_owner_ids --
SELECT nextval(pg_get_serial_sequence('owners', 'owner_id'))::int FROM generate_series(1, %(count)s)

-- insert_owners --
INSERT INTO owners (owner_id, tenant_id, name, reference) OVERRIDING SYSTEM VALUE
SELECT owner_id, %(tenant_id)s, name, reference
FROM unnest(%(owner_ids)s::int[], %(names)s::text[], %(references)s::text[]) AS g (owner_id, name, reference)

-- give_owners --
UPDATE vehicles v SET owner_id = g.owner_id
FROM unnest(%(vins)s::text[], %(owner_ids)s::int[]) AS g (vin, owner_id)
WHERE v.tenant_id = %(tenant_id)s AND v.vin = g.vin

-- update_owners --
UPDATE owners o SET name = coalesce(g.name, o.name), reference = coalesce(g.reference, o.reference),
    locale = coalesce(g.locale, o.locale), home_lat = coalesce(g.lat, o.home_lat),
    home_lon = coalesce(g.lon, o.home_lon)
FROM unnest(%(owner_ids)s::int[], %(names)s::text[], %(references)s::text[], %(locales)s::text[],
        %(lats)s::double precision[], %(lons)s::double precision[]) AS g (owner_id, name, reference, locale, lat, lon)
WHERE o.owner_id = g.owner_id
    AND (o.name, o.reference, o.locale, o.home_lat, o.home_lon) IS DISTINCT FROM (coalesce(g.name, o.name),
        coalesce(g.reference, o.reference), coalesce(g.locale, o.locale), coalesce(g.lat, o.home_lat),
        coalesce(g.lon, o.home_lon))
RETURNING o.owner_id

-- export_fleet --
SELECT v.vin, v.model_id AS model, v.plate, v.time_zone, v.iccid, o.reference AS owner_ref, o.name AS owner_name,
    o.locale, o.home_lat, o.home_lon, v.in_service_on
FROM vehicles v JOIN tenants t USING (tenant_id) LEFT JOIN owners o USING (owner_id)
WHERE t.name = %(tenant)s AND v.retired_at IS NULL ORDER BY v.vin

-- lock_vehicle --
SELECT v.vehicle_id, v.tenant_id, v.vin, v.owner_id, v.owner_since, v.retired_at, o.name AS owner_name
FROM vehicles v JOIN tenants t USING (tenant_id) LEFT JOIN owners o USING (owner_id)
WHERE t.name = %(tenant)s AND v.vin = %(vin)s FOR UPDATE OF v

-- set_retired --
UPDATE vehicles SET retired_at = %(retired_at)s WHERE vehicle_id = %(vehicle_id)s

-- close_streams --
UPDATE message_streams SET is_online = false WHERE vehicle_id = %(vehicle_id)s AND is_online

-- fetch_open_orders --
SELECT order_id FROM repair_orders WHERE vehicle_id = %(vehicle_id)s
    AND state NOT IN ('closed', 'cancelled', 'declined', 'no_fault_found', 'paid') ORDER BY order_id

-- insert_former_owner --
INSERT INTO former_owners (vehicle_id, owner_id, since, until)
VALUES (%(vehicle_id)s, %(owner_id)s, %(since)s, %(now)s)

-- set_owner --
UPDATE vehicles SET owner_id = %(owner_id)s, owner_since = %(now)s WHERE vehicle_id = %(vehicle_id)s

-- forget_position --
-- The newest readings are kept by signal, not by time: where the vehicle last was is the former owner's.
UPDATE vehicle_latest SET readings = readings - '{latitude,longitude,altitude,heading}'::text[]
WHERE vehicle_id = %(vehicle_id)s

-- withhold_messages --
-- What waits for the former owner and is about this vehicle is not sent any more, and goes on to nobody.
WITH ended AS (
    UPDATE warnings SET next_step_at = NULL WHERE vehicle_id = %(vehicle_id)s AND next_step_at IS NOT NULL
)
UPDATE deliveries d SET state = 'failed', last_error = 'the vehicle has another owner now'
FROM warnings w
WHERE d.warning_id = w.warning_id AND w.vehicle_id = %(vehicle_id)s AND d.state = 'pending'
    AND d.channel <> 'mqtt' AND d.audience IN ('owner', 'emergency')
RETURNING d.delivery_id

-- insert_audit --
INSERT INTO audit_events (tenant_id, at, actor, action, subject, data)
VALUES (%(tenant_id)s, %(at)s, %(actor)s, %(action)s, %(subject)s, %(data)s)

-- fetch_owner --
SELECT o.* FROM owners o JOIN tenants t USING (tenant_id) WHERE t.name = %(tenant)s AND o.owner_id = %(owner_id)s

-- owner_vehicles --
-- The vehicles of a person and since when until when they were theirs; NULL: from its registration, until now.
SELECT v.vehicle_id, v.vin, v.plate, v.retired_at, s.since, s.until
FROM (
    SELECT vehicle_id, owner_since AS since, NULL::timestamptz AS until FROM vehicles WHERE owner_id = %(owner_id)s
    UNION ALL
    SELECT vehicle_id, since, until FROM former_owners WHERE owner_id = %(owner_id)s
) s JOIN vehicles v USING (vehicle_id) JOIN tenants t USING (tenant_id)
WHERE t.name = %(tenant)s ORDER BY s.since NULLS FIRST, v.vin

-- owner_orders --
SELECT o.order_id, v.vin, o.component, o.failure_mode, o.state, o.opened_at, o.currency, o.total, o.customer_total,
    o.owner_answer
FROM repair_orders o JOIN vehicles v USING (vehicle_id) JOIN tenants t ON t.tenant_id = o.tenant_id
WHERE t.name = %(tenant)s AND EXISTS (
    SELECT FROM (
        SELECT vehicle_id, owner_since AS since, NULL::timestamptz AS until FROM vehicles WHERE owner_id = %(owner_id)s
        UNION ALL
        SELECT vehicle_id, since, until FROM former_owners WHERE owner_id = %(owner_id)s
    ) s WHERE s.vehicle_id = o.vehicle_id AND o.opened_at >= coalesce(s.since, '-infinity')
        AND o.opened_at < coalesce(s.until, 'infinity'))
ORDER BY o.order_id

-- owner_warnings --
SELECT w.warning_id, v.vin, w.severity, w.title_en, w.title_zh, w.body_en, w.body_zh, w.created_at
FROM warnings w JOIN vehicles v USING (vehicle_id) JOIN tenants t ON t.tenant_id = w.tenant_id
WHERE t.name = %(tenant)s AND EXISTS (
    SELECT FROM (
        SELECT vehicle_id, owner_since AS since, NULL::timestamptz AS until FROM vehicles WHERE owner_id = %(owner_id)s
        UNION ALL
        SELECT vehicle_id, since, until FROM former_owners WHERE owner_id = %(owner_id)s
    ) s WHERE s.vehicle_id = w.vehicle_id AND w.created_at >= coalesce(s.since, '-infinity')
        AND w.created_at < coalesce(s.until, 'infinity'))
ORDER BY w.created_at

-- owner_logins --
SELECT u.login, u.is_active FROM users u JOIN tenants t USING (tenant_id)
WHERE t.name = %(tenant)s AND u.owner_id = %(owner_id)s ORDER BY u.login

-- owner_devices --
SELECT p.endpoint, p.created_at, p.gone_at FROM push_subscriptions p JOIN owners o USING (owner_id)
JOIN tenants t USING (tenant_id) WHERE t.name = %(tenant)s AND p.owner_id = %(owner_id)s ORDER BY p.created_at

-- owner_contact_ways --
SELECT c.channel, c.address, c.is_emergency, c.rank, c.created_at, c.verified_at
FROM contact_ways c JOIN owners o USING (owner_id) JOIN tenants t USING (tenant_id)
WHERE t.name = %(tenant)s AND c.owner_id = %(owner_id)s ORDER BY c.rank, c.contact_id

-- owner_ratings --
SELECT order_id, station_stars, warning_stars, comment, rated_at FROM order_ratings
WHERE order_id = ANY(%(order_ids)s) ORDER BY order_id

-- owner_findings --
SELECT order_id, outcome, cause, measured_value, measured_unit, trouble_codes, onset, found_at FROM order_findings
WHERE order_id = ANY(%(order_ids)s) ORDER BY finding_id

-- erase_positions --
UPDATE drive_readings SET {nothing}
WHERE vehicle_id = %(vehicle_id)s AND time >= coalesce(%(since)s, '-infinity'::timestamptz)
    AND time < coalesce(%(until)s, 'infinity'::timestamptz) AND (latitude IS NOT NULL OR longitude IS NOT NULL)

-- erase_rolled_positions --
-- Whole buckets, whatever part of them lies in the span.
UPDATE {table} SET {nothing}
WHERE vehicle_id = %(vehicle_id)s AND bucket > coalesce(%(since)s::timestamptz - interval '1 hour', '-infinity')
    AND bucket < coalesce(%(until)s, 'infinity'::timestamptz)

-- note_erasure --
INSERT INTO rollup_debts AS r (vehicle_id, family, time_from, time_to, noted_at)
SELECT %(vehicle_id)s, %(family)s, min(time), max(time), '-infinity' FROM drive_readings
WHERE vehicle_id = %(vehicle_id)s AND time >= coalesce(%(since)s::timestamptz - interval '1 hour', '-infinity')
    AND time < coalesce(%(until)s::timestamptz + interval '1 hour', 'infinity')
HAVING min(time) IS NOT NULL
ON CONFLICT (vehicle_id, family) DO UPDATE SET
    time_from = least(r.time_from, excluded.time_from), time_to = greatest(r.time_to, excluded.time_to),
    noted_at = excluded.noted_at

-- erase_logins --
DELETE FROM users WHERE owner_id = %(owner_id)s

-- erase_keys --
DELETE FROM api_keys WHERE owner_id = %(owner_id)s

-- erase_addresses --
-- Where messages to a person went is kept with the messages; who acknowledged them may be a name.
WITH theirs AS (
    UPDATE warnings SET acknowledged_by = 'owner' WHERE warning_id = ANY(%(warning_ids)s) AND acknowledged_by LIKE 'owner:%%'
)
UPDATE deliveries SET address = 'erased ' || delivery_id, last_error = NULL
WHERE warning_id = ANY(%(warning_ids)s) AND channel <> 'mqtt' AND audience IN ('owner', 'emergency')

-- erase_contact_ways --
DELETE FROM contact_ways WHERE owner_id = %(owner_id)s

-- erase_comments --
UPDATE order_ratings SET comment = '' WHERE order_id = ANY(%(order_ids)s)

-- erase_devices --
DELETE FROM push_subscriptions WHERE owner_id = %(owner_id)s

-- erase_owner --
UPDATE owners SET name = 'erased', reference = NULL, home_lat = NULL, home_lon = NULL, erased_at = %(now)s,
    quiet_from = NULL, quiet_to = NULL, time_zone = NULL
WHERE owner_id = %(owner_id)s

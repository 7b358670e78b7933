-- Parts on their way, as stations and operations tell of them. Stock is locked in the order of stations and parts.

-- find_part --
SELECT sku FROM parts WHERE tenant_id = %(tenant_id)s AND sku = %(sku)s;

-- find_station --
SELECT station_id FROM stations WHERE tenant_id = %(tenant_id)s AND code = %(code)s;

-- fetch_arrivals --
SELECT a.arrival_id, s.code AS station, a.sku, p.name_en, p.name_zh, a.qty, a.reserved, a.expected_at, a.spread_h,
       a.source, g.code AS from_station, a.supplier, a.reference, a.state, a.announced_at, a.received_at
FROM part_arrivals a
JOIN stations s USING (station_id)
JOIN parts p ON p.tenant_id = s.tenant_id AND p.sku = a.sku
LEFT JOIN stations g ON g.station_id = a.from_station_id
WHERE s.tenant_id = %(tenant_id)s
    AND (%(station_id)s::int IS NULL OR %(station_id)s IN (a.station_id, a.from_station_id))
    AND (%(arrival_id)s::bigint IS NULL OR a.arrival_id = %(arrival_id)s)
    AND (%(arrival_id)s::bigint IS NOT NULL OR a.state IN ('expected', 'shipped'))
ORDER BY a.expected_at, a.arrival_id LIMIT 500;

-- fetch_to_order --
SELECT s.code AS station, o.sku, p.name_en, p.name_zh, o.free, o.coming, o.reorder_point, o.reorder_to, o.qty
FROM parts_to_order o
JOIN stations s USING (station_id)
JOIN parts p ON p.tenant_id = s.tenant_id AND p.sku = o.sku
WHERE s.tenant_id = %(tenant_id)s AND (%(station_id)s::int IS NULL OR o.station_id = %(station_id)s) AND s.is_active
ORDER BY s.code, o.sku LIMIT 5000;

-- lock_arrival --
SELECT a.arrival_id, a.station_id, a.from_station_id, a.sku, a.qty, a.reserved, a.state, a.expected_at, a.spread_h
FROM part_arrivals a JOIN stations s USING (station_id)
WHERE s.tenant_id = %(tenant_id)s AND a.arrival_id = %(arrival_id)s
    AND (%(station_id)s::int IS NULL OR %(station_id)s IN (a.station_id, a.from_station_id))
FOR UPDATE OF a;

-- stock_part --
INSERT INTO part_stock (station_id, sku, on_hand) VALUES (%(to_id)s, %(sku)s, 0) ON CONFLICT DO NOTHING;

-- set_aside --
-- At the station that gives it away.
UPDATE part_stock SET reserved = reserved + %(qty)s
WHERE station_id = %(from_id)s AND sku = %(sku)s AND on_hand - reserved >= %(qty)s RETURNING sku;

-- insert_arrival --
INSERT INTO part_arrivals (station_id, sku, qty, expected_at, spread_h, source, from_station_id, supplier, reference,
                           announced_at)
VALUES (%(to_id)s, %(sku)s, %(qty)s, %(expected_at)s, %(spread_h)s,
        CASE WHEN %(from_id)s::int IS NULL THEN 'purchase' ELSE 'transfer' END, %(from_id)s, %(supplier)s,
        %(reference)s, %(now)s)
ON CONFLICT (station_id, reference) DO NOTHING RETURNING arrival_id;

-- slip_arrival --
UPDATE part_arrivals SET expected_at = %(expected_at)s, spread_h = coalesce(%(spread_h)s, spread_h)
WHERE arrival_id = %(arrival_id)s;

-- fetch_waiting_for --
-- The most urgent first, then who was promised it first.
SELECT r.order_id, r.qty FROM part_reservations r JOIN repair_orders o USING (order_id)
WHERE r.arrival_id = %(arrival_id)s AND r.state = 'expected'
ORDER BY o.severity, r.promised_at, r.order_id FOR UPDATE OF r;

-- cut_arrival --
-- The missing pieces are a cancelled arrival of their own, and the orders left without wait for that.
WITH rest AS (
    INSERT INTO part_arrivals (station_id, sku, qty, reserved, expected_at, spread_h, source, from_station_id, supplier,
                               state, announced_at)
    SELECT station_id, sku, %(missing)s,
        (SELECT coalesce(sum(r.qty), 0) FROM part_reservations r
         WHERE r.arrival_id = a.arrival_id AND r.state = 'expected' AND r.order_id = ANY(%(order_ids)s)),
        expected_at, spread_h, source, from_station_id, supplier, 'cancelled', announced_at
    FROM part_arrivals a WHERE arrival_id = %(arrival_id)s
    RETURNING arrival_id, reserved
), moved AS (
    UPDATE part_reservations r SET arrival_id = rest.arrival_id FROM rest
    WHERE r.arrival_id = %(arrival_id)s AND r.state = 'expected' AND r.order_id = ANY(%(order_ids)s)
)
UPDATE part_arrivals a SET qty = %(qty)s, reserved = a.reserved - rest.reserved
FROM rest WHERE a.arrival_id = %(arrival_id)s;

-- end_arrival --
UPDATE part_arrivals SET state = %(state)s, received_at = CASE WHEN %(state)s = 'received' THEN %(now)s::timestamptz END
WHERE arrival_id = %(arrival_id)s;

-- send_off --
-- Off the giver's shelf.
UPDATE part_stock SET on_hand = on_hand - %(qty)s, reserved = reserved - %(qty)s
WHERE station_id = %(from_id)s AND sku = %(sku)s;

-- keep_back --
-- Free again on the giver's shelf.
UPDATE part_stock SET reserved = reserved - %(qty)s WHERE station_id = %(from_id)s AND sku = %(sku)s;

-- put_on_shelf --
WITH here AS (
    UPDATE part_reservations SET state = 'reserved', arrival_id = NULL
    WHERE arrival_id = %(arrival_id)s AND state = 'expected' RETURNING qty
)
UPDATE part_stock SET on_hand = on_hand + %(qty)s,
    reserved = reserved + (SELECT coalesce(sum(qty), 0)::int FROM here)
WHERE station_id = %(to_id)s AND sku = %(sku)s;

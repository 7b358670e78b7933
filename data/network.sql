-- The service network as 'anxin stations' reads and writes it.

-- fetch_parts --
SELECT sku, name_en, name_zh, unit_price, substitutes, warranty, supplier FROM parts WHERE tenant_id = %(tenant_id)s;

-- fetch_operations --
SELECT operation, name_en, name_zh, hours, skill, bay_kind, is_mobile, warranty FROM labour_operations
WHERE tenant_id = %(tenant_id)s;

-- fetch_jobs --
SELECT failure_mode, operations, parts, needs_hv, mobile_fix FROM repair_jobs WHERE tenant_id = %(tenant_id)s;

-- fetch_stations --
SELECT s.code, s.name_en, s.name_zh, s.city, s.address, s.lat, s.lon, s.has_hv_certificate, s.labour_rate,
       coalesce((SELECT jsonb_agg(jsonb_build_object('weekdays', jsonb_build_array(h.weekday), 'opens', h.opens,
                                                     'closes', h.closes))
                 FROM station_hours h WHERE h.station_id = s.station_id), '[]') AS hours,
       coalesce((SELECT jsonb_agg(jsonb_build_object('name', b.name, 'kinds', b.kinds, 'is_open', b.is_open))
                 FROM bays b WHERE b.station_id = s.station_id), '[]') AS bays,
       coalesce((SELECT jsonb_agg(jsonb_build_object('name', t.name, 'skills', t.skills, 'is_active', t.is_active,
                     'carries', t.carries,
                     'shift', coalesce((SELECT jsonb_agg(jsonb_build_object(
                                            'weekdays', jsonb_build_array(x.weekday), 'starts', x.starts,
                                            'ends', x.ends))
                                        FROM shifts x WHERE x.technician_id = t.technician_id), '[]')))
                 FROM technicians t WHERE t.station_id = s.station_id), '[]') AS technicians,
       coalesce((SELECT jsonb_object_agg(p.sku, p.on_hand) FROM part_stock p
                 WHERE p.station_id = s.station_id), '{}') AS stock,
       coalesce((SELECT jsonb_object_agg(p.sku, jsonb_build_object('point', p.reorder_point, 'to', p.reorder_to))
                 FROM part_stock p WHERE p.station_id = s.station_id AND p.reorder_point IS NOT NULL), '{}') AS reorder,
       coalesce((SELECT jsonb_agg(jsonb_build_object('reference', a.reference, 'sku', a.sku, 'qty', a.qty,
                     'expected_at', a.expected_at, 'spread_h', a.spread_h, 'supplier', a.supplier))
                 FROM part_arrivals a WHERE a.station_id = s.station_id AND a.state = 'expected'
                     AND a.source = 'purchase' AND a.reference IS NOT NULL), '[]') AS arrivals,
       s.time_zone, s.currency, s.tax_rate, s.is_active, s.fees
FROM stations s WHERE s.tenant_id = %(tenant_id)s;

-- fetch_reserved --
-- Locked: nobody reserves more between the check and the count that is written.
SELECT s.code, p.sku, p.reserved FROM part_stock p JOIN stations s USING (station_id)
WHERE s.tenant_id = %(tenant_id)s AND s.code = ANY(%(codes)s)
ORDER BY p.station_id, p.sku FOR UPDATE OF p;

-- fetch_announced --
-- Locked: nobody is promised more between the check and what is written.
SELECT s.code, a.reference, a.sku, a.state, a.source, a.reserved
FROM part_arrivals a JOIN stations s USING (station_id)
WHERE s.tenant_id = %(tenant_id)s AND s.code = ANY(%(codes)s) AND a.reference IS NOT NULL
ORDER BY a.arrival_id FOR UPDATE OF a;

-- set_station_active --
UPDATE stations SET is_active = %(is_active)s WHERE station_id = %(station_id)s;

-- close_bays --
UPDATE bays SET is_open = name = ANY(%(open)s) WHERE station_id = %(station_id)s
  AND is_open <> (name = ANY(%(open)s));

-- rest_technicians --
UPDATE technicians SET is_active = name = ANY(%(active)s) WHERE station_id = %(station_id)s
  AND is_active <> (name = ANY(%(active)s));

-- set_reorder --
-- As given; by hand where nothing is given.
WITH by_hand AS (
    UPDATE part_stock SET reorder_point = NULL, reorder_to = NULL
    WHERE station_id = %(station_id)s AND reorder_point IS NOT NULL AND sku <> ALL(%(skus)s)
)
INSERT INTO part_stock (station_id, sku, on_hand, reorder_point, reorder_to)
SELECT %(station_id)s, sku, 0, point, upto
FROM unnest(%(skus)s::text[], %(points)s::int[], %(upto)s::int[]) AS g (sku, point, upto)
ON CONFLICT (station_id, sku) DO UPDATE SET
    reorder_point = excluded.reorder_point, reorder_to = excluded.reorder_to;

-- announce_arrivals --
WITH held AS (
    INSERT INTO part_stock (station_id, sku, on_hand)
    SELECT DISTINCT %(station_id)s, sku, 0 FROM unnest(%(skus)s::text[]) AS g (sku) ON CONFLICT DO NOTHING
)
INSERT INTO part_arrivals AS a (station_id, reference, sku, qty, expected_at, spread_h, supplier, source, announced_at)
SELECT %(station_id)s, g.reference, g.sku, g.qty, g.expected_at, g.spread_h, g.supplier, 'purchase', %(now)s
FROM unnest(%(references)s::text[], %(skus)s::text[], %(counts)s::int[], %(times)s::timestamptz[], %(spreads)s::real[],
        %(suppliers)s::text[]) AS g (reference, sku, qty, expected_at, spread_h, supplier)
ON CONFLICT (station_id, reference) DO UPDATE SET qty = excluded.qty, expected_at = excluded.expected_at,
    spread_h = excluded.spread_h, supplier = excluded.supplier;

-- count_stock --
INSERT INTO part_stock (station_id, sku, on_hand)
SELECT %(station_id)s, sku, on_hand FROM unnest(%(skus)s::text[], %(counts)s::int[]) AS s (sku, on_hand)
ON CONFLICT (station_id, sku) DO UPDATE SET on_hand = excluded.on_hand;

-- Holding and offering appointments, one or many at once: one statement for each table.

-- insert_holds --
-- No overlap with what is held or booked (bookings_bay_free, bookings_technician_free).
INSERT INTO bookings (order_id, bay_id, technician_id, slot, state, expires_at)
SELECT order_id, bay_id, technician_id, tstzrange(busy_from, busy_to), 'held', least(%(expires_at)s, busy_from)
FROM unnest(%(order_id)s::bigint[], %(bay_id)s::int[], %(technician_id)s::int[], %(busy_from)s::timestamptz[],
            %(busy_to)s::timestamptz[]) AS n (order_id, bay_id, technician_id, busy_from, busy_to);

-- reserve_parts --
-- From the shelves; locked in one order, whoever takes parts. A part that is short is not among the answers.
WITH wanted AS (
    SELECT station_id, sku, sum(qty)::int AS qty
    FROM unnest(%(station_id)s::int[], %(sku)s::text[], %(qty)s::int[]) AS n (station_id, sku, qty) GROUP BY 1, 2
), locked AS MATERIALIZED (
    SELECT s.station_id, s.sku FROM part_stock s JOIN wanted USING (station_id, sku)
    ORDER BY s.station_id, s.sku FOR UPDATE OF s
)
UPDATE part_stock s SET reserved = s.reserved + w.qty
FROM locked JOIN wanted w USING (station_id, sku)
WHERE s.station_id = w.station_id AND s.sku = w.sku AND s.on_hand - s.reserved >= w.qty
RETURNING s.station_id, s.sku;

-- reserve_arrival --
UPDATE part_arrivals SET reserved = reserved + %(qty)s
WHERE arrival_id = %(arrival_id)s AND state IN ('expected', 'shipped') AND qty - reserved >= %(qty)s
RETURNING arrival_id;

-- insert_transfer --
-- What an order lacks, set aside where another station has it.
WITH aside AS (
    UPDATE part_stock SET reserved = reserved + %(qty)s
    WHERE station_id = %(from_station_id)s AND sku = %(sku)s AND on_hand - reserved >= %(qty)s RETURNING sku
), shelf AS (
    INSERT INTO part_stock (station_id, sku, on_hand) SELECT %(station_id)s, sku, 0 FROM aside ON CONFLICT DO NOTHING
)
INSERT INTO part_arrivals (station_id, sku, qty, reserved, expected_at, spread_h, source, from_station_id, for_order_id,
                           announced_at)
SELECT %(station_id)s, sku, %(qty)s, %(qty)s, %(expected_at)s, %(spread_h)s, 'transfer', %(from_station_id)s, %(order_id)s, %(now)s
FROM aside RETURNING arrival_id;

-- insert_reservations --
INSERT INTO part_reservations (order_id, station_id, sku, qty, state, arrival_id, promised_at)
SELECT order_id, station_id, sku, qty, CASE WHEN arrival_id IS NULL THEN 'reserved' ELSE 'expected' END, arrival_id,
       promised_at
FROM unnest(%(order_id)s::bigint[], %(station_id)s::int[], %(sku)s::text[], %(qty)s::int[], %(arrival_id)s::bigint[],
            %(promised_at)s::timestamptz[]) AS n (order_id, station_id, sku, qty, arrival_id, promised_at)
ON CONFLICT (order_id, sku) DO UPDATE SET station_id = excluded.station_id, qty = excluded.qty,
    state = excluded.state, arrival_id = excluded.arrival_id, promised_at = excluded.promised_at;

-- offer_orders --
UPDATE repair_orders o SET state = 'offered', version = o.version + 1, mode = n.mode, station_id = n.station_id,
    distance_km = n.distance_km, is_distance_estimated = n.is_distance_estimated, bay_id = n.bay_id,
    technician_id = n.technician_id, slot = tstzrange(n.starts, n.ends), currency = n.currency, total = n.total,
    customer_total = n.customer_total, passed_over = n.passed_over::jsonb, waiting_reason = NULL,
    owner_answer = NULL, updated_at = %(now)s
FROM unnest(%(order_id)s::bigint[], %(mode)s::text[], %(station_id)s::int[], %(distance_km)s::real[],
            %(is_distance_estimated)s::boolean[], %(bay_id)s::int[], %(technician_id)s::int[],
            %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(currency)s::text[], %(total)s::numeric[],
            %(customer_total)s::numeric[], %(passed_over)s::text[])
     AS n (order_id, mode, station_id, distance_km, is_distance_estimated, bay_id, technician_id, starts, ends, currency,
           total, customer_total, passed_over)
WHERE o.order_id = n.order_id RETURNING o.order_id, o.version;

-- delete_order_lines --
DELETE FROM order_lines WHERE order_id = ANY(%(order_ids)s);

-- insert_order_lines --
INSERT INTO order_lines (order_id, line, kind, code, text_en, text_zh, qty, unit_price, amount, payer, payer_en,
                         payer_zh)
SELECT * FROM unnest(%(order_id)s::bigint[], %(line)s::int[], %(kind)s::text[], %(code)s::text[], %(text_en)s::text[],
                     %(text_zh)s::text[], %(qty)s::numeric[], %(unit_price)s::numeric[], %(amount)s::numeric[],
                     %(payer)s::text[], %(payer_en)s::text[], %(payer_zh)s::text[]);

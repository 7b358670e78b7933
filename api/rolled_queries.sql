-- SQL of long plots: whole buckets from the rollups, what is before and after them from the readings.

-- fetch_rolled_until --
-- From where on readings count: the newest bucket may not be whole, and behind a debt rollups are not up to date.
-- has_older: rollups outlive the readings they were made from.
SELECT CASE WHEN n.bucket IS NOT NULL THEN least(n.bucket, d.time_from) END AS until,
    EXISTS (SELECT FROM {relation} WHERE vehicle_id = %(vehicle_id)s AND bucket >= %(since)s
        AND bucket < coalesce(f.time, %(until)s) - interval '1 hour') AS has_older
FROM (SELECT max(bucket) AS bucket FROM {relation}
        WHERE vehicle_id = %(vehicle_id)s AND bucket BETWEEN %(since)s AND %(until)s) n,
    (SELECT min(time_from) AS time_from FROM rollup_debts
        WHERE vehicle_id = %(vehicle_id)s AND family = %(family)s AND time_to >= %(since)s) d,
    (SELECT min(time) AS time FROM {table}
        WHERE vehicle_id = %(vehicle_id)s AND time BETWEEN %(since)s AND %(until)s) f;

-- fetch_rolled_drive --
SELECT min(time) AS time, {means}
FROM (
    SELECT first_time AS time, bucket AS at, {rolled} FROM {relation}
    WHERE vehicle_id = %(vehicle_id)s AND bucket >= %(begin)s AND bucket < %(end)s
    UNION ALL SELECT time, time, {read} FROM drive_readings
    WHERE vehicle_id = %(vehicle_id)s AND time >= %(since)s AND time < %(begin)s
    UNION ALL SELECT time, time, {read} FROM drive_readings
    WHERE vehicle_id = %(vehicle_id)s AND time >= %(end)s AND time <= %(until)s
) parts
GROUP BY date_bin(%(stride)s, at, %(origin)s) ORDER BY 1;

-- fetch_rolled_tire --
SELECT date_bin(%(stride)s, at, %(origin)s) AS bucket, min(time) AS time, wheel::int AS wheel,
    sum(ps) / nullif(sum(pn), 0) AS pressure, min(pl) AS pressure_low, max(ph) AS pressure_high,
    sum(ts) / nullif(sum(tn), 0) AS temperature, min(tl) AS temperature_low, max(th) AS temperature_high
FROM (
    SELECT r.first_time AS time, r.bucket AS at, u.*
    FROM {relation} r, unnest(r.pressure_sum, r.pressure_n, r.pressure_low, r.pressure_high,
        r.temperature_sum, r.temperature_n, r.temperature_low, r.temperature_high)
        WITH ORDINALITY AS u (ps, pn, pl, ph, ts, tn, tl, th, wheel)
    WHERE r.vehicle_id = %(vehicle_id)s AND r.bucket >= %(begin)s AND r.bucket < %(end)s AND u.wheel <= %(wheels)s
    UNION ALL
    SELECT r.time, r.time, u.p::float8, (u.p IS NOT NULL)::int, u.p, u.p, u.t::float8, (u.t IS NOT NULL)::int,
        u.t, u.t, u.wheel
    FROM (
        SELECT time, pressure, temperature FROM tire_readings
        WHERE vehicle_id = %(vehicle_id)s AND time >= %(since)s AND time < %(begin)s
        UNION ALL SELECT time, pressure, temperature FROM tire_readings
        WHERE vehicle_id = %(vehicle_id)s AND time >= %(end)s AND time <= %(until)s
    ) r, unnest(r.pressure, r.temperature) WITH ORDINALITY AS u (p, t, wheel)
) parts
GROUP BY 1, 3 ORDER BY 1, 3;

-- fetch_rolled_signal --
-- All signals of a bucket have one time.
SELECT signal, min(min(time)) OVER (PARTITION BY date_bin(%(stride)s, at, %(origin)s)) AS time,
    sum(s) / nullif(sum(n), 0) AS value, min(l) AS low, max(h) AS high
FROM (
    SELECT signal, first_time AS time, bucket AS at, value_sum AS s, value_n AS n, value_low AS l, value_high AS h
    FROM {relation} WHERE vehicle_id = %(vehicle_id)s AND bucket >= %(begin)s AND bucket < %(end)s
    UNION ALL SELECT signal, time, time, value, (value IS NOT NULL)::int, value, value FROM signal_readings
    WHERE vehicle_id = %(vehicle_id)s AND time >= %(since)s AND time < %(begin)s
    UNION ALL SELECT signal, time, time, value, (value IS NOT NULL)::int, value, value FROM signal_readings
    WHERE vehicle_id = %(vehicle_id)s AND time >= %(end)s AND time <= %(until)s
) parts
WHERE %(signals)s::text[] IS NULL OR signal = ANY (%(signals)s)
GROUP BY signal, date_bin(%(stride)s, at, %(origin)s) ORDER BY 2, 1;

-- fetch_rolled_signal_count --
SELECT count(DISTINCT signal) FROM (
    SELECT signal FROM {relation}
    WHERE vehicle_id = %(vehicle_id)s AND bucket >= %(begin)s AND bucket < %(end)s
    UNION ALL SELECT signal FROM signal_readings
    WHERE vehicle_id = %(vehicle_id)s AND time >= %(since)s AND time < %(begin)s
    UNION ALL SELECT signal FROM signal_readings
    WHERE vehicle_id = %(vehicle_id)s AND time >= %(end)s AND time <= %(until)s
) parts
WHERE %(signals)s::text[] IS NULL OR signal = ANY (%(signals)s);

-- fetch_cell_probes --
-- One real sample of each bucket, looked up bucket by bucket: the cost is that of the points shown, not of the
-- rows between them.
SELECT c.* FROM generate_series(%(since)s::timestamptz, %(until)s::timestamptz, %(stride)s::interval) AS b (at)
CROSS JOIN LATERAL (
    SELECT time FROM cell_readings
    WHERE vehicle_id = %(vehicle_id)s AND first_cell = 1 AND time >= b.at AND time < b.at + %(stride)s::interval
        AND time BETWEEN %(since)s AND %(until)s
    ORDER BY time LIMIT 1) p
CROSS JOIN LATERAL (
    SELECT time, sub_pack, first_cell, voltage_mv, temperature_ddegc FROM cell_readings
    WHERE vehicle_id = %(vehicle_id)s AND time = p.time AND time BETWEEN %(since)s AND %(until)s
    ORDER BY sub_pack, first_cell OFFSET 0) c
ORDER BY c.time, c.sub_pack, c.first_cell;

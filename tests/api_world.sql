-- A small world for the tests of the API: two tenants, so that isolation can be seen; :now is the test's clock.
INSERT INTO tenants (name) VALUES ('demo'), ('other');
INSERT INTO owners (tenant_id, name, locale, home_lat, home_lon) VALUES
    (1, 'Lin Yue', 'zh', 31.20, 121.44), (1, 'Wang Hao', 'en', 39.93, 116.45), (2, 'Stranger', 'en', 30.6, 104.1);
INSERT INTO vehicle_models (model_id, name, chemistry, cell_count, probe_count, capacity_ah, energy_kwh, wheels, placard_kpa)
VALUES ('sedan-96-ncm', 'Sedan 96 NCM', 'NCM', 96, 4, 150, 55,
    '{front-left,front-right,rear-left,rear-right}', '{250,250,250,250}')
ON CONFLICT (model_id) DO UPDATE SET name = excluded.name;
INSERT INTO vehicles (tenant_id, vin, model_id, owner_id, plate) VALUES
    (1, 'LANXTEST000000001', 'sedan-96-ncm', 1, '沪A·D1234'),
    (1, 'LANXTEST000000002', 'sedan-96-ncm', 2, '京B·D5678'),
    (1, 'LANXTEST000000003', 'sedan-96-ncm', NULL, NULL),
    (2, 'LANXTEST000000009', 'sedan-96-ncm', 3, NULL);
INSERT INTO stations (tenant_id, code, name_en, name_zh, city, address, lat, lon, has_hv_certificate, labour_rate) VALUES
    (1, 'SH1', 'Anxin Service Pudong', '安心浦东服务站', 'Shanghai', '188 Jinqiao Rd', 31.25, 121.60, true, 220),
    (1, 'BJ1', 'Anxin Service Chaoyang', '安心朝阳服务站', 'Beijing', '16 Jiuxianqiao Rd', 39.97, 116.49, true, 240),
    (2, 'CD1', 'Elsewhere', '别处', 'Chengdu', '1 Tianfu Ave', 30.57, 104.06, false, 180);
INSERT INTO bays (station_id, name, kinds) VALUES (1, 'Bay 1', '{tire}'), (1, 'HV 1', '{hv}'), (2, 'HV A', '{hv}');
INSERT INTO technicians (station_id, name, skills) VALUES (1, 'Zhao Lei', '{T1,T2}'), (2, 'Sun Mei', '{HV2,HV3}');
INSERT INTO station_hours (station_id, weekday, opens, closes) SELECT s, d, '08:00', '19:00' FROM generate_series(1, 2) s, generate_series(1, 7) d;
INSERT INTO parts (tenant_id, sku, name_en, name_zh, unit_price) VALUES
    (1, 'TIRE-PLUG', 'Tyre repair kit', '补胎套件', 35), (1, 'CELL-MODULE', 'Cell module', '电芯模组', 4800);
INSERT INTO part_stock (station_id, sku, on_hand, reserved) VALUES (1, 'TIRE-PLUG', 10, 1), (2, 'CELL-MODULE', 2, 1);

INSERT INTO tire_readings (vehicle_id, time, pressure, temperature, age)
SELECT 1, t, ARRAY[250 - 3.9 * extract(epoch FROM t - (:now::timestamptz - interval '14 days')) / 86400
        + 4 * sin(extract(epoch FROM t) / 13751), 251 + 4 * sin(extract(epoch FROM t) / 13751),
        249 + 4 * sin(extract(epoch FROM t) / 13751), 250 + 4 * sin(extract(epoch FROM t) / 13751)]::real[],
    (SELECT array_agg(18 + w + 5 * sin(extract(epoch FROM t) / 13751)) FROM generate_series(0, 3) w)::real[],
    ARRAY[5, 5, 5, 5]::real[]
FROM generate_series(:now::timestamptz - interval '14 days', :now, interval '20 minutes') t;
INSERT INTO drive_readings (vehicle_id, time, speed, soc, odometer, pack_voltage, pack_current, latitude, longitude)
SELECT v, t, greatest(0, 60 * sin(extract(epoch FROM t) / 5000)), 55 + 30 * sin(extract(epoch FROM t) / 40000), 12000,
    360, -20, CASE v WHEN 1 THEN 31.22 ELSE 39.95 END, CASE v WHEN 1 THEN 121.47 ELSE 116.40 END
FROM generate_series(1, 2) v, generate_series(:now::timestamptz - interval '14 days', :now, interval '10 minutes') t;
INSERT INTO cell_readings (vehicle_id, time, voltage_mv, temperature_ddegc)
SELECT 2, t, (SELECT array_agg((3700 + (c * 7919) % 9 - CASE WHEN c = 82 THEN
        8 * extract(epoch FROM t - (:now::timestamptz - interval '14 days')) / 86400 ELSE 0 END)::smallint ORDER BY c)
        FROM generate_series(1, 96) c), ARRAY[250, 252, 249, 251]::smallint[]
FROM generate_series(:now::timestamptz - interval '14 days', :now, interval '30 minutes') t;
INSERT INTO signal_readings SELECT 1, t, 'Body.Door', 1 FROM generate_series(:now::timestamptz - interval '1 hour', :now, interval '1 minute') t;
INSERT INTO vehicle_latest (vehicle_id, family, time, sent, received, is_hist, origin, live_time, readings) VALUES
    (1, 'drive', :now::timestamptz - interval '4 s', :now, :now, false, 'simulated', :now::timestamptz - interval '4 s',
        '{"speed": 42.0, "soc": 71.5, "odometer": 12034.2, "latitude": 31.22, "longitude": 121.47, "pack.voltage": 361.2}'),
    (1, 'tire', :now::timestamptz - interval '30 s', :now, :now, false, 'simulated', :now, '{"tire.pressure": [196.2, 251.0, 249.0, 250.4]}'),
    (2, 'drive', :now::timestamptz - interval '3 hours', :now, :now, true, 'replayed', NULL,
        '{"soc": 52.0, "latitude": 39.95, "longitude": 116.40}'),
    (2, 'cell', :now::timestamptz - interval '3 hours', :now, :now, true, 'replayed', NULL, '{}'),
    (4, 'drive', :now, :now, :now, false, 'real', :now, '{"soc": 10, "latitude": 30.6, "longitude": 104.1}');
INSERT INTO message_streams (vehicle_id, boot, origin, high, missing, received_count, repaired_count, first_received, last_received) VALUES
    (1, 'k3f9', 'simulated', 400, '{[12,18),[20,21)}', 394, 5, :now, :now), (2, 'b1', 'replayed', 10, '{}', 11, 0, :now, :now);
INSERT INTO vehicle_events (vehicle_id, time, kind, source, level, code, is_hist, received) VALUES
    (2, :now::timestamptz - interval '20 days', 'alarm', 'event', 3, 'cell_difference', true, :now);

INSERT INTO predictions (vehicle_id, component, failure_mode, severity, probability, horizon_h, ttt_p10_h, ttt_p50_h, ttt_p90_h,
    predicted_at, data_time, since, window_from, window_to, reasons, evidence, model_version, origin, is_fresh)
SELECT 1, 'tire front-left', 'tire_slow_leak', 'S3', 0.97, 168, 118, 139, 170, :now, :now, :now, :now, :now,
    '[{"feature": "loss_kpa_per_day", "value": 3.9, "unit": "kPa/day", "healthy_low": -0.35, "healthy_high": 0.35, "peers": 0.2,
       "text_en": "front-left loses 3.9 kPa/day against 0.2 on the other three; reaches −25 % in 5.8 days (4.9–7.1)",
       "text_zh": "左前轮每天漏气 3.9 kPa，其余三轮为 0.2；5.8 天后降到 −25 %（4.9–7.1）"}]',
    jsonb_build_object('time', jsonb_agg(extract(epoch FROM :now::timestamptz - d * interval '1 day')::bigint * 1000 ORDER BY d DESC),
        'series', jsonb_build_object('front-left', jsonb_agg(-3.9 * (14 - d) ORDER BY d DESC), 'front-right', jsonb_agg(0.3 * (d % 3) ORDER BY d DESC),
            'rear-left', jsonb_agg(-0.2 * (d % 4) ORDER BY d DESC), 'rear-right', jsonb_agg(0.1 ORDER BY d DESC)), 'unit', 'kPa', 'limit', -62.5,
        'title_en', 'Pressure against the other wheels', 'title_zh', '与其余车轮的胎压差'),
    'tire_slow_leak/1', 'simulated', true
FROM generate_series(0, 13) d;
INSERT INTO predictions (vehicle_id, component, failure_mode, severity, probability, horizon_h, ttt_p10_h, ttt_p50_h, ttt_p90_h,
    predicted_at, data_time, since, window_from, window_to, reasons, evidence, model_version, origin, is_fresh) VALUES
    (2, 'cell 82', 'cell_internal_short', 'S2', 0.91, 720, 30, 44, 70, :now, :now::timestamptz - interval '3 hours', :now, :now, :now,
    '[{"feature": "rested_deviation_mv", "value": -103, "unit": "mV", "healthy_low": -15, "healthy_high": 15, "peers": -1.2,
       "text_en": "cell 82 rests 103 mV below its pack and falls by 8 mV a day", "text_zh": "82 号电芯静置电压比电池包低 103 mV，每天再降 8 mV"}]',
    '{}', 'cell_internal_short/1', 'replayed', true),
    (4, 'battery', 'insulation_loss', 'S2', 0.8, 24, NULL, NULL, NULL, :now, :now, :now, :now, :now, '[]', '{}', 'x/1', 'real', true);

INSERT INTO repair_orders (tenant_id, vehicle_id, component, failure_mode, severity, state, station_id, distance_km, is_distance_estimated,
    bay_id, technician_id, slot, deadline, complaint, total, reasons, ttt_p10_h, ttt_p50_h, ttt_p90_h, passed_over, origin,
    prediction_id, idempotency_key, opened_at, updated_at)
SELECT 1, p.vehicle_id, p.component, p.failure_mode, p.severity, 'offered', CASE p.vehicle_id WHEN 1 THEN 1 ELSE 2 END, 12.4, p.vehicle_id = 2,
    CASE p.vehicle_id WHEN 1 THEN 1 ELSE 3 END, CASE p.vehicle_id WHEN 1 THEN 1 ELSE 2 END,
    tstzrange(date_trunc('day', :now::timestamptz) + interval '1 day 2 hours', date_trunc('day', :now::timestamptz) + interval '1 day 3 hours'), :now::timestamptz + interval '6 days',
    'found by data', 166.11, p.reasons, p.ttt_p10_h, p.ttt_p50_h, p.ttt_p90_h,
    '[{"station": "SH9", "name_en": "Anxin Service Xuhui", "name_zh": "安心徐汇服务站", "distance_km": 4.1, "reason": "no technician with HV2 free before the deadline"}]',
    p.origin, p.prediction_id, p.component, :now, :now
FROM predictions p WHERE p.vehicle_id < 4 ORDER BY p.prediction_id;
INSERT INTO repair_orders (tenant_id, vehicle_id, component, failure_mode, severity, state, station_id, deadline, complaint, reasons, origin, idempotency_key, opened_at, updated_at)
VALUES (2, 4, 'battery', 'insulation_loss', 'S2', 'offered', 3, :now, 'x', '[]', 'real', 'other', :now, :now);
UPDATE repair_orders SET customer_total = total;
INSERT INTO order_lines VALUES (1, 1, 'labour', 'tire-repair', 'Tyre repair', '轮胎修补', 0.5, 220, 110), (1, 2, 'part', 'TIRE-PLUG', 'Tyre repair kit', '补胎套件', 1, 37, 37),
    (1, 3, 'tax', 'vat', 'VAT 13 %', '增值税 13 %', 1, 19.11, 19.11);
INSERT INTO order_events (order_id, at, actor, from_state, to_state, reason) VALUES (1, :now, 'route', NULL, 'predicted', 'slow leak front-left'),
    (1, :now, 'route', 'predicted', 'offered', 'Anxin Service Pudong, Bay 1');
INSERT INTO bookings (order_id, bay_id, technician_id, slot, state, expires_at)
SELECT order_id, bay_id, technician_id, slot, 'held', :now::timestamptz + interval '15 minutes' FROM repair_orders WHERE slot IS NOT NULL;
INSERT INTO part_reservations VALUES (1, 1, 'TIRE-PLUG', 1, 'reserved'), (2, 2, 'CELL-MODULE', 1, 'reserved');
INSERT INTO alerts (tenant_id, vehicle_id, component, failure_mode, severity, state, first_seen, raised_at, last_seen, prediction_id, order_id, origin, updated_at)
SELECT v.tenant_id, p.vehicle_id, p.component, p.failure_mode, p.severity, 'open', :now, :now, :now, p.prediction_id, o.order_id, p.origin, :now
FROM predictions p JOIN vehicles v USING (vehicle_id) LEFT JOIN repair_orders o ON o.vehicle_id = p.vehicle_id ORDER BY p.prediction_id;
INSERT INTO warnings (warning_id, tenant_id, vehicle_id, alert_id, order_id, transition, severity, title_en, title_zh, body_en, body_zh, created_at) VALUES
    ('11111111-1111-4111-8111-111111111111', 1, 1, 1, 1, 'order:1:offered', 'S3', 'Your front left tyre is losing air', '您的左前轮胎正在漏气',
     'It will be too low in about 6 days. You can go on driving. We have kept a time for you tomorrow.', '大约 6 天后气压会过低。可以继续行驶，我们已为您预留了明天的时间。', :now),
    ('22222222-2222-4222-8222-222222222222', 2, 4, 3, 3, 'order:3:offered', 'S2', 'x', 'x', 'x', 'x', :now);
INSERT INTO deliveries (warning_id, channel, address, state, next_attempt_at, sent_at) VALUES
    ('11111111-1111-4111-8111-111111111111', 'mqtt', 'anxin/v1/demo/LANXTEST000000001/down/warning', 'sent', :now, :now);
INSERT INTO rejects (received, tenant, vin, topic, reason, detail, payload, digest, is_retryable) VALUES
    (:now, 'demo', 'LANXTEST000000008', 'anxin/v1/demo/LANXTEST000000008/up/tele', 'unknown_vehicle', 'vin: not registered', '\x00', '\x01', true),
    (:now, 'other', 'LANXTEST000000007', 'anxin/v1/other/LANXTEST000000007/up/tele', 'malformed', 'not JSON', '\x00', '\x02', false);

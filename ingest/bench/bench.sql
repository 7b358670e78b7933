-- SQL of the ingest benchmark and of its naive peer.

-- register_tenant --
INSERT INTO tenants (name) VALUES (%s)

-- register_model --
INSERT INTO vehicle_models (model_id, name, chemistry, cell_count, probe_count, capacity_ah, energy_kwh, wheels,
    placard_kpa)
VALUES ('bench', 'Bench', 'NCM', 96, 32, 100, 40, '{front-left,front-right,rear-left,rear-right}',
    '{250,250,250,250}')

-- register_vehicles --
INSERT INTO vehicles (tenant_id, vin, model_id)
SELECT tenant_id, vin, 'bench' FROM tenants t, unnest(%(vins)s::text[]) WITH ORDINALITY AS v (vin, n)
WHERE t.name = %(tenant)s ORDER BY n

-- last_batch --
SELECT coalesce(max(batch_id), 0) FROM ingest_batches

-- list_batches --
SELECT committed_at, message_count FROM ingest_batches WHERE batch_id > %s ORDER BY batch_id

-- count_received --
SELECT coalesce(sum(received_count), 0) FROM message_streams WHERE boot = %s

-- account --
SELECT
    (SELECT coalesce(sum(received_count), 0) FROM message_streams WHERE boot = %(boot)s),
    (SELECT count(*) FROM drive_readings WHERE time >= %(begin)s AND time < %(end)s),
    (SELECT count(*) FROM tire_readings WHERE time >= %(begin)s AND time < %(end)s),
    (SELECT count(*) FROM cell_readings WHERE time >= %(begin)s AND time < %(end)s),
    (SELECT count(*) - count(DISTINCT (vehicle_id, time)) FROM drive_readings
        WHERE time >= %(begin)s AND time < %(end)s)

-- copy_prefill --
COPY drive_readings ({columns}) FROM STDIN (FORMAT BINARY)

-- settle --
VACUUM ANALYZE drive_readings

-- create_database --
CREATE DATABASE {name}

-- drop_database --
DROP DATABASE IF EXISTS {name} WITH (FORCE)

-- drop_naive --
DROP TABLE IF EXISTS naive_drive, naive_tires, naive_cells

-- create_naive_drive --
CREATE TABLE naive_drive (vin text NOT NULL, time timestamptz NOT NULL, {scalars}, PRIMARY KEY (vin, time))

-- create_naive_tires --
CREATE TABLE naive_tires (
    vin text NOT NULL, time timestamptz NOT NULL, pressure real[], temperature real[], PRIMARY KEY (vin, time)
)

-- create_naive_cells --
CREATE TABLE naive_cells (
    vin text NOT NULL, time timestamptz NOT NULL, voltage real[], temperature real[], PRIMARY KEY (vin, time)
)

-- insert_naive_drive --
INSERT INTO naive_drive VALUES (%s, to_timestamp(%s), {places}) ON CONFLICT DO NOTHING

-- insert_naive_tires --
INSERT INTO naive_tires VALUES (%s, to_timestamp(%s), %s, %s) ON CONFLICT DO NOTHING

-- insert_naive_cells --
INSERT INTO naive_cells VALUES (%s, to_timestamp(%s), %s, %s) ON CONFLICT DO NOTHING

-- count_naive --
SELECT (SELECT count(*) FROM naive_drive), (SELECT count(*) FROM naive_tires), (SELECT count(*) FROM naive_cells)

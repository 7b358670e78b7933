-- SQL of `anxin check --storage`.

-- fetch_plain_size --
SELECT pg_relation_size(%(table)s::regclass) AS table_bytes, pg_indexes_size(%(table)s::regclass) AS index_bytes,
    pg_table_size(%(table)s::regclass) - pg_relation_size(%(table)s::regclass) AS toast_bytes,
    pg_total_relation_size(%(table)s::regclass) AS total_bytes;

-- fetch_chunk_size --
-- All chunks; those in the columnstore with what they take there.
SELECT coalesce(sum(table_bytes), 0)::bigint AS table_bytes, coalesce(sum(index_bytes), 0)::bigint AS index_bytes,
    coalesce(sum(toast_bytes), 0)::bigint AS toast_bytes, coalesce(sum(total_bytes), 0)::bigint AS total_bytes
FROM hypertable_detailed_size(%(table)s);

-- fetch_plain_indexes --
SELECT indexrelid::regclass::text AS name, pg_relation_size(indexrelid) AS bytes
FROM pg_index WHERE indrelid = %(table)s::regclass ORDER BY 1;

-- fetch_chunk_indexes --
SELECT indexrelid::regclass::text AS name, coalesce(hypertable_index_size(indexrelid), 0) AS bytes
FROM pg_index WHERE indrelid = %(table)s::regclass ORDER BY 1;

-- fetch_chunks --
SELECT d.time_interval AS interval, count(c.chunk_name) AS chunks
FROM timescaledb_information.dimensions d
LEFT JOIN timescaledb_information.chunks c USING (hypertable_schema, hypertable_name)
WHERE format('%%I.%%I', d.hypertable_schema, d.hypertable_name)::regclass = %(table)s::regclass
GROUP BY 1;

-- fetch_columnstore --
-- Full edition only.
SELECT number_compressed_chunks AS chunks, before_compression_total_bytes AS before_bytes,
    after_compression_total_bytes AS after_bytes
FROM hypertable_columnstore_stats(%(table)s::regclass);

-- fetch_parts --
-- The table and its chunks with the planner's estimate of their rows; -1: never analysed.
SELECT c.oid::regclass::text AS name, n.nspname::text AS schema, c.relname::text AS relation, c.reltuples::bigint AS rows
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = %(table)s::regclass)
    OR (c.oid = %(table)s::regclass AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid));

-- fetch_approximate_row_count --
-- Knows the columnstore; full edition only.
SELECT approximate_row_count(%(table)s::regclass) AS rows;

-- fetch_materialization --
-- Where a continuous aggregate keeps its rows.
SELECT format('%%I.%%I', materialization_hypertable_schema, materialization_hypertable_name) AS name
FROM timescaledb_information.continuous_aggregates
WHERE view_schema = current_schema() AND view_name = %(table)s;

-- fetch_row_count --
SELECT count(*) AS rows FROM {table};

-- fetch_spans --
-- Oldest and newest row of each vehicle, by the primary key.
SELECT min(o.time) AS oldest, max(n.time) AS newest,
    coalesce(sum(greatest(extract(epoch FROM n.time - o.time) / 86400, 1)), 0)::float8 AS vehicle_days
FROM vehicles v
CROSS JOIN LATERAL (SELECT {time} AS time FROM {table} WHERE vehicle_id = v.vehicle_id ORDER BY {time} LIMIT 1) o
CROSS JOIN LATERAL (SELECT {time} AS time FROM {table} WHERE vehicle_id = v.vehicle_id ORDER BY {time} DESC LIMIT 1) n;

-- fetch_values --
-- Non-missing values in a sample: the newest rows of some vehicles. An array counts by element.
SELECT count(*) AS rows, {values}
FROM (SELECT vehicle_id FROM vehicles ORDER BY hashint4(vehicle_id) LIMIT %(vehicles)s) v
CROSS JOIN LATERAL (SELECT * FROM {table} WHERE vehicle_id = v.vehicle_id ORDER BY time DESC LIMIT %(rows)s) r;

-- fetch_other_tables --
-- What grows beside the telemetry.
SELECT relname::text AS name, pg_total_relation_size(oid) AS total_bytes FROM pg_class
WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname <> ALL (%(told)s)
ORDER BY 2 DESC, 1 LIMIT 10;

-- fetch_vehicle_count --
SELECT count(*) AS vehicles FROM vehicles;

-- fetch_held --
-- Bytes and rows of tables and their chunks by the planner's estimates; what was never analysed counts in neither.
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS bytes, coalesce(sum(c.reltuples), 0)::float8 AS rows
FROM pg_class c
WHERE c.reltuples > 0 AND (c.oid = ANY (%(tables)s::text[]::regclass[])
    OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = ANY (%(tables)s::text[]::regclass[])));

-- fetch_arrived --
-- Rows of the last week by the commit log, and how many days of it there are.
SELECT coalesce(sum(row_count), 0)::bigint AS rows,
    extract(epoch FROM now() - min(committed_at))::float8 / 86400 AS days
FROM ingest_batches WHERE committed_at > now() - interval '7 days';

-- fetch_cluster_size --
SELECT sum(pg_database_size(oid))::bigint AS bytes FROM pg_database WHERE has_database_privilege(oid, 'CONNECT');

-- fetch_directory --
-- Where the server keeps its files; NULL for those who may not know.
SELECT (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS directory;

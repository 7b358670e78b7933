CREATE TABLE day_features (
    vehicle_id      int NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    feature_set     text NOT NULL,
    day             date NOT NULL,
    version         int NOT NULL,
    first_time      timestamptz,
    last_time       timestamptz,
    value           double precision[] NOT NULL,
    PRIMARY KEY (vehicle_id, feature_set, day)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX day_features_of_day ON day_features (day);

-- Days that had features: version 0 is nobody's, so each is worked out again when its vehicle is scored next.
INSERT INTO day_features (vehicle_id, feature_set, day, version, value)
SELECT vehicle_id, 'tire_days', day, 0, '{}'::float8[] FROM tire_days
UNION
SELECT vehicle_id, 'cell_days', day, 0, '{}'::float8[] FROM cell_sessions;
DROP TABLE tire_days;
DROP TABLE cell_sessions;

ALTER TABLE vehicle_scores DROP CONSTRAINT vehicle_scores_pkey;
ALTER TABLE vehicle_scores ADD PRIMARY KEY (vehicle_id, failure_mode, model_version);
ALTER TABLE vehicle_scores ALTER probability DROP NOT NULL;
ALTER TABLE vehicle_scores ALTER component DROP NOT NULL;

CREATE TABLE scoring_failures (
    vehicle_id      int NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    part            text NOT NULL,
    error           text NOT NULL,
    first_at        timestamptz NOT NULL,
    last_at         timestamptz NOT NULL,
    count           int NOT NULL DEFAULT 1,
    PRIMARY KEY (vehicle_id, part)
);

CREATE INDEX repair_orders_of_vehicle ON repair_orders (vehicle_id);

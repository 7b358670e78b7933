CREATE TABLE rollup_debts (
    vehicle_id  int NOT NULL,
    family      text NOT NULL,
    time_from   timestamptz NOT NULL,
    time_to     timestamptz NOT NULL,
    noted_at    timestamptz NOT NULL,
    PRIMARY KEY (vehicle_id, family)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

ALTER TABLE drive_readings SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE tire_readings SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE cell_readings SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE signal_readings SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE vehicle_latest SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE message_streams SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);

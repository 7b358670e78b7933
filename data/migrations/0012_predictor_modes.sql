CREATE TABLE predictor_modes (
    mode_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id       int NOT NULL REFERENCES tenants,
    failure_mode    text NOT NULL,
    model_version   text NOT NULL,
    mode            text NOT NULL CHECK (mode IN ('live', 'shadow', 'off')),
    at              timestamptz NOT NULL,
    actor           text NOT NULL,
    reason          text NOT NULL
);
CREATE INDEX predictor_modes_newest ON predictor_modes (tenant_id, failure_mode, model_version, mode_id);

CREATE TABLE shadow_alerts (
    shadow_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id       int NOT NULL REFERENCES tenants,
    vehicle_id      int NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    component       text NOT NULL,
    failure_mode    text NOT NULL,
    model_version   text NOT NULL,
    severity        text NOT NULL CHECK (severity IN ('S0', 'S1', 'S2', 'S3', 'S4')),
    state           text NOT NULL CHECK (state IN ('pending', 'open', 'acknowledged', 'cleared')),
    first_seen      timestamptz NOT NULL,
    raised_at       timestamptz,
    cleared_at      timestamptz,
    last_seen       timestamptz NOT NULL,
    quiet_since     timestamptz,
    occurrence_count int NOT NULL DEFAULT 1,
    origin          text NOT NULL CHECK (origin IN ('real', 'simulated', 'replayed')),
    updated_at      timestamptz NOT NULL
);
CREATE UNIQUE INDEX shadow_alerts_one_open ON shadow_alerts (vehicle_id, component, failure_mode, model_version)
    WHERE state <> 'cleared';
CREATE INDEX shadow_alerts_of_predictor ON shadow_alerts (tenant_id, failure_mode, model_version);

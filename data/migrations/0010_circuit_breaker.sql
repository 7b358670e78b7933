CREATE TABLE breaker_trips (
    trip_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id       int NOT NULL REFERENCES tenants,
    failure_mode    text NOT NULL,
    model_version   text NOT NULL,
    model_id        text NOT NULL REFERENCES vehicle_models,
    tripped_at      timestamptz NOT NULL,
    order_count     int NOT NULL,
    order_limit     int NOT NULL,
    released_at     timestamptz,
    released_by     text,
    decision        text CHECK (decision IN ('place', 'dismiss')),
    reason          text
);
CREATE UNIQUE INDEX breaker_trips_one_open ON breaker_trips (tenant_id, failure_mode, model_version, model_id)
    WHERE released_at IS NULL;

ALTER TABLE repair_orders ADD COLUMN model_version text;
ALTER TABLE repair_orders ADD COLUMN trip_id bigint REFERENCES breaker_trips;
CREATE INDEX repair_orders_of_predictor ON repair_orders (failure_mode, model_version, opened_at);
CREATE INDEX repair_orders_of_trip ON repair_orders (trip_id) WHERE trip_id IS NOT NULL;

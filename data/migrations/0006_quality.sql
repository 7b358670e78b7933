ALTER TABLE vehicle_models
    ADD COLUMN coordinates text NOT NULL DEFAULT 'wgs84' CHECK (coordinates IN ('wgs84', 'gcj02'));

CREATE TABLE quality_counts (
    vehicle_id      int NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    day             date NOT NULL,
    signal          text NOT NULL,
    element         smallint NOT NULL,
    reason          text NOT NULL,
    count           bigint NOT NULL,
    first_received  timestamptz NOT NULL,
    last_received   timestamptz NOT NULL,
    PRIMARY KEY (vehicle_id, day, signal, element, reason)
);

CREATE TABLE vehicle_clocks (
    vehicle_id      int PRIMARY KEY REFERENCES vehicles ON DELETE CASCADE,
    offset_s        double precision NOT NULL,
    is_off          boolean NOT NULL,
    observed_at     timestamptz NOT NULL
);

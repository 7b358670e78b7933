-- How far features lie from what they were, as `anxin drift` found last.
CREATE TABLE feature_drift (
    feature_set     text NOT NULL,
    feature         text NOT NULL,
    model_id        text NOT NULL REFERENCES vehicle_models,
    psi             double precision NOT NULL,
    ks              double precision NOT NULL,
    is_drifted      boolean NOT NULL,
    reference_count int NOT NULL,
    live_count      int NOT NULL,
    reference_from  date NOT NULL,
    reference_to    date NOT NULL,
    live_from       date NOT NULL,
    live_to         date NOT NULL,
    measured_at     timestamptz NOT NULL,
    PRIMARY KEY (feature_set, feature, model_id)
);

-- What was learned about predictors, and what it says of each prediction.
ALTER TABLE predictions ADD COLUMN calibrated real CHECK (calibrated BETWEEN 0 AND 1);
ALTER TABLE predictions ADD COLUMN p_value double precision CHECK (p_value BETWEEN 0 AND 1);
ALTER TABLE predictions ADD COLUMN is_tail boolean NOT NULL DEFAULT false;

CREATE TABLE model_artefacts (
    artefact_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_version   text NOT NULL,
    failure_mode    text NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('maps', 'learner')),
    number          int NOT NULL CHECK (number > 0),
    state           text NOT NULL CHECK (state IN ('challenger', 'champion', 'retired')),
    features        text[] NOT NULL,
    span_from       date NOT NULL,
    span_to         date NOT NULL,
    origin          text NOT NULL CHECK (origin IN ('real', 'simulated', 'replayed')),
    source          jsonb NOT NULL,
    code_version    text NOT NULL,
    metrics         jsonb NOT NULL,
    sha256          text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    content         bytea NOT NULL,
    created_at      timestamptz NOT NULL,
    promoted_at     timestamptz,
    retired_at      timestamptz,
    UNIQUE (model_version, kind, number)
);
CREATE UNIQUE INDEX model_artefacts_one_champion ON model_artefacts (model_version, kind) WHERE state = 'champion';

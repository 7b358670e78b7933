ALTER TABLE owners ADD COLUMN reference text, ADD COLUMN erased_at timestamptz, ADD UNIQUE (tenant_id, reference);

ALTER TABLE vehicles
    ADD COLUMN iccid text CHECK (iccid ~ '^[0-9A-Za-z]{18,20}$'),
    ADD COLUMN owner_since timestamptz,
    ADD COLUMN retired_at timestamptz,
    ADD UNIQUE (tenant_id, iccid);

CREATE TABLE former_owners (
    vehicle_id  int NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    owner_id    int NOT NULL REFERENCES owners ON DELETE CASCADE,
    since       timestamptz,
    until       timestamptz NOT NULL,
    PRIMARY KEY (vehicle_id, until)
);
CREATE INDEX former_owners_of_owner ON former_owners (owner_id);

CREATE TABLE broker_sessions (
    client_id       text PRIMARY KEY,
    service         text NOT NULL,
    slot            text NOT NULL,
    share           text NOT NULL,
    connected_at    timestamptz NOT NULL
);

CREATE INDEX rejects_retryable ON rejects (tenant, vin) WHERE is_retryable;

CREATE TABLE audit_events (
    event_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   int NOT NULL REFERENCES tenants,
    at          timestamptz NOT NULL,
    actor       text NOT NULL,
    action      text NOT NULL,
    subject     text NOT NULL,
    data        jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_events_of_subject ON audit_events (tenant_id, subject, event_id);

CREATE TABLE gateway_platforms (
    name        text PRIMARY KEY CHECK (name ~ '^[a-zA-Z0-9_-]{1,12}$'),
    tenant_id   int NOT NULL REFERENCES tenants,
    secret_hash text NOT NULL,
    created_at  timestamptz NOT NULL,
    revoked_at  timestamptz
);

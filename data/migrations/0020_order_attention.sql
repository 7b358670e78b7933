-- What needs a person: orders that cannot go on by themselves, promises at risk, vehicles that fell silent.
CREATE TABLE concerns (
    concern_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   int NOT NULL REFERENCES tenants,
    vehicle_id  int NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    order_id    bigint REFERENCES repair_orders ON DELETE CASCADE,
    alert_id    bigint REFERENCES alerts ON DELETE CASCADE,
    kind        text NOT NULL,                      -- 'overrun', 'promise_broken', 'no_station', …
    audience    text NOT NULL CHECK (audience IN ('station', 'operations')),   -- operations see both
    detail      text NOT NULL,
    raised_at   timestamptz NOT NULL,
    settled_at  timestamptz                         -- it holds no longer
);
CREATE UNIQUE INDEX concerns_one_open ON concerns (vehicle_id, coalesce(order_id, 0), coalesce(alert_id, 0), kind)
    WHERE settled_at IS NULL;
CREATE INDEX concerns_open ON concerns (tenant_id, raised_at) WHERE settled_at IS NULL;
CREATE INDEX concerns_of_order ON concerns (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX concerns_of_alert ON concerns (alert_id) WHERE alert_id IS NOT NULL;

ALTER TABLE repair_orders ADD COLUMN replaces_id bigint UNIQUE REFERENCES repair_orders;

-- After how long without a message a vehicle counts as silent: that was on its way or connected, that was parked.
ALTER TABLE tenants
    ADD COLUMN lost_after_h real NOT NULL DEFAULT 6 CHECK (lost_after_h > 0),
    ADD COLUMN parked_after_h real NOT NULL DEFAULT 336 CHECK (parked_after_h > 0);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: % refused, rows are only added', TG_TABLE_NAME, lower(TG_OP)
        USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END $$;
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER order_events_append_only BEFORE UPDATE ON order_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER alert_events_append_only BEFORE UPDATE ON alert_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

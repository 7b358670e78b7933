-- How owners and stations are reached, in which order, when not; and who has been told what so far.
ALTER TABLE owners ADD COLUMN quiet_from time;
ALTER TABLE owners ADD COLUMN quiet_to time;
ALTER TABLE owners ADD COLUMN time_zone text;
ALTER TABLE owners ADD COLUMN push_rank int NOT NULL DEFAULT 0;
ALTER TABLE owners ADD CHECK ((quiet_from IS NULL) = (quiet_to IS NULL));

CREATE TABLE contact_ways (
    contact_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id    int NOT NULL REFERENCES owners ON DELETE CASCADE,
    channel     text NOT NULL CHECK (channel IN ('email', 'apprise', 'webhook')),
    address     text NOT NULL,
    secret      text,
    rank        int NOT NULL,
    is_emergency boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL,
    code        text,
    code_sent_at timestamptz,
    code_tries  int NOT NULL DEFAULT 0,
    verified_at timestamptz,
    UNIQUE (owner_id, channel, address),
    CHECK ((channel = 'webhook') = (secret IS NOT NULL))
);

CREATE TABLE webhooks (
    webhook_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   int NOT NULL REFERENCES tenants,
    station_id  int REFERENCES stations ON DELETE CASCADE,
    url         text NOT NULL,
    secret      text NOT NULL,
    created_at  timestamptz NOT NULL
);
CREATE UNIQUE INDEX webhooks_of_station ON webhooks (station_id, url) WHERE station_id IS NOT NULL;
CREATE UNIQUE INDEX webhooks_of_desk ON webhooks (tenant_id, url) WHERE station_id IS NULL;

CREATE TABLE address_pauses (
    channel     text NOT NULL,
    address     text NOT NULL,
    failures    int NOT NULL,
    until       timestamptz NOT NULL,
    PRIMARY KEY (channel, address)
);

ALTER TABLE warnings ADD COLUMN step int NOT NULL DEFAULT 0;
ALTER TABLE warnings ADD COLUMN clock_from timestamptz;
ALTER TABLE warnings ADD COLUMN next_step_at timestamptz;
ALTER TABLE warnings ADD COLUMN desk_at timestamptz;
ALTER TABLE warnings ADD COLUMN acknowledged_at timestamptz;
ALTER TABLE warnings ADD COLUMN acknowledged_by text;
ALTER TABLE warnings ADD COLUMN superseded_by uuid REFERENCES warnings ON DELETE SET NULL;
CREATE INDEX warnings_next_step ON warnings (next_step_at) WHERE next_step_at IS NOT NULL;
CREATE INDEX warnings_of_vehicle ON warnings (vehicle_id, created_at);
CREATE INDEX warnings_of_order ON warnings (order_id) WHERE order_id IS NOT NULL;

ALTER TABLE deliveries ALTER COLUMN warning_id DROP NOT NULL;
ALTER TABLE deliveries DROP CONSTRAINT deliveries_channel_check;
ALTER TABLE deliveries ADD CONSTRAINT deliveries_channel_check
    CHECK (channel IN ('webpush', 'mqtt', 'email', 'apprise', 'webhook', 'station'));
ALTER TABLE deliveries ADD COLUMN audience text NOT NULL DEFAULT 'owner'
    CHECK (audience IN ('owner', 'vehicle', 'emergency', 'desk', 'station'));
ALTER TABLE deliveries ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE deliveries ADD COLUMN order_id bigint REFERENCES repair_orders ON DELETE CASCADE;
ALTER TABLE deliveries ADD COLUMN event_id bigint REFERENCES order_events ON DELETE CASCADE;
ALTER TABLE deliveries ADD COLUMN contact_id int REFERENCES contact_ways ON DELETE CASCADE;
ALTER TABLE deliveries ADD COLUMN webhook_id int REFERENCES webhooks ON DELETE CASCADE;
ALTER TABLE deliveries ADD CHECK (num_nonnulls(warning_id, order_id, contact_id) = 1);
CREATE UNIQUE INDEX deliveries_of_event ON deliveries (event_id, webhook_id) WHERE event_id IS NOT NULL;
CREATE INDEX deliveries_of_order ON deliveries (order_id) WHERE order_id IS NOT NULL;

CREATE FUNCTION tell_station() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO deliveries (order_id, event_id, webhook_id, channel, address, audience, state, next_attempt_at,
                            created_at)
    SELECT NEW.order_id, NEW.event_id, h.webhook_id, 'station', h.url, 'station', 'pending', NEW.at, NEW.at
    FROM webhooks h JOIN repair_orders o USING (station_id) WHERE o.order_id = NEW.order_id;
    RETURN NULL;
END $$;
CREATE TRIGGER order_events_tell_station AFTER INSERT ON order_events
    FOR EACH ROW EXECUTE FUNCTION tell_station();

CREATE FUNCTION tell_former_station() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO deliveries (order_id, webhook_id, channel, address, audience, state, next_attempt_at, created_at)
    SELECT NEW.order_id, h.webhook_id, 'station', h.url, 'station', 'pending', NEW.updated_at, NEW.updated_at
    FROM webhooks h WHERE h.station_id = OLD.station_id;
    RETURN NULL;
END $$;
CREATE TRIGGER repair_orders_tell_former_station AFTER UPDATE OF station_id ON repair_orders
    FOR EACH ROW WHEN (OLD.station_id IS NOT NULL AND NEW.station_id IS DISTINCT FROM OLD.station_id)
    EXECUTE FUNCTION tell_former_station();

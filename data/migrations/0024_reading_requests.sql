-- What technicians ask vehicles for; the answer is the vehicle's event of kind 'answer' whose code is the request.
CREATE TABLE reading_requests (
    request_id  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    order_id    bigint NOT NULL REFERENCES repair_orders ON DELETE CASCADE,
    vehicle_id  int NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    signals     text[] NOT NULL CHECK (cardinality(signals) BETWEEN 1 AND 20),    -- catalogue aliases
    asked_at    timestamptz NOT NULL,
    asked_by    text NOT NULL,
    expires_at  timestamptz NOT NULL CHECK (expires_at > asked_at),
    sent_at     timestamptz                     -- handed to the broker
);
CREATE INDEX reading_requests_of_order ON reading_requests (order_id, asked_at);
CREATE INDEX reading_requests_of_vehicle ON reading_requests (vehicle_id, asked_at);
CREATE INDEX reading_requests_unsent ON reading_requests (expires_at) WHERE sent_at IS NULL;

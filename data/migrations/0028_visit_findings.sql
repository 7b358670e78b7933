-- What could wait for the vehicle's next visit to a workshop, looked at once for each visit: the order that was opened
-- or joined for it, or why nothing could be offered with this visit.
CREATE TABLE visit_findings (
    visit_id    bigint NOT NULL REFERENCES repair_orders ON DELETE CASCADE,   -- the order the vehicle comes in for
    alert_id    bigint NOT NULL REFERENCES alerts ON DELETE CASCADE,
    order_id    bigint REFERENCES repair_orders ON DELETE CASCADE,
    reason      text CHECK (num_nonnulls(order_id, reason) = 1),
    at          timestamptz NOT NULL,
    PRIMARY KEY (visit_id, alert_id)
);
CREATE INDEX visit_findings_of_order ON visit_findings (order_id) WHERE order_id IS NOT NULL;

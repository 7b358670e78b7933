ALTER TABLE repair_orders
    ADD COLUMN shares_data boolean NOT NULL DEFAULT false,
    ADD COLUMN agreed_total numeric(12, 2),
    ADD COLUMN odometer_in_km real CHECK (odometer_in_km >= 0),
    ADD COLUMN odometer_out_km real CHECK (odometer_out_km >= odometer_in_km),
    ADD COLUMN begun_at timestamptz,
    ADD COLUMN correction text,
    ADD COLUMN part_removed text;

-- Which state may follow which; nothing else can be written, whoever writes it.
CREATE TABLE order_transitions (
    from_state  text NOT NULL,
    to_state    text NOT NULL,
    PRIMARY KEY (from_state, to_state)
);
INSERT INTO order_transitions (from_state, to_state) VALUES
    ('approved', 'cancelled'), ('approved', 'parts_reserved'), ('approved', 'waiting_parts'),
    ('assigned', 'cancelled'), ('assigned', 'in_progress'), ('booked', 'cancelled'), ('booked', 'checked_in'),
    ('booked', 'dispatched'), ('booked', 'offered'), ('booked', 'triaged'), ('checked_in', 'cancelled'),
    ('checked_in', 'diagnosing'), ('diagnosing', 'cancelled'), ('diagnosing', 'estimated'),
    ('diagnosing', 'no_fault_found'), ('dispatched', 'cancelled'), ('dispatched', 'checked_in'),
    ('estimated', 'approved'), ('estimated', 'cancelled'), ('estimated', 'declined'), ('in_progress', 'estimated'),
    ('in_progress', 'no_fault_found'), ('in_progress', 'paused'), ('in_progress', 'qc'), ('invoiced', 'paid'),
    ('no_fault_found', 'closed'), ('offered', 'booked'), ('offered', 'cancelled'), ('offered', 'declined'),
    ('offered', 'triaged'), ('paid', 'closed'), ('parts_reserved', 'assigned'), ('parts_reserved', 'cancelled'),
    ('parts_reserved', 'waiting_parts'), ('paused', 'in_progress'), ('predicted', 'cancelled'),
    ('predicted', 'triaged'), ('qc', 'ready'), ('qc', 'rework'), ('ready', 'invoiced'), ('rework', 'in_progress'),
    ('triaged', 'cancelled'), ('triaged', 'offered'), ('waiting_parts', 'cancelled'),
    ('waiting_parts', 'parts_reserved');

CREATE FUNCTION refuse_illegal_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM order_transitions WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        RAISE EXCEPTION 'order %: % -> % is no legal transition', OLD.order_id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'repair_orders_legal_transition';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER repair_orders_legal_transition BEFORE UPDATE OF state ON repair_orders
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION refuse_illegal_transition();

-- A price that the station proposes; order_lines hold what is agreed.
CREATE TABLE order_estimates (
    estimate_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id    bigint NOT NULL REFERENCES repair_orders ON DELETE CASCADE,
    lines       jsonb NOT NULL,
    total       numeric(12, 2) NOT NULL,
    reason      text NOT NULL,
    proposed_at timestamptz NOT NULL,
    proposed_by text NOT NULL,
    decision    text NOT NULL CHECK (decision IN ('pending', 'within_limit', 'approved', 'declined', 'withdrawn')),
    decided_at  timestamptz,
    decided_by  text
);
CREATE UNIQUE INDEX order_estimates_one_pending ON order_estimates (order_id) WHERE decision = 'pending';
CREATE INDEX order_estimates_of_order ON order_estimates (order_id, estimate_id);

-- What technicians found; append-only, the newest counts.
CREATE TABLE order_findings (
    finding_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id        bigint NOT NULL REFERENCES repair_orders ON DELETE CASCADE,
    outcome         text NOT NULL CHECK (outcome IN ('confirmed', 'other', 'no_fault_found')),
    cause           text NOT NULL,
    measured_value  double precision,
    measured_unit   text,
    trouble_codes   text[] NOT NULL DEFAULT '{}',
    onset           timestamptz,            -- since when, as far as the technician can tell
    found_at        timestamptz NOT NULL,
    found_by        text NOT NULL,
    CHECK ((measured_value IS NULL) = (measured_unit IS NULL))
);
CREATE INDEX order_findings_of_order ON order_findings (order_id, finding_id);

-- Who stood for it that high voltage was off, and that the work is good.
CREATE TABLE order_signoffs (
    signoff_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id    bigint NOT NULL REFERENCES repair_orders ON DELETE CASCADE,
    kind        text NOT NULL CHECK (kind IN ('hv_isolation', 'quality')),
    technician_id int NOT NULL REFERENCES technicians,
    measured_v  real,                       -- across the isolated terminals
    at          timestamptz NOT NULL
);
CREATE INDEX order_signoffs_of_order ON order_signoffs (order_id, signoff_id);

-- What was done under which key: the same again gets the same answer.
CREATE TABLE order_commands (
    order_id    bigint NOT NULL REFERENCES repair_orders ON DELETE CASCADE,
    key         text NOT NULL,
    digest      bytea NOT NULL,             -- SHA-256 of action, version and details
    state       text NOT NULL,              -- the answer
    version     int NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (order_id, key)
);

-- One label for each repair that came to an end; known from decided_at on, never earlier.
CREATE TABLE outcomes (
    order_id        bigint PRIMARY KEY REFERENCES repair_orders ON DELETE CASCADE,
    tenant_id       int NOT NULL REFERENCES tenants,
    vehicle_id      int NOT NULL REFERENCES vehicles,
    station_id      int REFERENCES stations,
    component       text NOT NULL,
    failure_mode    text NOT NULL,
    outcome         text NOT NULL CHECK (outcome IN ('confirmed', 'other', 'no_fault_found')),
    cause           text NOT NULL,
    part_removed    text,
    measured_value  double precision,
    measured_unit   text,
    onset           timestamptz,
    found_at        timestamptz NOT NULL,
    decided_at      timestamptz NOT NULL,
    prediction_id   bigint REFERENCES predictions,
    model_version   text,
    origin          text NOT NULL CHECK (origin IN ('real', 'simulated', 'replayed'))
);
CREATE INDEX outcomes_of_mode ON outcomes (tenant_id, failure_mode, decided_at);

CREATE TABLE order_ratings (
    order_id        bigint PRIMARY KEY REFERENCES repair_orders ON DELETE CASCADE,
    station_stars   smallint NOT NULL CHECK (station_stars BETWEEN 1 AND 5),
    warning_stars   smallint NOT NULL CHECK (warning_stars BETWEEN 1 AND 5),
    comment         text NOT NULL DEFAULT '',
    rated_at        timestamptz NOT NULL
);

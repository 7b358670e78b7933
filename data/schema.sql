-- The full current schema of Anxin. Plain PostgreSQL 15 SQL; migrate.py turns the telemetry tables into
-- hypertables where the timescaledb extension is there. Every change comes with a numbered migration.

-- ============================================================ fleet

CREATE TABLE tenants (
    tenant_id   int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
    -- after how long without a message a vehicle counts as silent: that was on its way or connected, that was parked
    lost_after_h    real NOT NULL DEFAULT 6 CHECK (lost_after_h > 0),
    parked_after_h  real NOT NULL DEFAULT 336 CHECK (parked_after_h > 0)
);

CREATE TABLE owners (
    owner_id    int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   int NOT NULL REFERENCES tenants,
    name        text NOT NULL,
    locale      text NOT NULL DEFAULT 'zh' CHECK (locale IN ('zh', 'en')),
    home_lat    double precision CHECK (home_lat BETWEEN -90 AND 90),    -- WGS-84
    home_lon    double precision CHECK (home_lon BETWEEN -180 AND 180),
    reference   text,                               -- the operator's own name of the person, e.g. a customer number
    erased_at   timestamptz,                        -- the person's data were deleted on request
    quiet_from  time,                               -- S3 and S4 wait from then on; NULL: as the policy says
    quiet_to    time,                               -- until then; the same as quiet_from: never
    time_zone   text,                               -- of the quiet hours; NULL: the vehicle's
    push_rank   int NOT NULL DEFAULT 0,             -- place of the owner's browsers among contact_ways
    preferred_station_id int,                       -- asked first (owners_preferred_station); NULL: the nearest
    preferred_mode text CHECK (preferred_mode IN ('drive_in', 'mobile', 'pickup')), -- where the urgency allows it
    UNIQUE (tenant_id, reference),
    CHECK ((quiet_from IS NULL) = (quiet_to IS NULL))
);

CREATE TABLE vehicle_models (
    model_id        text PRIMARY KEY,               -- 'anxin-sedan-96-ncm'
    name            text NOT NULL,
    chemistry       text NOT NULL CHECK (chemistry IN ('NCM', 'LFP')),
    cell_count      int NOT NULL CHECK (cell_count > 0),
    probe_count     int NOT NULL CHECK (probe_count >= 0),
    capacity_ah     real NOT NULL CHECK (capacity_ah > 0),
    energy_kwh      real NOT NULL CHECK (energy_kwh > 0),
    wheels          text[] NOT NULL,                -- array order of tire readings
    placard_kpa     real[] NOT NULL,                -- gauge, cold, per wheel
    grid_s          real NOT NULL DEFAULT 1 CHECK (grid_s > 0),  -- CAN signals are resampled to this
    dbc             text,                           -- the text of the bus database
    signal_map      jsonb NOT NULL DEFAULT '{}',    -- {"Message.Signal": {"alias", "index"?, "scale"?, "offset"?}}
    coordinates     text NOT NULL DEFAULT 'wgs84' CHECK (coordinates IN ('wgs84', 'gcj02')),  -- of the positions it sends
    warranty        jsonb NOT NULL DEFAULT '{}',    -- where its terms are not those of the policy: {"battery": {"months", "km"?}}
    CHECK (cardinality(wheels) = cardinality(placard_kpa))
);

CREATE TABLE vehicles (
    vehicle_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   int NOT NULL REFERENCES tenants,
    vin         text NOT NULL CHECK (vin ~ '^[A-HJ-NPR-Z0-9]{17}$'),
    model_id    text NOT NULL REFERENCES vehicle_models,
    owner_id    int REFERENCES owners,
    plate       text,
    time_zone   text NOT NULL DEFAULT 'Asia/Shanghai',
    firmware    text,
    iccid       text CHECK (iccid ~ '^[0-9A-Za-z]{18,20}$'),    -- of the SIM card; a gateway login must name it
    owner_since timestamptz,                        -- what is older is not this owner's to see; NULL: the first owner
    retired_at  timestamptz,                        -- end of life: nothing is taken from it any more
    in_service_on date,                             -- its warranties count from this day; NULL: not known
    UNIQUE (tenant_id, vin),
    UNIQUE (tenant_id, iccid)
);

-- Who owned a vehicle before; the present owner is in vehicles.
CREATE TABLE former_owners (
    vehicle_id  int NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    owner_id    int NOT NULL REFERENCES owners ON DELETE CASCADE,
    since       timestamptz,                        -- NULL: from its registration
    until       timestamptz NOT NULL,
    PRIMARY KEY (vehicle_id, until)
);
CREATE INDEX former_owners_of_owner ON former_owners (owner_id);

-- ============================================================ telemetry (hypertables)
-- sent_lag_s = sent - sample, received_lag_s = received - sample: every reading has its three times.

CREATE TABLE drive_readings (
    vehicle_id              int NOT NULL,
    time                    timestamptz NOT NULL,
    sent_lag_s              real,
    received_lag_s          real,
    speed                   real,
    odometer                double precision,
    soc                     real,
    soh                     real,
    pack_voltage            real,
    pack_current            real,
    insulation              real,
    charging                smallint,
    vehicle_state           smallint,
    gear                    smallint,
    accelerator             real,
    brake                   real,
    ambient                 real,
    barometer               real,
    coolant                 real,
    motor_temperature       real,
    inverter_temperature    real,
    motor_speed             real,
    motor_torque            real,
    motor_voltage           real,
    motor_current           real,
    dcdc_state              smallint,
    lv_voltage              real,
    lv_current              real,
    latitude                double precision,
    longitude               double precision,
    altitude                real,
    heading                 real,
    rain                    real,
    coolant_pump_speed      real,
    coolant_pump_current    real,
    dcdc_temperature        real,
    hv_interlock            smallint,
    PRIMARY KEY (vehicle_id, time)
);

CREATE TABLE tire_readings (
    vehicle_id      int NOT NULL,
    time            timestamptz NOT NULL,
    sent_lag_s      real,
    received_lag_s  real,
    pressure        real[],     -- kPa gauge, wheels in the model's order, NULL element: not heard
    temperature     real[],     -- °C
    age             real[],     -- s
    PRIMARY KEY (vehicle_id, time)
);

CREATE TABLE cell_readings (
    vehicle_id          int NOT NULL,
    time                timestamptz NOT NULL,
    sub_pack            smallint NOT NULL DEFAULT 1,
    first_cell          smallint NOT NULL DEFAULT 1,
    sent_lag_s          real,
    received_lag_s      real,
    voltage_mv          smallint[],
    temperature_ddegc   smallint[],     -- 0.1 °C, one a probe; on the row with first_cell 1
    PRIMARY KEY (vehicle_id, time, sub_pack, first_cell)
);

CREATE TABLE signal_readings (
    vehicle_id  int NOT NULL,
    time        timestamptz NOT NULL,
    signal      text NOT NULL,          -- 'Message.Signal' of the DBC
    value       double precision,
    PRIMARY KEY (vehicle_id, time, signal)
);

CREATE TABLE trouble_codes (
    vehicle_id  int NOT NULL,
    time        timestamptz NOT NULL,
    ecu         text NOT NULL,
    code        text NOT NULL,
    status      smallint,               -- ISO 14229 status byte
    is_hist     boolean NOT NULL,
    occurrence_count smallint,          -- as the control unit counts, where its protocol tells
    PRIMARY KEY (vehicle_id, time, ecu, code)
);

CREATE TABLE vehicle_events (
    vehicle_id  int NOT NULL,
    time        timestamptz NOT NULL,
    kind        text NOT NULL,          -- 'alarm', 'dtc', 'impact', 'birth', 'online', 'login', 'oem_block', …
    source      text NOT NULL DEFAULT '',   -- 'event', 'gbt32960', 'status'
    level       smallint NOT NULL DEFAULT 0 CHECK (level BETWEEN 0 AND 3),   -- GB/T 32960 alarm level
    code        text NOT NULL DEFAULT '',
    data        jsonb NOT NULL DEFAULT '{}',
    is_hist     boolean NOT NULL,
    sent        timestamptz,
    received    timestamptz NOT NULL,
    PRIMARY KEY (vehicle_id, time, kind, source, code)
);

-- ============================================================ ingest

CREATE TABLE vehicle_latest (
    vehicle_id  int NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    family      text NOT NULL,
    time        timestamptz NOT NULL,   -- newest sample; guarded: never goes back
    sent        timestamptz,
    received    timestamptz NOT NULL,
    is_hist     boolean NOT NULL,       -- the newest sample came out of the vehicle's store
    origin      text NOT NULL CHECK (origin IN ('real', 'simulated', 'replayed')),
    live_time   timestamptz,            -- newest sample that came live
    readings    jsonb NOT NULL,         -- alias -> newest non-missing value
    reading_times jsonb NOT NULL DEFAULT '{}',  -- alias -> sample time, µs since 1970, of readings older than time
    PRIMARY KEY (vehicle_id, family)
);

CREATE TABLE message_streams (
    vehicle_id          int NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    boot                text NOT NULL,
    origin              text NOT NULL DEFAULT 'real' CHECK (origin IN ('real', 'simulated', 'replayed')),
    high                int NOT NULL DEFAULT -1,    -- highest sequence number known to have been sent
    missing             int4multirange NOT NULL DEFAULT '{}',
    given_up            int4multirange NOT NULL DEFAULT '{}',   -- missing for longer than the vehicle stores
    received_count      bigint NOT NULL DEFAULT 0,  -- distinct sequence numbers received
    duplicate_count     bigint NOT NULL DEFAULT 0,
    repaired_count      bigint NOT NULL DEFAULT 0,  -- received after they had been missing
    first_received      timestamptz NOT NULL,
    last_received       timestamptz NOT NULL,
    first_time          timestamptz,                -- span of sample times
    last_time           timestamptz,
    is_online           boolean NOT NULL DEFAULT true,
    resend_requested_at timestamptz,
    resend_count        int NOT NULL DEFAULT 0,
    dropped_count       bigint NOT NULL DEFAULT 0,  -- missing, but beyond the holes that are kept
    unbelieved_count    bigint NOT NULL DEFAULT 0,  -- received with a number too far above all others to be true
    PRIMARY KEY (vehicle_id, boot)
);
CREATE INDEX message_streams_with_gaps ON message_streams (vehicle_id) WHERE missing <> '{}';

-- Halves of transfers (ISO-TP, J1939) that a CAN message does not hold whole, until the other half has come.
CREATE TABLE cut_transfers (
    vehicle_id  int NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    bus         text NOT NULL,
    width       smallint NOT NULL,      -- bytes of a frame: 8 or 64
    is_rest     boolean NOT NULL,       -- goes on from a message that was not read before it
    first_time  timestamptz NOT NULL,
    last_time   timestamptz NOT NULL,
    frames      bytea NOT NULL,         -- time in µs, identifier, length, data; little endian
    origin      text NOT NULL DEFAULT 'real' CHECK (origin IN ('real', 'simulated', 'replayed')),
    is_hist     boolean NOT NULL,
    received    timestamptz NOT NULL,
    PRIMARY KEY (vehicle_id, bus, width, is_rest, last_time)
);
CREATE INDEX cut_transfers_received ON cut_transfers (received);

-- What the quality checks of ingest found: values masked as missing, and values kept that look wrong.
CREATE TABLE quality_counts (
    vehicle_id      int NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    day             date NOT NULL,          -- of receipt, UTC
    signal          text NOT NULL,          -- catalogue alias or field of the decoder; 'time' and 'clock'
    element         smallint NOT NULL,      -- wheel, cell or probe from 1; 0: a scalar
    reason          text NOT NULL,          -- 'range', 'sentinel', 'all_equal', 'stuck', 'held', 'offset', ...
    count           bigint NOT NULL,
    first_received  timestamptz NOT NULL,
    last_received   timestamptz NOT NULL,
    PRIMARY KEY (vehicle_id, day, signal, element, reason)
);

-- How far each vehicle's clock is ahead (+) or behind (-), by its promptest messages.
CREATE TABLE vehicle_clocks (
    vehicle_id      int PRIMARY KEY REFERENCES vehicles ON DELETE CASCADE,
    offset_s        double precision NOT NULL,
    is_off          boolean NOT NULL,       -- further than ANXIN_INGEST_CLOCK_LIMIT_S
    observed_at     timestamptz NOT NULL
);

-- Written last in the ingest transaction, under pg_advisory_xact_lock(LOCK_BATCH_LOG), so that batch_id order is
-- commit order and a reader's cursor never skips a batch.
CREATE TABLE ingest_batches (
    batch_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    committed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    slot            text NOT NULL,              -- which ingest process
    message_count   int NOT NULL,
    duplicate_count int NOT NULL,
    reject_count    int NOT NULL,
    row_count       int NOT NULL,
    conflict_count  int NOT NULL DEFAULT 0,     -- non-null values that differed from those stored
    masked          jsonb NOT NULL DEFAULT '{}',-- {"tire.pressure:range": 3}: values masked as missing, by reason
    families        text[] NOT NULL,
    -- one element per touched vehicle and family, parallel arrays:
    vehicle_ids     int[] NOT NULL,
    vehicle_families text[] NOT NULL,
    time_from       timestamptz[] NOT NULL,
    time_to         timestamptz[] NOT NULL,
    has_live        boolean[] NOT NULL          -- at least one sample was sent live (hist = 0)
);

CREATE INDEX ingest_batches_of_time ON ingest_batches (committed_at);

-- Spans whose rollups (drive_five_minutes, drive_hours, tire_…, signal_…: made by rollups.py from the catalogue) are
-- behind the readings. Filled from the commit log and paid by 'anxin maintain'; plots read readings from there on.
CREATE TABLE rollup_debts (
    vehicle_id  int NOT NULL,
    family      text NOT NULL,
    time_from   timestamptz NOT NULL,
    time_to     timestamptz NOT NULL,
    noted_at    timestamptz NOT NULL,
    PRIMARY KEY (vehicle_id, family)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

-- Big tables that only grow: vacuumed and analysed in small steps. Small rows that change all the time: room for
-- the next version in the same page (HOT).
ALTER TABLE drive_readings SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE tire_readings SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE cell_readings SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE signal_readings SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
-- Readings of some hundred cells are over 2 kB: compressing them anew with each message costs more than the page.
ALTER TABLE vehicle_latest SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, toast_tuple_target = 8160);
ALTER TABLE message_streams SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE service_cursors (
    service     text NOT NULL,          -- 'watch', 'score', 'maintain', ...
    partition   int NOT NULL,
    batch_id    bigint NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, partition)
);

-- Who is alive: each service process writes its row every few seconds.
CREATE TABLE service_beats (
    service     text NOT NULL,          -- 'ingest', 'watch', 'score', 'route', 'notify', 'api', 'maintain'
    slot        text NOT NULL,          -- tells processes of one service apart
    pid         int NOT NULL,
    started_at  timestamptz NOT NULL,
    beat_at     timestamptz NOT NULL,
    is_ready    boolean NOT NULL,       -- connected to everything it needs
    PRIMARY KEY (service, slot)
);

-- Sessions that the broker keeps for services, alive or not: it goes on giving a dead one its share of the messages
-- until the slot is drained.
CREATE TABLE broker_sessions (
    client_id       text PRIMARY KEY,
    service         text NOT NULL,
    slot            text NOT NULL,
    share           text NOT NULL,
    connected_at    timestamptz NOT NULL        -- its newest connection
);

CREATE TABLE rejects (
    reject_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received    timestamptz NOT NULL,
    tenant      text,
    vin         text,
    topic       text NOT NULL,
    reason      text NOT NULL,          -- stable code: 'unknown_vehicle', 'malformed', 'wrong_length', ...
    detail      text NOT NULL,          -- field, value and rule in words
    payload     bytea NOT NULL,
    digest      bytea NOT NULL,         -- of topic and payload: a redelivered reject is the same reject
    is_retryable boolean NOT NULL,
    retried_at  timestamptz,
    seen_count  int NOT NULL DEFAULT 1,
    UNIQUE (digest)
);
CREATE INDEX rejects_by_reason ON rejects (reason, received);
CREATE INDEX rejects_retryable ON rejects (tenant, vin) WHERE is_retryable;

-- ============================================================ models

-- What a local day says of a vehicle, one row a set of features. A plain table: today's row is written anew with every
-- scoring and any day's with its late rows, and readers want one vehicle's last weeks, which the primary key finds.
CREATE TABLE day_features (
    vehicle_id      int NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    feature_set     text NOT NULL,
    day             date NOT NULL,                  -- local to the vehicle
    version         int NOT NULL,                   -- of the set; 0: to be computed again
    first_time      timestamptz,                    -- oldest and newest sample; NULL: the day has nothing for this set
    last_time       timestamptz,
    value           double precision[] NOT NULL,    -- every feature of the set, component by component; NaN: missing
    PRIMARY KEY (vehicle_id, feature_set, day)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX day_features_of_day ON day_features (day);     -- for deleting what is older than wanted

CREATE TABLE vehicle_scores (
    vehicle_id      int NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    failure_mode    text NOT NULL,
    scored_at       timestamptz NOT NULL,
    data_time       timestamptz NOT NULL,   -- newest sample used
    probability     real,                   -- of the worst component; NULL: nothing is known
    component       text,
    model_version   text NOT NULL,
    PRIMARY KEY (vehicle_id, failure_mode, model_version)
);

-- Feature sets and predictors that raised on a vehicle, and vehicles that could not be scored at all; a row goes away
-- when it works again.
CREATE TABLE scoring_failures (
    vehicle_id      int NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    part            text NOT NULL,          -- feature set or model version; '*': the vehicle as a whole
    error           text NOT NULL,
    first_at        timestamptz NOT NULL,
    last_at         timestamptz NOT NULL,
    count           int NOT NULL DEFAULT 1,
    PRIMARY KEY (vehicle_id, part)
);

CREATE TABLE predictions (
    prediction_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle_id      int NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    component       text NOT NULL,
    failure_mode    text NOT NULL,
    severity        text NOT NULL CHECK (severity IN ('S0', 'S1', 'S2', 'S3', 'S4')),
    probability     real NOT NULL CHECK (probability BETWEEN 0 AND 1),
    horizon_h       real NOT NULL,
    ttt_p10_h       real,                   -- time to threshold
    ttt_p50_h       real,
    ttt_p90_h       real,
    predicted_at    timestamptz NOT NULL,
    data_time       timestamptz NOT NULL,
    since           timestamptz NOT NULL,
    window_from     timestamptz NOT NULL,
    window_to       timestamptz NOT NULL,
    reasons         jsonb NOT NULL,         -- [{feature, value, unit, healthy_low, healthy_high, peers, text_en, text_zh}]
    evidence        jsonb NOT NULL DEFAULT '{}',    -- series for the plot: {"time": [...], "series": {name: [...]}, "unit"}
    model_version   text NOT NULL,
    origin          text NOT NULL CHECK (origin IN ('real', 'simulated', 'replayed')),
    is_fresh        boolean NOT NULL,
    routed_at       timestamptz,            -- set by route in the transaction that acted on it
    calibrated      real CHECK (calibrated BETWEEN 0 AND 1),        -- chance of crossing the limit within the horizon
    p_value         double precision CHECK (p_value BETWEEN 0 AND 1),   -- share of healthy vehicle-days as bad
    is_tail         boolean NOT NULL DEFAULT false, -- the p-value is beyond what was seen, from a fitted tail
    UNIQUE (vehicle_id, component, failure_mode, data_time, model_version)
);
CREATE INDEX predictions_to_route ON predictions (prediction_id) WHERE routed_at IS NULL;
CREATE INDEX predictions_of_vehicle ON predictions (vehicle_id, failure_mode, data_time DESC);

-- What was learned about a predictor version. Champions are applied by score, learners that are challengers score
-- beside in shadow.
CREATE TABLE model_artefacts (
    artefact_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_version   text NOT NULL,          -- of the predictor that it belongs to
    failure_mode    text NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('maps', 'learner')),
    number          int NOT NULL CHECK (number > 0),
    state           text NOT NULL CHECK (state IN ('challenger', 'champion', 'retired')),
    features        text[] NOT NULL,
    span_from       date NOT NULL,          -- days trained on
    span_to         date NOT NULL,
    origin          text NOT NULL CHECK (origin IN ('real', 'simulated', 'replayed')),
    source          jsonb NOT NULL,         -- seeds, vehicles, prevalence, …
    code_version    text NOT NULL,
    metrics         jsonb NOT NULL,
    sha256          text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    content         bytea NOT NULL,         -- skops; loaded with a list of trusted types or not at all
    created_at      timestamptz NOT NULL,
    promoted_at     timestamptz,
    retired_at      timestamptz,
    UNIQUE (model_version, kind, number)
);
CREATE UNIQUE INDEX model_artefacts_one_champion ON model_artefacts (model_version, kind) WHERE state = 'champion';

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

-- ============================================================ stations, parts, labour

CREATE TABLE stations (
    station_id      int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id       int NOT NULL REFERENCES tenants,
    code            text NOT NULL,
    name_en         text NOT NULL,
    name_zh         text NOT NULL,
    city            text NOT NULL,
    address         text NOT NULL,
    lat             double precision NOT NULL CHECK (lat BETWEEN -90 AND 90),
    lon             double precision NOT NULL CHECK (lon BETWEEN -180 AND 180),
    time_zone       text NOT NULL DEFAULT 'Asia/Shanghai',
    has_hv_certificate boolean NOT NULL,
    labour_rate     numeric(10, 2) NOT NULL CHECK (labour_rate >= 0),    -- per hour
    currency        text NOT NULL DEFAULT 'CNY',
    tax_rate        numeric(5, 4) NOT NULL DEFAULT 0.13,
    is_active       boolean NOT NULL DEFAULT true,
    fees            jsonb NOT NULL DEFAULT '{}',    -- {"mobile", "pickup", "tow": amount without tax}; no "pickup": not offered
    UNIQUE (tenant_id, code)
);
ALTER TABLE owners ADD CONSTRAINT owners_preferred_station FOREIGN KEY (preferred_station_id) REFERENCES stations
    ON DELETE SET NULL;

CREATE TABLE station_hours (
    station_id  int NOT NULL REFERENCES stations ON DELETE CASCADE,
    weekday     smallint NOT NULL CHECK (weekday BETWEEN 1 AND 7),  -- ISO: 1 Monday
    opens       time NOT NULL,
    closes      time NOT NULL CHECK (closes > opens),
    PRIMARY KEY (station_id, weekday, opens)
);

CREATE TABLE bays (
    bay_id      int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station_id  int NOT NULL REFERENCES stations ON DELETE CASCADE,
    name        text NOT NULL,
    kinds       text[] NOT NULL,            -- 'tire', 'lift', 'hv', 'quarantine', 'any'
    is_open     boolean NOT NULL DEFAULT true,
    UNIQUE (station_id, name)
);

CREATE TABLE technicians (
    technician_id   int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station_id      int NOT NULL REFERENCES stations ON DELETE CASCADE,
    name            text NOT NULL,
    skills          text[] NOT NULL,        -- 'T1', 'T2', 'HV2', 'HV3'
    is_active       boolean NOT NULL DEFAULT true,
    carries         text[],                 -- parts in this technician's van; NULL: works at the station
    UNIQUE (station_id, name)
);

CREATE TABLE shifts (
    technician_id   int NOT NULL REFERENCES technicians ON DELETE CASCADE,
    weekday         smallint NOT NULL CHECK (weekday BETWEEN 1 AND 7),
    starts          time NOT NULL,
    ends            time NOT NULL CHECK (ends > starts),
    PRIMARY KEY (technician_id, weekday, starts)
);

CREATE TABLE parts (
    tenant_id   int NOT NULL REFERENCES tenants,
    sku         text NOT NULL,
    name_en     text NOT NULL,
    name_zh     text NOT NULL,
    unit_price  numeric(12, 2) NOT NULL CHECK (unit_price >= 0),
    substitutes text[] NOT NULL DEFAULT '{}',   -- parts that do as well, the best first
    warranty    text                            -- what it falls under; NULL: what the order's fault does
                CHECK (warranty IN ('vehicle', 'battery', 'drive', 'lv_battery', 'tires', 'wear')),
    supplier    text,                           -- who makes it
    PRIMARY KEY (tenant_id, sku)
);

CREATE TABLE part_stock (
    station_id  int NOT NULL REFERENCES stations ON DELETE CASCADE,
    sku         text NOT NULL,
    on_hand     int NOT NULL CHECK (on_hand >= 0),
    reserved    int NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    reorder_point int CHECK (reorder_point >= 0),   -- more are bought when no more than these are left; NULL: by hand
    reorder_to  int,                                -- up to so many
    CONSTRAINT part_stock_never_oversold CHECK (reserved <= on_hand),
    CONSTRAINT part_stock_reorder
        CHECK ((reorder_point IS NULL) = (reorder_to IS NULL) AND reorder_to > reorder_point),
    PRIMARY KEY (station_id, sku)
);

CREATE TABLE labour_operations (
    tenant_id   int NOT NULL REFERENCES tenants,
    operation   text NOT NULL,              -- 'tire-repair', 'pack-diagnosis'
    name_en     text NOT NULL,
    name_zh     text NOT NULL,
    hours       numeric(5, 2) NOT NULL CHECK (hours > 0),
    skill       text NOT NULL,
    bay_kind    text NOT NULL,
    is_mobile   boolean NOT NULL,
    warranty    text                        -- what it falls under; NULL: what the order's fault does
                CHECK (warranty IN ('vehicle', 'battery', 'drive', 'lv_battery', 'tires', 'wear')),
    PRIMARY KEY (tenant_id, operation)
);

-- What a failure mode needs: which operations and parts, whether the site must hold the HV certificate.
CREATE TABLE repair_jobs (
    tenant_id       int NOT NULL REFERENCES tenants,
    failure_mode    text NOT NULL,
    operations      text[] NOT NULL,
    parts           jsonb NOT NULL DEFAULT '[]',    -- [{"sku", "qty"}]
    needs_hv        boolean NOT NULL,
    mobile_fix      real CHECK (mobile_fix BETWEEN 0 AND 1),    -- probability that it succeeds on the road; NULL: never
    PRIMARY KEY (tenant_id, failure_mode)
);

-- What planning keeps of stations, technicians and labour between decisions is read again when this has changed.
CREATE TABLE network_version (
    is_only     boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    version     uuid NOT NULL
);
INSERT INTO network_version (version) VALUES (gen_random_uuid());

CREATE FUNCTION change_network_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE network_version SET version = gen_random_uuid();
    RETURN NULL;
END $$;
CREATE TRIGGER stations_network AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON stations
    FOR EACH STATEMENT EXECUTE FUNCTION change_network_version();
CREATE TRIGGER station_hours_network AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON station_hours
    FOR EACH STATEMENT EXECUTE FUNCTION change_network_version();
CREATE TRIGGER bays_network AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON bays
    FOR EACH STATEMENT EXECUTE FUNCTION change_network_version();
CREATE TRIGGER technicians_network AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON technicians
    FOR EACH STATEMENT EXECUTE FUNCTION change_network_version();
CREATE TRIGGER shifts_network AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON shifts
    FOR EACH STATEMENT EXECUTE FUNCTION change_network_version();
CREATE TRIGGER parts_network AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON parts
    FOR EACH STATEMENT EXECUTE FUNCTION change_network_version();
CREATE TRIGGER labour_operations_network AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON labour_operations
    FOR EACH STATEMENT EXECUTE FUNCTION change_network_version();
CREATE TRIGGER repair_jobs_network AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON repair_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION change_network_version();

-- ============================================================ alerts and orders

-- Which predictors are live; append-only, the newest row counts. Model version '*': all that are not named themselves.
CREATE TABLE predictor_modes (
    mode_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id       int NOT NULL REFERENCES tenants,
    failure_mode    text NOT NULL,
    model_version   text NOT NULL,
    mode            text NOT NULL CHECK (mode IN ('live', 'shadow', 'off')),
    at              timestamptz NOT NULL,
    actor           text NOT NULL,
    reason          text NOT NULL
);
CREATE INDEX predictor_modes_newest ON predictor_modes (tenant_id, failure_mode, model_version, mode_id);

-- What predictors in shadow mode would have raised; nobody is told and nothing is ordered.
CREATE TABLE shadow_alerts (
    shadow_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id       int NOT NULL REFERENCES tenants,
    vehicle_id      int NOT NULL REFERENCES vehicles ON DELETE CASCADE,
    component       text NOT NULL,
    failure_mode    text NOT NULL,
    model_version   text NOT NULL,
    severity        text NOT NULL CHECK (severity IN ('S0', 'S1', 'S2', 'S3', 'S4')),
    state           text NOT NULL CHECK (state IN ('pending', 'open', 'acknowledged', 'cleared')),
    first_seen      timestamptz NOT NULL,   -- event time
    raised_at       timestamptz,
    cleared_at      timestamptz,
    last_seen       timestamptz NOT NULL,
    quiet_since     timestamptz,
    occurrence_count int NOT NULL DEFAULT 1,
    origin          text NOT NULL CHECK (origin IN ('real', 'simulated', 'replayed')),
    updated_at      timestamptz NOT NULL
);
CREATE UNIQUE INDEX shadow_alerts_one_open ON shadow_alerts (vehicle_id, component, failure_mode, model_version)
    WHERE state <> 'cleared';
CREATE INDEX shadow_alerts_of_predictor ON shadow_alerts (tenant_id, failure_mode, model_version);

-- A predictor that ordered too much on the vehicles of one model; its further orders wait until a person releases them.
CREATE TABLE breaker_trips (
    trip_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id       int NOT NULL REFERENCES tenants,
    failure_mode    text NOT NULL,
    model_version   text NOT NULL,
    model_id        text NOT NULL REFERENCES vehicle_models,
    tripped_at      timestamptz NOT NULL,
    order_count     int NOT NULL,           -- opened in the hour before
    order_limit     int NOT NULL,
    released_at     timestamptz,
    released_by     text,
    decision        text CHECK (decision IN ('place', 'dismiss')),
    reason          text
);
CREATE UNIQUE INDEX breaker_trips_one_open ON breaker_trips (tenant_id, failure_mode, model_version, model_id)
    WHERE released_at IS NULL;

CREATE TABLE repair_orders (
    order_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id       int NOT NULL REFERENCES tenants,
    vehicle_id      int NOT NULL REFERENCES vehicles,
    component       text NOT NULL,
    cause           text,                           -- what the order is about: alerts of one cause share one order
    failure_mode    text NOT NULL,
    severity        text NOT NULL CHECK (severity IN ('S0', 'S1', 'S2', 'S3', 'S4')),
    state           text NOT NULL CHECK (state IN ('predicted', 'triaged', 'offered', 'booked', 'dispatched',
                        'checked_in', 'diagnosing', 'estimated', 'approved', 'declined', 'parts_reserved',
                        'waiting_parts', 'assigned', 'in_progress', 'paused', 'qc', 'rework', 'ready', 'invoiced',
                        'paid', 'closed', 'cancelled', 'no_fault_found')),
    version         int NOT NULL DEFAULT 1,         -- optimistic
    mode            text NOT NULL DEFAULT 'drive_in' CHECK (mode IN ('drive_in', 'mobile', 'pickup', 'tow')),
    station_id      int REFERENCES stations,
    distance_km     real,
    is_distance_estimated boolean NOT NULL DEFAULT false,
    bay_id          int REFERENCES bays,
    technician_id   int REFERENCES technicians,
    slot            tstzrange,
    deadline        timestamptz NOT NULL,
    complaint       text NOT NULL,
    currency        text NOT NULL DEFAULT 'CNY',
    total           numeric(12, 2) NOT NULL DEFAULT 0,
    reasons         jsonb NOT NULL,
    ttt_p10_h       real,
    ttt_p50_h       real,
    ttt_p90_h       real,
    passed_over     jsonb NOT NULL DEFAULT '[]',    -- nearer stations: [{"station", "distance_km", "reason"}]
    waiting_reason  text,                           -- why no station could be booked yet
    origin          text NOT NULL CHECK (origin IN ('real', 'simulated', 'replayed')),
    prediction_id   bigint REFERENCES predictions,
    idempotency_key text NOT NULL UNIQUE,
    owner_answer    text CHECK (owner_answer IN ('yes', 'no', 'later')),
    opened_at       timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    model_version   text,                           -- of the predictor that opened it
    trip_id         bigint REFERENCES breaker_trips, -- of the circuit breaker that held it back
    shares_data     boolean NOT NULL DEFAULT false, -- the owner lets the station see personal data for this order
    agreed_total    numeric(12, 2),                 -- the last customer_total the owner said yes to; NULL: the offer's
    odometer_in_km  real CHECK (odometer_in_km >= 0),
    odometer_out_km real CHECK (odometer_out_km >= odometer_in_km),
    begun_at        timestamptz,                    -- when work first began
    correction      text,
    part_removed    text,
    repaired_at     timestamptz,                    -- when the work was done or nothing was found
    replaces_id     bigint UNIQUE REFERENCES repair_orders, -- the cancelled order whose place it takes
    customer_total  numeric(12, 2) NOT NULL DEFAULT 0       -- of the total, what the customer pays, with tax
);
-- What is ready waits for its owner and its bill only: a fault that shows then is a new one.
CREATE UNIQUE INDEX repair_orders_one_open ON repair_orders (vehicle_id, component)
    WHERE state NOT IN ('ready', 'invoiced', 'closed', 'cancelled', 'declined', 'no_fault_found', 'paid');
CREATE UNIQUE INDEX repair_orders_one_cause ON repair_orders (vehicle_id, cause)
    WHERE state NOT IN ('ready', 'invoiced', 'closed', 'cancelled', 'declined', 'no_fault_found', 'paid');
CREATE INDEX repair_orders_waiting ON repair_orders (updated_at) WHERE waiting_reason IS NOT NULL;
CREATE INDEX repair_orders_of_predictor ON repair_orders (failure_mode, model_version, opened_at);
CREATE INDEX repair_orders_of_trip ON repair_orders (trip_id) WHERE trip_id IS NOT NULL;
CREATE INDEX repair_orders_of_station ON repair_orders (station_id, state);
CREATE INDEX repair_orders_of_vehicle ON repair_orders (vehicle_id);

CREATE TABLE order_lines (
    order_id    bigint NOT NULL REFERENCES repair_orders ON DELETE CASCADE,
    line        int NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('labour', 'part', 'fee', 'tax')),
    code        text NOT NULL,
    text_en     text NOT NULL,
    text_zh     text NOT NULL,
    qty         numeric(8, 2) NOT NULL,
    unit_price  numeric(12, 2) NOT NULL,
    amount      numeric(12, 2) NOT NULL,
    payer       text NOT NULL DEFAULT 'customer' CHECK (payer IN ('warranty', 'goodwill', 'customer')),
    payer_en    text NOT NULL DEFAULT '',   -- why
    payer_zh    text NOT NULL DEFAULT '',
    PRIMARY KEY (order_id, line)
);

CREATE TABLE order_events (
    event_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id    bigint NOT NULL REFERENCES repair_orders ON DELETE CASCADE,
    at          timestamptz NOT NULL,
    actor       text NOT NULL,
    from_state  text,
    to_state    text NOT NULL,
    reason      text NOT NULL
);

CREATE TABLE bookings (
    booking_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id        bigint NOT NULL REFERENCES repair_orders ON DELETE CASCADE,
    bay_id          int REFERENCES bays,
    technician_id   int REFERENCES technicians,
    slot            tstzrange NOT NULL CHECK (NOT isempty(slot)),
    state           text NOT NULL CHECK (state IN ('held', 'booked', 'released', 'done')),
    expires_at      timestamptz,            -- of a soft hold
    CONSTRAINT bookings_bay_free EXCLUDE USING gist (int4range(bay_id, bay_id, '[]') WITH &&, slot WITH &&)
        WHERE (bay_id IS NOT NULL AND state IN ('held', 'booked')),
    CONSTRAINT bookings_technician_free EXCLUDE USING gist (int4range(technician_id, technician_id, '[]') WITH &&, slot WITH &&)
        WHERE (technician_id IS NOT NULL AND state IN ('held', 'booked'))
);
CREATE INDEX bookings_of_order ON bookings (order_id);
CREATE INDEX bookings_held ON bookings (expires_at) WHERE state = 'held';
-- Planning asks for the time that is taken of a few stations' bays and technicians.
CREATE INDEX bookings_of_bay ON bookings (bay_id) WHERE state IN ('held', 'booked');
CREATE INDEX bookings_of_technician ON bookings (technician_id) WHERE state IN ('held', 'booked');

-- Parts on their way: bought or sent by another station.
CREATE TABLE part_arrivals (
    arrival_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station_id  int NOT NULL,
    sku         text NOT NULL,
    qty         int NOT NULL CHECK (qty > 0),
    reserved    int NOT NULL DEFAULT 0 CHECK (reserved >= 0),   -- of these, promised to orders
    expected_at timestamptz NOT NULL,               -- mean of when it is on the shelf
    spread_h    real NOT NULL CHECK (spread_h >= 0),            -- standard deviation
    source      text NOT NULL CHECK (source IN ('purchase', 'transfer')),
    from_station_id int REFERENCES stations,        -- of a transfer: until it leaves, reserved in that station's stock
    for_order_id bigint REFERENCES repair_orders ON DELETE SET NULL,    -- planned for it; given up when it is not needed
    supplier    text,
    reference   text,                               -- the announcer's own name of it
    state       text NOT NULL DEFAULT 'expected' CHECK (state IN ('expected', 'shipped', 'received', 'cancelled')),
    announced_at timestamptz NOT NULL,
    received_at timestamptz,
    FOREIGN KEY (station_id, sku) REFERENCES part_stock ON DELETE CASCADE,
    UNIQUE (station_id, reference),
    CONSTRAINT part_arrivals_never_oversold CHECK (reserved <= qty OR state = 'cancelled'),
    CHECK ((source = 'transfer') = (from_station_id IS NOT NULL)),
    CHECK (from_station_id <> station_id),
    CHECK ((state = 'received') = (received_at IS NOT NULL))
);
CREATE INDEX part_arrivals_open ON part_arrivals (station_id) WHERE state IN ('expected', 'shipped');

-- What stations should buy: free on the shelf and on its way, against the reorder point.
CREATE VIEW parts_to_order AS
SELECT station_id, sku, free, coming, reorder_point, reorder_to, reorder_to - free - coming AS qty
FROM (
    SELECT k.station_id, k.sku, k.on_hand - k.reserved AS free, k.reorder_point, k.reorder_to,
        (SELECT coalesce(sum(a.qty - a.reserved), 0)::int FROM part_arrivals a
         WHERE a.station_id = k.station_id AND a.sku = k.sku AND a.state IN ('expected', 'shipped')) AS coming
    FROM part_stock k WHERE k.reorder_point IS NOT NULL
) s
WHERE free + coming <= reorder_point;

CREATE TABLE part_reservations (
    order_id    bigint NOT NULL REFERENCES repair_orders ON DELETE CASCADE,
    station_id  int NOT NULL,
    sku         text NOT NULL,
    qty         int NOT NULL CHECK (qty > 0),
    state       text NOT NULL CHECK (state IN ('expected', 'reserved', 'used', 'released')),
    arrival_id  bigint REFERENCES part_arrivals,    -- that brings it; NULL: it is on the shelf
    promised_at timestamptz,                        -- when it was expected as the appointment was made
    PRIMARY KEY (order_id, sku),
    FOREIGN KEY (station_id, sku) REFERENCES part_stock,
    CONSTRAINT part_reservations_arrival_check
        CHECK (state = 'released' OR (state = 'expected') = (arrival_id IS NOT NULL))
);
CREATE INDEX part_reservations_of_arrival ON part_reservations (arrival_id) WHERE state = 'expected';

-- Who does not wait for an arrival any more leaves it to others; a transfer planned for one order stays where it is then.
CREATE FUNCTION free_arrival() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE given_up part_arrivals;
BEGIN
    UPDATE part_arrivals SET reserved = reserved - OLD.qty WHERE arrival_id = OLD.arrival_id AND state <> 'received';
    UPDATE part_arrivals SET state = 'cancelled'
    WHERE arrival_id = OLD.arrival_id AND for_order_id IS NOT NULL AND state = 'expected' AND reserved = 0
    RETURNING * INTO given_up;
    IF given_up.arrival_id IS NOT NULL THEN
        UPDATE part_stock SET reserved = reserved - given_up.qty
        WHERE station_id = given_up.from_station_id AND sku = given_up.sku;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER part_reservations_free_arrival AFTER UPDATE OF state ON part_reservations
    FOR EACH ROW WHEN (OLD.state = 'expected' AND NEW.state <> 'expected') EXECUTE FUNCTION free_arrival();

CREATE TABLE alerts (
    alert_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id       int NOT NULL REFERENCES tenants,
    vehicle_id      int NOT NULL REFERENCES vehicles,
    component       text NOT NULL,
    failure_mode    text NOT NULL,
    severity        text NOT NULL CHECK (severity IN ('S0', 'S1', 'S2', 'S3', 'S4')),
    state           text NOT NULL CHECK (state IN ('pending', 'open', 'acknowledged', 'cleared')),
    first_seen      timestamptz NOT NULL,   -- event time
    raised_at       timestamptz,
    cleared_at      timestamptz,
    last_seen       timestamptz NOT NULL,   -- event time of the newest evidence
    quiet_since     timestamptz,            -- event time from which the probability has been at or below clear
    occurrence_count int NOT NULL DEFAULT 1,
    prediction_id   bigint REFERENCES predictions,      -- newest evidence
    order_id        bigint REFERENCES repair_orders,    -- the order it opened or joined
    origin          text NOT NULL CHECK (origin IN ('real', 'simulated', 'replayed')),
    updated_at      timestamptz NOT NULL
);
CREATE INDEX alerts_of_order ON alerts (order_id);
CREATE INDEX alerts_of_component ON alerts (vehicle_id, component, failure_mode, alert_id);  -- cleared ones too
CREATE UNIQUE INDEX alerts_one_open ON alerts (vehicle_id, component, failure_mode) WHERE state <> 'cleared';

CREATE TABLE alert_events (
    event_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id    bigint NOT NULL REFERENCES alerts ON DELETE CASCADE,
    at          timestamptz NOT NULL,
    actor       text NOT NULL,
    from_state  text,
    to_state    text NOT NULL,
    reason      text NOT NULL
);

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

-- What was done and decided is only added to.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: % refused, rows are only added', TG_TABLE_NAME, lower(TG_OP)
        USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END $$;
CREATE TRIGGER order_events_append_only BEFORE UPDATE ON order_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER alert_events_append_only BEFORE UPDATE ON alert_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

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

CREATE FUNCTION note_repair() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.repaired_at := NEW.updated_at;
    RETURN NEW;
END $$;
CREATE TRIGGER repair_orders_note_repair BEFORE UPDATE OF state ON repair_orders
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state AND NEW.state IN ('ready', 'no_fault_found'))
    EXECUTE FUNCTION note_repair();

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
    decided_by  text,
    customer_total numeric(12, 2) NOT NULL DEFAULT 0    -- of the total, what the customer pays
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
CREATE TRIGGER order_ratings_network AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON order_ratings
    FOR EACH STATEMENT EXECUTE FUNCTION change_network_version();

-- ============================================================ outbox

CREATE TABLE push_subscriptions (
    subscription_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id        int NOT NULL REFERENCES owners ON DELETE CASCADE,
    endpoint        text NOT NULL UNIQUE,
    p256dh          text NOT NULL,
    auth            text NOT NULL,
    created_at      timestamptz NOT NULL,
    gone_at         timestamptz             -- the push service said 404 or 410
);

-- How an owner is reached beside browsers and vehicle; whose order of fallback it is, decides.
CREATE TABLE contact_ways (
    contact_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id    int NOT NULL REFERENCES owners ON DELETE CASCADE,
    channel     text NOT NULL CHECK (channel IN ('email', 'apprise', 'webhook')),
    address     text NOT NULL,          -- mail address, 'gateway:number' of an apprise gateway, https URL
    secret      text,                   -- signs what goes to a webhook
    rank        int NOT NULL,           -- fallback order, the lowest first; see owners.push_rank
    is_emergency boolean NOT NULL DEFAULT false,    -- somebody else, told when the owner does not answer
    created_at  timestamptz NOT NULL,
    code        text,                   -- sent there to verify it; gone when it was
    code_sent_at timestamptz,
    code_tries  int NOT NULL DEFAULT 0,
    verified_at timestamptz,            -- NULL: nothing but codes is sent there
    UNIQUE (owner_id, channel, address),
    CHECK ((channel = 'webhook') = (secret IS NOT NULL))
);

-- Systems of stations and of the operations desk that are told by signed messages.
CREATE TABLE webhooks (
    webhook_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   int NOT NULL REFERENCES tenants,
    station_id  int REFERENCES stations ON DELETE CASCADE,  -- NULL: the operations desk
    url         text NOT NULL,
    secret      text NOT NULL,          -- the key that messages are signed with
    created_at  timestamptz NOT NULL
);
CREATE UNIQUE INDEX webhooks_of_station ON webhooks (station_id, url) WHERE station_id IS NOT NULL;
CREATE UNIQUE INDEX webhooks_of_desk ON webhooks (tenant_id, url) WHERE station_id IS NULL;

-- Addresses that do not answer: nothing is sent there until then, so that they hold up nobody else.
CREATE TABLE address_pauses (
    channel     text NOT NULL,
    address     text NOT NULL,
    failures    int NOT NULL,
    until       timestamptz NOT NULL,
    PRIMARY KEY (channel, address)
);

-- One row per transition worth telling; the row is written in the transaction that made the transition.
CREATE TABLE warnings (
    warning_id  uuid PRIMARY KEY,           -- stable: receivers collapse repeats on it
    tenant_id   int NOT NULL REFERENCES tenants,
    vehicle_id  int NOT NULL REFERENCES vehicles,
    alert_id    bigint REFERENCES alerts,
    order_id    bigint REFERENCES repair_orders,
    transition  text NOT NULL UNIQUE,       -- 'order:12:offered', 'alert:3:open': exactly one per transition
    severity    text NOT NULL CHECK (severity IN ('S0', 'S1', 'S2', 'S3', 'S4')),
    title_en    text NOT NULL,
    title_zh    text NOT NULL,
    body_en     text NOT NULL,
    body_zh     text NOT NULL,
    created_at  timestamptz NOT NULL,
    step        int NOT NULL DEFAULT 0,     -- ways of the owner told so far; 0: waits for quiet hours or cap to pass
    clock_from  timestamptz,                -- the steps are counted from then
    next_step_at timestamptz,               -- when it goes on; NULL: not any more
    desk_at     timestamptz,                -- when emergency contact and operations were told
    acknowledged_at timestamptz,            -- when a person said that they know; a device's receipt is none
    acknowledged_by text,
    superseded_by uuid REFERENCES warnings ON DELETE SET NULL     -- a newer one says what holds now
);
CREATE INDEX warnings_next_step ON warnings (next_step_at) WHERE next_step_at IS NOT NULL;
CREATE INDEX warnings_of_vehicle ON warnings (vehicle_id, created_at);
CREATE INDEX warnings_of_order ON warnings (order_id) WHERE order_id IS NOT NULL;

CREATE TABLE deliveries (
    delivery_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    warning_id      uuid REFERENCES warnings ON DELETE CASCADE,
    channel         text NOT NULL CHECK (channel IN ('webpush', 'mqtt', 'email', 'apprise', 'webhook', 'station')),
    address         text NOT NULL,          -- push endpoint, down/warning topic, contact_ways.address, webhooks.url
    state           text NOT NULL CHECK (state IN ('pending', 'sent', 'received', 'failed')),
    attempts        int NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    sent_at         timestamptz,
    received_at     timestamptz,            -- the receiver's own receipt
    last_error      text,
    audience        text NOT NULL DEFAULT 'owner'
                        CHECK (audience IN ('owner', 'vehicle', 'emergency', 'desk', 'station')),
    created_at      timestamptz NOT NULL DEFAULT now(),
    order_id        bigint REFERENCES repair_orders ON DELETE CASCADE,  -- of a message to a station
    event_id        bigint REFERENCES order_events ON DELETE CASCADE,   -- NULL: the station has the order no longer
    contact_id      int REFERENCES contact_ways ON DELETE CASCADE,      -- of a code that verifies it
    webhook_id      int REFERENCES webhooks ON DELETE CASCADE,  -- to a station or the desk
    UNIQUE (warning_id, channel, address),
    CHECK (num_nonnulls(warning_id, order_id, contact_id) = 1)
);
CREATE UNIQUE INDEX deliveries_of_event ON deliveries (event_id, webhook_id) WHERE event_id IS NOT NULL;
CREATE INDEX deliveries_of_order ON deliveries (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX deliveries_due ON deliveries (next_attempt_at) WHERE state = 'pending';

CREATE TABLE delivery_receipts (
    receipt_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_id bigint NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    attempt     int NOT NULL,
    at          timestamptz NOT NULL,
    outcome     text NOT NULL,              -- 'accepted', 'refused', 'timeout', 'received', 'gone'
    detail      text NOT NULL DEFAULT ''
);

-- A station's system hears of every entry in the history of its orders, and of orders that went elsewhere.
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

-- ============================================================ access

CREATE TABLE users (
    user_id         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id       int NOT NULL REFERENCES tenants,
    login           text NOT NULL UNIQUE,
    password_hash   text NOT NULL,          -- argon2id
    role            text NOT NULL CHECK (role IN ('owner', 'station', 'operations', 'engineer')),
    owner_id        int REFERENCES owners,
    station_id      int REFERENCES stations,
    is_active       boolean NOT NULL DEFAULT true,
    CHECK ((role = 'owner') = (owner_id IS NOT NULL)),
    CHECK ((role = 'station') = (station_id IS NOT NULL))
);

CREATE TABLE api_keys (
    key_id      text PRIMARY KEY,           -- the public half: 'anx_<key_id>_<secret>'
    tenant_id   int NOT NULL REFERENCES tenants,
    secret_hash text NOT NULL,              -- argon2id
    role        text NOT NULL CHECK (role IN ('gateway', 'owner', 'station', 'operations', 'engineer')),
    owner_id    int REFERENCES owners,
    station_id  int REFERENCES stations,
    name        text NOT NULL,
    created_at  timestamptz NOT NULL,
    revoked_at  timestamptz,
    CHECK ((role = 'owner') = (owner_id IS NOT NULL)),
    CHECK ((role = 'station') = (station_id IS NOT NULL))
);

-- Platforms that forward the frames of a tenant's vehicles over one TCP link (GB/T 32960.3 commands 05 and 06).
CREATE TABLE gateway_platforms (
    name        text PRIMARY KEY CHECK (name ~ '^[a-zA-Z0-9_-]{1,12}$'),   -- as their login frame gives it
    tenant_id   int NOT NULL REFERENCES tenants,
    secret_hash text NOT NULL,              -- argon2id
    created_at  timestamptz NOT NULL,
    revoked_at  timestamptz
);

CREATE TABLE login_sessions (
    token_hash  bytea PRIMARY KEY,          -- SHA-256 of a 256-bit random token
    user_id     int NOT NULL REFERENCES users ON DELETE CASCADE,
    csrf        text NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL
);

-- What people and commands did to vehicles, owners, logins and keys; append-only.
CREATE TABLE audit_events (
    event_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   int NOT NULL REFERENCES tenants,
    at          timestamptz NOT NULL,
    actor       text NOT NULL,              -- 'command:root', 'operations:li'
    action      text NOT NULL,              -- 'vehicle.transfer'
    subject     text NOT NULL,              -- VIN, 'owner 7', login or key id
    data        jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_events_of_subject ON audit_events (tenant_id, subject, event_id);
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

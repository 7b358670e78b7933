-- Parts on their way: bought or sent by another station, and the orders that wait for them.
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
    CONSTRAINT part_arrivals_never_oversold CHECK (reserved <= qty),
    CHECK ((source = 'transfer') = (from_station_id IS NOT NULL)),
    CHECK (from_station_id <> station_id),
    CHECK ((state = 'received') = (received_at IS NOT NULL))
);
CREATE INDEX part_arrivals_open ON part_arrivals (station_id) WHERE state IN ('expected', 'shipped');

ALTER TABLE part_reservations ADD COLUMN arrival_id bigint REFERENCES part_arrivals;
ALTER TABLE part_reservations ADD COLUMN promised_at timestamptz;
ALTER TABLE part_reservations DROP CONSTRAINT part_reservations_state_check;
ALTER TABLE part_reservations ADD CONSTRAINT part_reservations_state_check
    CHECK (state IN ('expected', 'reserved', 'used', 'released'));
ALTER TABLE part_reservations ADD CONSTRAINT part_reservations_arrival_check
    CHECK (state = 'released' OR (state = 'expected') = (arrival_id IS NOT NULL));
CREATE INDEX part_reservations_of_arrival ON part_reservations (arrival_id) WHERE state = 'expected';

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

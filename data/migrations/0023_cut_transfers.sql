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


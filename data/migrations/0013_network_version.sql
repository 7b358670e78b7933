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

-- Planning asks for the time that is taken of a few stations' bays and technicians.
CREATE INDEX bookings_of_bay ON bookings (bay_id) WHERE state IN ('held', 'booked');
CREATE INDEX bookings_of_technician ON bookings (technician_id) WHERE state IN ('held', 'booked');

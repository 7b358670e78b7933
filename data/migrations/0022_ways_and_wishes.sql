-- How vehicle and work come together: vans, pick-up, fees; and what the owner wishes.
ALTER TABLE owners ADD COLUMN preferred_station_id int;
ALTER TABLE owners ADD COLUMN preferred_mode text CHECK (preferred_mode IN ('drive_in', 'mobile', 'pickup'));
ALTER TABLE stations ADD COLUMN fees jsonb NOT NULL DEFAULT '{}';
ALTER TABLE owners ADD CONSTRAINT owners_preferred_station FOREIGN KEY (preferred_station_id) REFERENCES stations
    ON DELETE SET NULL;
ALTER TABLE technicians ADD COLUMN carries text[];
ALTER TABLE repair_jobs ADD COLUMN mobile_fix real CHECK (mobile_fix BETWEEN 0 AND 1);

CREATE TRIGGER order_ratings_network AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON order_ratings
    FOR EACH STATEMENT EXECUTE FUNCTION change_network_version();

-- Reference data; every statement may run again without effect on what is used meanwhile.

-- upsert_tenant --
INSERT INTO tenants (name) VALUES (%(name)s)
ON CONFLICT (name) DO UPDATE SET name = excluded.name
RETURNING tenant_id;

-- upsert_vehicle_model --
INSERT INTO vehicle_models (model_id, name, chemistry, cell_count, probe_count, capacity_ah, energy_kwh, wheels,
                            placard_kpa, grid_s, dbc, signal_map, coordinates, warranty)
VALUES (%(model_id)s, %(name)s, %(chemistry)s, %(cell_count)s, %(probe_count)s, %(capacity_ah)s, %(energy_kwh)s,
        %(wheels)s, %(placard_kpa)s, %(grid_s)s, %(dbc)s, %(signal_map)s,
        %(coordinates)s, %(warranty)s)
ON CONFLICT (model_id) DO UPDATE SET
    name = excluded.name, chemistry = excluded.chemistry, cell_count = excluded.cell_count,
    probe_count = excluded.probe_count, capacity_ah = excluded.capacity_ah, energy_kwh = excluded.energy_kwh,
    wheels = excluded.wheels, placard_kpa = excluded.placard_kpa, grid_s = excluded.grid_s,
    dbc = excluded.dbc, signal_map = excluded.signal_map, coordinates = excluded.coordinates,
    warranty = excluded.warranty;

-- upsert_station --
INSERT INTO stations (tenant_id, code, name_en, name_zh, city, address, lat, lon, time_zone, has_hv_certificate,
                      labour_rate, currency, tax_rate, fees)
VALUES (%(tenant_id)s, %(code)s, %(name_en)s, %(name_zh)s, %(city)s, %(address)s, %(lat)s, %(lon)s,
        %(time_zone)s, %(has_hv_certificate)s, %(labour_rate)s, %(currency)s, %(tax_rate)s, %(fees)s)
ON CONFLICT (tenant_id, code) DO UPDATE SET
    name_en = excluded.name_en, name_zh = excluded.name_zh, city = excluded.city, address = excluded.address,
    lat = excluded.lat, lon = excluded.lon, time_zone = excluded.time_zone,
    has_hv_certificate = excluded.has_hv_certificate, labour_rate = excluded.labour_rate,
    currency = excluded.currency, tax_rate = excluded.tax_rate,
    fees = excluded.fees
RETURNING station_id;

-- delete_hours --
DELETE FROM station_hours WHERE station_id = %(station_id)s;

-- insert_hours --
INSERT INTO station_hours (station_id, weekday, opens, closes)
SELECT %(station_id)s, weekday, %(opens)s::time, %(closes)s::time FROM unnest(%(weekdays)s::smallint[]) AS weekday;

-- upsert_bay --
INSERT INTO bays (station_id, name, kinds) VALUES (%(station_id)s, %(name)s, %(kinds)s)
ON CONFLICT (station_id, name) DO UPDATE SET kinds = excluded.kinds;

-- upsert_technician --
INSERT INTO technicians (station_id, name, skills, carries)
VALUES (%(station_id)s, %(name)s, %(skills)s, %(carries)s)
ON CONFLICT (station_id, name) DO UPDATE SET skills = excluded.skills, carries = excluded.carries
RETURNING technician_id;

-- delete_shifts --
DELETE FROM shifts WHERE technician_id = %(technician_id)s;

-- insert_shifts --
INSERT INTO shifts (technician_id, weekday, starts, ends)
SELECT %(technician_id)s, weekday, %(starts)s::time, %(ends)s::time FROM unnest(%(weekdays)s::smallint[]) AS weekday;

-- upsert_part --
INSERT INTO parts (tenant_id, sku, name_en, name_zh, unit_price, substitutes, warranty, supplier)
VALUES (%(tenant_id)s, %(sku)s, %(name_en)s, %(name_zh)s, %(unit_price)s, %(substitutes)s, %(warranty)s, %(supplier)s)
ON CONFLICT (tenant_id, sku) DO UPDATE SET name_en = excluded.name_en, name_zh = excluded.name_zh,
    unit_price = excluded.unit_price, substitutes = excluded.substitutes, warranty = excluded.warranty,
    supplier = excluded.supplier;

-- insert_stock --
-- Stock on hand is set once: later it is counted, not declared.
INSERT INTO part_stock (station_id, sku, on_hand)
SELECT %(station_id)s, sku, on_hand FROM unnest(%(skus)s::text[], %(counts)s::int[]) AS s (sku, on_hand)
ON CONFLICT (station_id, sku) DO NOTHING;

-- upsert_operation --
INSERT INTO labour_operations (tenant_id, operation, name_en, name_zh, hours, skill, bay_kind, is_mobile, warranty)
VALUES (%(tenant_id)s, %(operation)s, %(name_en)s, %(name_zh)s, %(hours)s, %(skill)s, %(bay_kind)s, %(is_mobile)s,
        %(warranty)s)
ON CONFLICT (tenant_id, operation) DO UPDATE SET
    name_en = excluded.name_en, name_zh = excluded.name_zh, hours = excluded.hours, skill = excluded.skill,
    bay_kind = excluded.bay_kind, is_mobile = excluded.is_mobile, warranty = excluded.warranty;

-- upsert_job --
INSERT INTO repair_jobs (tenant_id, failure_mode, operations, parts, needs_hv, mobile_fix)
VALUES (%(tenant_id)s, %(failure_mode)s, %(operations)s, %(parts)s, %(needs_hv)s, %(mobile_fix)s)
ON CONFLICT (tenant_id, failure_mode) DO UPDATE SET
    operations = excluded.operations, parts = excluded.parts, needs_hv = excluded.needs_hv,
    mobile_fix = excluded.mobile_fix;

-- fetch_known_models --
SELECT model_id FROM vehicle_models;

-- upsert_vehicles --
INSERT INTO vehicles (tenant_id, vin, model_id, plate, time_zone, in_service_on)
SELECT %(tenant_id)s, vin, model_id, nullif(plate, ''), time_zone, in_service_on
FROM unnest(%(vins)s::text[], %(model_ids)s::text[], %(plates)s::text[], %(time_zones)s::text[], %(in_service)s::date[])
     AS v (vin, model_id, plate, time_zone, in_service_on)
ON CONFLICT (tenant_id, vin) DO UPDATE SET
    model_id = excluded.model_id, plate = excluded.plate, time_zone = excluded.time_zone,
    in_service_on = coalesce(excluded.in_service_on, vehicles.in_service_on)
RETURNING vin, vehicle_id;

-- upsert_owners --
-- A vehicle without an owner gets one; the owner it has is brought up to date.
WITH given AS (
    SELECT v.vehicle_id, v.owner_id, g.*
    FROM unnest(%(vins)s::text[], %(names)s::text[], %(locales)s::text[], %(lats)s::double precision[],
                %(lons)s::double precision[], %(quiet_from)s::time[], %(quiet_to)s::time[])
         AS g (vin, name, locale, home_lat, home_lon, quiet_from, quiet_to)
    JOIN vehicles v ON v.tenant_id = %(tenant_id)s AND v.vin = g.vin
), fresh AS (
    SELECT g.*, nextval(pg_get_serial_sequence('owners', 'owner_id'))::int AS new_id
    FROM given g WHERE g.owner_id IS NULL
), made AS (
    INSERT INTO owners (owner_id, tenant_id, name, locale, home_lat, home_lon, quiet_from, quiet_to)
        OVERRIDING SYSTEM VALUE
    SELECT new_id, %(tenant_id)s, name, locale, home_lat, home_lon, quiet_from, quiet_to FROM fresh
), moved AS (
    UPDATE owners o SET name = g.name, locale = g.locale, home_lat = g.home_lat, home_lon = g.home_lon,
        quiet_from = coalesce(g.quiet_from, o.quiet_from), quiet_to = coalesce(g.quiet_to, o.quiet_to)
    FROM given g WHERE o.owner_id = g.owner_id
)
UPDATE vehicles v SET owner_id = fresh.new_id FROM fresh WHERE v.vehicle_id = fresh.vehicle_id;

-- fetch_specs --
SELECT model_id, chemistry, cell_count, probe_count, capacity_ah::float8, wheels, placard_kpa::float8[]
FROM vehicle_models ORDER BY model_id;

-- fetch_model_of --
SELECT v.model_id FROM vehicles v JOIN tenants t USING (tenant_id) WHERE t.name = %(tenant)s AND v.vin = %(vin)s;

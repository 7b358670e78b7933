-- Who pays: since when a vehicle is in service, what its maker warrants, which warranty covers a part or an
-- operation, and the payer of each line of a price.
ALTER TABLE vehicles ADD COLUMN in_service_on date;
ALTER TABLE vehicle_models ADD COLUMN warranty jsonb NOT NULL DEFAULT '{}';
ALTER TABLE parts ADD COLUMN warranty text
    CHECK (warranty IN ('vehicle', 'battery', 'drive', 'lv_battery', 'tires', 'wear'));
ALTER TABLE parts ADD COLUMN supplier text;
ALTER TABLE labour_operations ADD COLUMN warranty text
    CHECK (warranty IN ('vehicle', 'battery', 'drive', 'lv_battery', 'tires', 'wear'));
ALTER TABLE order_lines ADD COLUMN payer text NOT NULL DEFAULT 'customer'
    CHECK (payer IN ('warranty', 'goodwill', 'customer'));
ALTER TABLE order_lines ADD COLUMN payer_en text NOT NULL DEFAULT '';
ALTER TABLE order_lines ADD COLUMN payer_zh text NOT NULL DEFAULT '';
ALTER TABLE repair_orders ADD COLUMN customer_total numeric(12, 2) NOT NULL DEFAULT 0;
UPDATE repair_orders SET customer_total = total;
ALTER TABLE order_estimates ADD COLUMN customer_total numeric(12, 2) NOT NULL DEFAULT 0;
UPDATE order_estimates SET customer_total = total;

-- An order knows when its work was done: alerts end then, and what shows afterwards is a new fault.
ALTER TABLE repair_orders ADD COLUMN repaired_at timestamptz;
UPDATE repair_orders o SET repaired_at = coalesce(
    (SELECT min(e.at) FROM order_events e WHERE e.order_id = o.order_id AND e.to_state IN ('ready', 'no_fault_found')),
    o.updated_at)
WHERE o.state IN ('ready', 'invoiced', 'paid', 'closed', 'no_fault_found');
DROP INDEX repair_orders_one_open;
DROP INDEX repair_orders_one_cause;
CREATE UNIQUE INDEX repair_orders_one_open ON repair_orders (vehicle_id, component)
    WHERE state NOT IN ('ready', 'invoiced', 'closed', 'cancelled', 'declined', 'no_fault_found', 'paid');
CREATE UNIQUE INDEX repair_orders_one_cause ON repair_orders (vehicle_id, cause)
    WHERE state NOT IN ('ready', 'invoiced', 'closed', 'cancelled', 'declined', 'no_fault_found', 'paid');

CREATE FUNCTION note_repair() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.repaired_at := NEW.updated_at;
    RETURN NEW;
END $$;
CREATE TRIGGER repair_orders_note_repair BEFORE UPDATE OF state ON repair_orders
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state AND NEW.state IN ('ready', 'no_fault_found'))
    EXECUTE FUNCTION note_repair();

CREATE INDEX alerts_of_component ON alerts (vehicle_id, component, failure_mode, alert_id);

ALTER TABLE drive_readings ADD COLUMN rain real;
ALTER TABLE drive_readings ADD COLUMN coolant_pump_speed real;
ALTER TABLE drive_readings ADD COLUMN coolant_pump_current real;
ALTER TABLE drive_readings ADD COLUMN dcdc_temperature real;
ALTER TABLE drive_readings ADD COLUMN hv_interlock smallint;

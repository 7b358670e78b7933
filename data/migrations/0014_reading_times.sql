-- Messages of one instant, or out of order, carry different signals: each reading is as new as its own sample.
ALTER TABLE vehicle_latest ADD COLUMN reading_times jsonb NOT NULL DEFAULT '{}';
-- Readings of some hundred cells are over 2 kB: compressing them anew with each message costs more than the page.
ALTER TABLE vehicle_latest SET (toast_tuple_target = 8160);

-- Statements of anxin backtest and anxin train; used by models/store_backtest.py only. They read.

-- fetch_vehicles --
-- Vehicles that have readings, by VIN where some are asked for.
SELECT v.vehicle_id, v.vin FROM vehicles v
WHERE (%(vins)s::text[] IS NULL OR v.vin = ANY (%(vins)s))
  AND EXISTS (SELECT FROM vehicle_latest l WHERE l.vehicle_id = v.vehicle_id)
ORDER BY v.vehicle_id;

-- fetch_span --
-- First and last day that features are stored of.
SELECT min(day), max(day) FROM day_features WHERE vehicle_id = ANY (%(vehicle_ids)s) AND last_time IS NOT NULL;

-- fetch_predictions --
-- What was predicted live from samples of a span.
SELECT vehicle_id, model_version, component, probability, data_time FROM predictions
WHERE vehicle_id = ANY (%(vehicle_ids)s) AND data_time >= %(since)s AND data_time < %(until)s
ORDER BY prediction_id;

-- fetch_outcomes --
-- What workshops found, known by a time.
SELECT o.vehicle_id, v.vin, o.component, o.failure_mode, o.outcome, o.onset, o.found_at, o.measured_unit,
       o.decided_at
FROM outcomes o JOIN vehicles v USING (vehicle_id)
WHERE o.vehicle_id = ANY (%(vehicle_ids)s) AND o.decided_at < %(until)s
ORDER BY o.order_id;

-- fetch_undecided --
-- Components with an order that was open at a time: nobody had said yet what they have.
SELECT DISTINCT o.vehicle_id, o.component FROM repair_orders o LEFT JOIN outcomes x USING (order_id)
WHERE o.vehicle_id = ANY (%(vehicle_ids)s) AND o.opened_at < %(until)s
  AND (x.decided_at IS NULL OR x.decided_at >= %(until)s)
  AND NOT (o.state IN ('closed', 'cancelled', 'no_fault_found') AND o.updated_at < %(until)s);

"""How good the predictions are: events, false episodes, lead times, calibration, baselines, the report."""

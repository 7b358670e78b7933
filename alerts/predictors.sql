-- Modes of predictors, and what shadows would have raised.

-- fetch_modes --
SELECT DISTINCT ON (failure_mode, model_version) failure_mode, model_version, mode
FROM predictor_modes WHERE tenant_id = %(tenant_id)s ORDER BY failure_mode, model_version, mode_id DESC;

-- insert_mode --
INSERT INTO predictor_modes (tenant_id, failure_mode, model_version, mode, at, actor, reason)
VALUES (%(tenant_id)s, %(failure_mode)s, %(model_version)s, %(mode)s, %(now)s, %(actor)s, %(reason)s);

-- fetch_latest_shadow --
SELECT shadow_id AS alert_id, component, failure_mode, severity, state, first_seen, last_seen, raised_at, cleared_at,
       quiet_since, occurrence_count
FROM shadow_alerts
WHERE vehicle_id = %(vehicle_id)s AND component = %(component)s AND failure_mode = %(failure_mode)s
  AND model_version = %(model_version)s
ORDER BY (state = 'cleared'), shadow_id DESC LIMIT 1;

-- insert_shadow --
INSERT INTO shadow_alerts (tenant_id, vehicle_id, component, failure_mode, model_version, severity, state, first_seen,
                           raised_at, cleared_at, last_seen, quiet_since, occurrence_count, origin, updated_at)
VALUES (%(tenant_id)s, %(vehicle_id)s, %(component)s, %(failure_mode)s, %(model_version)s, %(severity)s, %(state)s,
        %(first_seen)s, %(raised_at)s, %(cleared_at)s, %(last_seen)s, %(quiet_since)s, %(occurrence_count)s, %(origin)s,
        %(now)s);

-- update_shadow --
UPDATE shadow_alerts SET severity = %(severity)s, state = %(state)s, raised_at = %(raised_at)s,
    cleared_at = %(cleared_at)s, last_seen = %(last_seen)s, quiet_since = %(quiet_since)s,
    occurrence_count = %(occurrence_count)s, updated_at = %(now)s
WHERE shadow_id = %(shadow_id)s;

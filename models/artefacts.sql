-- What was learned about predictors.

-- next_number --
SELECT coalesce(max(number), 0) + 1 FROM model_artefacts WHERE model_version = %(model_version)s AND kind = %(kind)s;

-- insert_artefact --
INSERT INTO model_artefacts (model_version, failure_mode, kind, number, state, features, span_from, span_to, origin,
                             source, code_version, metrics, sha256, content, created_at)
VALUES (%(model_version)s, %(failure_mode)s, %(kind)s, %(number)s, 'challenger', %(features)s, %(span_from)s,
        %(span_to)s, %(origin)s, %(source)s, %(code_version)s, %(metrics)s, %(sha256)s, %(content)s, %(now)s)
RETURNING artefact_id;

-- lock_artefacts --
-- One promotion or training at a time.
LOCK TABLE model_artefacts IN SHARE ROW EXCLUSIVE MODE;

-- fetch_artefacts --
SELECT artefact_id, model_version, failure_mode, kind, number, state, features, span_from, span_to, origin, source,
       code_version, metrics, sha256, octet_length(content) AS size_bytes, created_at, promoted_at, retired_at
FROM model_artefacts ORDER BY model_version, kind, number;

-- fetch_running --
-- What score applies: champions, and learners that are tried out.
SELECT artefact_id, state FROM model_artefacts
WHERE state = 'champion' OR (state = 'challenger' AND kind = 'learner') ORDER BY artefact_id;

-- fetch_content --
SELECT model_version, kind, number, state, sha256, content FROM model_artefacts WHERE artefact_id = %(artefact_id)s;

-- retire --
UPDATE model_artefacts SET state = 'retired', retired_at = %(now)s
WHERE model_version = %(model_version)s AND kind = %(kind)s AND state = 'champion' RETURNING number;

-- promote --
UPDATE model_artefacts SET state = 'champion', promoted_at = %(now)s, retired_at = NULL
WHERE model_version = %(model_version)s AND kind = %(kind)s AND number = %(number)s AND state <> 'champion'
RETURNING failure_mode;

-- fetch_before --
-- The champion before the present one.
SELECT number FROM model_artefacts
WHERE model_version = %(model_version)s AND kind = %(kind)s AND state = 'retired' AND promoted_at IS NOT NULL
ORDER BY retired_at DESC, number DESC LIMIT 1;

-- fetch_tenants --
SELECT tenant_id FROM tenants ORDER BY tenant_id;

-- set_mode --
-- Of every tenant: what becomes of the predictions of a version.
INSERT INTO predictor_modes (tenant_id, failure_mode, model_version, mode, at, actor, reason)
SELECT tenant_id, %(failure_mode)s, %(version)s, %(mode)s, %(now)s, %(actor)s, %(reason)s FROM tenants;

-- shadow_unnamed --
-- Tenants for whom nobody has said what becomes of a version: it is tried out in shadow.
INSERT INTO predictor_modes (tenant_id, failure_mode, model_version, mode, at, actor, reason)
SELECT t.tenant_id, %(failure_mode)s, %(version)s, 'shadow', %(now)s, 'score', 'a learner that is tried out'
FROM tenants t WHERE NOT EXISTS (
    SELECT FROM predictor_modes m WHERE m.tenant_id = t.tenant_id AND m.failure_mode = %(failure_mode)s
        AND m.model_version = %(version)s);

-- fetch_vehicles_of_models --
-- Some vehicles of each model that have features, the same ones each time.
SELECT model_id, (array_agg(vehicle_id ORDER BY hashint4(vehicle_id)))[1:%(limit)s]
FROM vehicles v WHERE EXISTS (SELECT FROM day_features d WHERE d.vehicle_id = v.vehicle_id)
GROUP BY model_id ORDER BY model_id;

-- clear_drift --
DELETE FROM feature_drift;

-- insert_drift --
INSERT INTO feature_drift (feature_set, feature, model_id, psi, ks, is_drifted, reference_count, live_count,
                           reference_from, reference_to, live_from, live_to, measured_at)
VALUES (%(feature_set)s, %(feature)s, %(model_id)s, %(psi)s, %(ks)s, %(is_drifted)s, %(reference_count)s,
        %(live_count)s, %(reference_from)s, %(reference_to)s, %(live_from)s, %(live_to)s, %(measured_at)s);

-- fetch_precision --
-- What workshops found where a prediction had sent the vehicle.
SELECT failure_mode, model_version, origin, count(*) AS total,
       count(*) FILTER (WHERE outcome = 'confirmed') AS confirmed, max(decided_at) AS newest
FROM outcomes WHERE prediction_id IS NOT NULL AND model_version IS NOT NULL
GROUP BY failure_mode, model_version, origin ORDER BY failure_mode, model_version, origin;

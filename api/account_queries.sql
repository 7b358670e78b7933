-- Statements of api/account_store.py: users, browser sessions and API keys.

-- fetch_tenant_id --
SELECT tenant_id FROM tenants WHERE name = %(tenant)s;

-- upsert_user --
-- A new password ends the sessions that the old one began.
WITH kept AS (
    INSERT INTO users (tenant_id, login, password_hash, role, owner_id, station_id)
    VALUES (%(tenant_id)s, %(login)s, %(password_hash)s, %(role)s, %(owner_id)s, %(station_id)s)
    ON CONFLICT (login) DO UPDATE SET password_hash = excluded.password_hash, role = excluded.role,
        owner_id = excluded.owner_id, station_id = excluded.station_id, is_active = true
        WHERE users.tenant_id = excluded.tenant_id
    RETURNING user_id
), ended AS (
    DELETE FROM login_sessions WHERE user_id IN (SELECT user_id FROM kept)
)
SELECT user_id FROM kept;

-- fetch_user --
SELECT user_id, tenant_id, login AS name, role, owner_id, station_id, password_hash AS secret_hash, NULL AS csrf
FROM users WHERE login = %(login)s AND is_active;

-- insert_session --
-- Ended sessions go with the next login.
WITH ended AS (DELETE FROM login_sessions WHERE expires_at <= %(created_at)s)
INSERT INTO login_sessions (token_hash, user_id, csrf, created_at, expires_at)
VALUES (%(token_hash)s, %(user_id)s, %(csrf)s, %(created_at)s, %(expires_at)s);

-- delete_session --
DELETE FROM login_sessions WHERE token_hash = %(token_hash)s;

-- fetch_session_user --
SELECT u.user_id, u.tenant_id, u.login AS name, u.role, u.owner_id, u.station_id, '' AS secret_hash, s.csrf
FROM login_sessions s JOIN users u USING (user_id)
WHERE s.token_hash = %(token_hash)s AND s.expires_at > %(now)s AND u.is_active;

-- insert_api_key --
INSERT INTO api_keys (key_id, tenant_id, secret_hash, role, owner_id, station_id, name, created_at)
VALUES (%(key_id)s, %(tenant_id)s, %(secret_hash)s, %(role)s, %(owner_id)s, %(station_id)s, %(name)s, %(created_at)s);

-- fetch_api_key --
SELECT 0 AS user_id, tenant_id, name, role, owner_id, station_id, secret_hash, NULL AS csrf
FROM api_keys WHERE key_id = %(key_id)s AND revoked_at IS NULL;

-- fetch_users --
SELECT u.login, u.role, u.is_active, o.name AS owner, s.code AS station
FROM users u JOIN tenants t ON t.tenant_id = u.tenant_id
LEFT JOIN owners o ON o.owner_id = u.owner_id LEFT JOIN stations s ON s.station_id = u.station_id
WHERE t.name = %(tenant)s ORDER BY u.login;

-- revoke_user --
-- Sessions end with it.
WITH gone AS (
    UPDATE users u SET is_active = false FROM tenants t
    WHERE t.tenant_id = u.tenant_id AND t.name = %(tenant)s AND u.login = %(login)s AND u.is_active
    RETURNING u.user_id, u.tenant_id
), ended AS (
    DELETE FROM login_sessions WHERE user_id IN (SELECT user_id FROM gone)
)
SELECT tenant_id FROM gone;

-- fetch_keys --
SELECT k.key_id, k.name, k.role, k.created_at, k.revoked_at, o.name AS owner, s.code AS station
FROM api_keys k JOIN tenants t ON t.tenant_id = k.tenant_id
LEFT JOIN owners o ON o.owner_id = k.owner_id LEFT JOIN stations s ON s.station_id = k.station_id
WHERE t.name = %(tenant)s ORDER BY k.created_at, k.key_id;

-- revoke_key --
UPDATE api_keys k SET revoked_at = %(now)s FROM tenants t
WHERE t.tenant_id = k.tenant_id AND t.name = %(tenant)s AND k.key_id = %(key_id)s AND k.revoked_at IS NULL
RETURNING k.tenant_id;

-- find_owner_of --
SELECT v.owner_id FROM vehicles v JOIN tenants t USING (tenant_id)
WHERE t.name = %(tenant)s AND v.vin = %(vin)s AND v.retired_at IS NULL;

-- find_station --
SELECT s.station_id FROM stations s JOIN tenants t USING (tenant_id)
WHERE t.name = %(tenant)s AND s.code = %(code)s;

-- has_users --
SELECT EXISTS (SELECT 1 FROM users JOIN tenants USING (tenant_id) WHERE tenants.name = %(tenant)s) AS found;

-- SQL of the gateway: who may speak.

-- fetch_registrations --
SELECT v.vin, t.name AS tenant, v.iccid, v.retired_at
FROM vehicles v JOIN tenants t USING (tenant_id)
WHERE v.vin = ANY(%(vins)s::text[]) AND (%(tenant)s = '' OR t.name = %(tenant)s)

-- fetch_platform --
SELECT p.name, t.name AS tenant, p.secret_hash
FROM gateway_platforms p JOIN tenants t USING (tenant_id)
WHERE p.name = %(name)s AND p.revoked_at IS NULL AND (%(tenant)s = '' OR t.name = %(tenant)s)

-- insert_platform --
INSERT INTO gateway_platforms (name, tenant_id, secret_hash, created_at)
SELECT %(name)s, tenant_id, %(secret_hash)s, %(now)s FROM tenants WHERE name = %(tenant)s
ON CONFLICT (name) DO NOTHING
RETURNING name

-- revoke_platform --
UPDATE gateway_platforms SET revoked_at = %(now)s
WHERE name = %(name)s AND revoked_at IS NULL
    AND tenant_id = (SELECT tenant_id FROM tenants WHERE name = %(tenant)s)
RETURNING name

-- fetch_platforms --
SELECT p.name, p.created_at, p.revoked_at
FROM gateway_platforms p JOIN tenants t USING (tenant_id)
WHERE t.name = %(tenant)s ORDER BY p.name

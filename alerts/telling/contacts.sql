-- How owners are reached, and which systems are told by webhooks.

-- lock_owner --
SELECT owner_id, locale, quiet_from, quiet_to, time_zone, push_rank FROM owners
WHERE owner_id = %(owner_id)s AND tenant_id = %(tenant_id)s FOR UPDATE;

-- fetch_preference --
SELECT s.code AS station, o.preferred_mode AS mode FROM owners o
LEFT JOIN stations s ON s.station_id = o.preferred_station_id WHERE o.owner_id = %(owner_id)s;

-- update_preference --
-- Nothing is changed where the station is not an active one.
UPDATE owners o SET preferred_mode = %(mode)s, preferred_station_id =
    (SELECT station_id FROM stations WHERE tenant_id = o.tenant_id AND code = %(station)s AND is_active)
WHERE owner_id = %(owner_id)s
    AND (%(station)s::text IS NULL
         OR EXISTS (SELECT FROM stations WHERE tenant_id = o.tenant_id AND code = %(station)s AND is_active))
RETURNING owner_id;

-- fetch_ways --
SELECT contact_id, channel, address, rank, is_emergency, created_at, verified_at FROM contact_ways
WHERE owner_id = %(owner_id)s ORDER BY rank, contact_id;

-- update_owner --
UPDATE owners SET locale = %(locale)s, quiet_from = %(quiet_from)s, quiet_to = %(quiet_to)s,
    time_zone = %(time_zone)s, push_rank = %(push_rank)s
WHERE owner_id = %(owner_id)s;

-- rank_ways --
UPDATE contact_ways c SET rank = g.rank
FROM unnest(%(contact_ids)s::int[], %(ranks)s::int[]) AS g (contact_id, rank)
WHERE c.contact_id = g.contact_id AND c.owner_id = %(owner_id)s;

-- insert_way --
-- The last in order; with a Chinese owner what a gateway reaches comes before browsers, whose push services are
-- seldom reached from mainland China.
INSERT INTO contact_ways (owner_id, channel, address, secret, rank, is_emergency, created_at)
SELECT o.owner_id, %(channel)s, %(address)s, %(secret)s,
       CASE WHEN %(channel)s = 'apprise' AND o.locale = 'zh' THEN o.push_rank - 1
            ELSE greatest(o.push_rank, (SELECT max(rank) FROM contact_ways WHERE owner_id = o.owner_id)) + 1 END,
       %(is_emergency)s, %(now)s
FROM owners o WHERE o.owner_id = %(owner_id)s
ON CONFLICT (owner_id, channel, address) DO NOTHING
RETURNING contact_id;

-- lock_way --
SELECT contact_id, channel, address, is_emergency, created_at, code, code_sent_at, code_tries, verified_at
FROM contact_ways WHERE owner_id = %(owner_id)s AND contact_id = %(contact_id)s FOR UPDATE;

-- set_code --
UPDATE contact_ways SET code = %(code)s, code_sent_at = %(now)s, code_tries = 0 WHERE contact_id = %(contact_id)s;

-- queue_code --
INSERT INTO deliveries (contact_id, channel, address, state, next_attempt_at, created_at)
SELECT contact_id, channel, address, 'pending', %(now)s, %(now)s FROM contact_ways WHERE contact_id = %(contact_id)s;

-- count_try --
UPDATE contact_ways SET code_tries = code_tries + 1 WHERE contact_id = %(contact_id)s;

-- mark_verified --
UPDATE contact_ways SET verified_at = %(now)s, code = NULL WHERE contact_id = %(contact_id)s;

-- delete_way --
DELETE FROM contact_ways WHERE owner_id = %(owner_id)s AND contact_id = %(contact_id)s RETURNING channel;

-- insert_webhook --
INSERT INTO webhooks (tenant_id, station_id, url, secret, created_at)
VALUES (%(tenant_id)s, %(station_id)s, %(url)s, %(secret)s, %(now)s)
ON CONFLICT DO NOTHING RETURNING webhook_id;

-- fetch_webhooks --
SELECT h.webhook_id, s.code AS station, h.url, h.created_at, a.until AS paused_until,
       (SELECT count(*) FROM deliveries d WHERE d.webhook_id = h.webhook_id AND d.state = 'pending') AS waiting,
       (SELECT d.last_error FROM deliveries d WHERE d.webhook_id = h.webhook_id
        ORDER BY d.delivery_id DESC LIMIT 1) AS last_error
FROM webhooks h
LEFT JOIN stations s USING (station_id)
LEFT JOIN address_pauses a ON a.address = h.url AND a.channel = CASE WHEN h.station_id IS NULL THEN 'webhook'
                                                                    ELSE 'station' END
WHERE h.tenant_id = %(tenant_id)s AND (%(station_id)s::int IS NULL OR h.station_id = %(station_id)s)
ORDER BY h.webhook_id;

-- delete_webhook --
DELETE FROM webhooks WHERE webhook_id = %(webhook_id)s AND tenant_id = %(tenant_id)s
    AND (%(station_id)s::int IS NULL OR station_id = %(station_id)s) RETURNING url;

-- find_station --
SELECT station_id FROM stations WHERE tenant_id = %(tenant_id)s AND code = %(code)s;

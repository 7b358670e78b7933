-- The price of an order: what is agreed, and what the station proposes.

-- fetch_order_lines --
SELECT kind, code, text_en, text_zh, qty, unit_price, amount, payer, payer_en, payer_zh FROM order_lines
WHERE order_id = %(order_id)s ORDER BY line;

-- fetch_order_fee --
SELECT code, unit_price FROM order_lines WHERE order_id = %(order_id)s AND kind = 'fee' ORDER BY line LIMIT 1;

-- replace_lines --
WITH gone AS (DELETE FROM order_lines WHERE order_id = %(order_id)s AND line > jsonb_array_length(%(lines)s)),
told AS (
    INSERT INTO order_lines (order_id, line, kind, code, text_en, text_zh, qty, unit_price, amount, payer, payer_en,
                             payer_zh)
    SELECT %(order_id)s, l.line, l.kind, l.code, l.text_en, l.text_zh, l.qty, l.unit_price, l.amount, l.payer,
        l.payer_en, l.payer_zh
    FROM jsonb_to_recordset(%(lines)s) AS l (line int, kind text, code text, text_en text, text_zh text,
        qty numeric, unit_price numeric, amount numeric, payer text, payer_en text, payer_zh text)
    ON CONFLICT (order_id, line) DO UPDATE SET kind = excluded.kind, code = excluded.code,
        text_en = excluded.text_en, text_zh = excluded.text_zh, qty = excluded.qty,
        unit_price = excluded.unit_price, amount = excluded.amount, payer = excluded.payer,
        payer_en = excluded.payer_en, payer_zh = excluded.payer_zh
)
UPDATE repair_orders SET total = %(total)s, customer_total = %(customer_total)s, agreed_total = %(agreed_total)s
WHERE order_id = %(order_id)s;

-- insert_estimate --
INSERT INTO order_estimates (order_id, lines, total, customer_total, reason, proposed_at, proposed_by, decision)
VALUES (%(order_id)s, %(lines)s, %(total)s, %(customer_total)s, %(reason)s, %(now)s, %(actor)s, 'pending');

-- fetch_pending_estimate --
SELECT lines FROM order_estimates WHERE order_id = %(order_id)s AND decision = 'pending';

-- change_estimate --
UPDATE order_estimates SET lines = %(lines)s, total = %(total)s, customer_total = %(customer_total)s
WHERE order_id = %(order_id)s AND decision = 'pending';

-- decide_estimate --
UPDATE order_estimates SET decision = %(decision)s, decided_at = %(now)s, decided_by = %(actor)s
WHERE order_id = %(order_id)s AND decision = 'pending'
RETURNING lines;

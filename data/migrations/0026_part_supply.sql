-- What may take a part's place, and when a station buys more.
ALTER TABLE parts ADD COLUMN substitutes text[] NOT NULL DEFAULT '{}';
ALTER TABLE part_stock ADD COLUMN reorder_point int CHECK (reorder_point >= 0);
ALTER TABLE part_stock ADD COLUMN reorder_to int;
ALTER TABLE part_stock ADD CONSTRAINT part_stock_reorder
    CHECK ((reorder_point IS NULL) = (reorder_to IS NULL) AND reorder_to > reorder_point);

CREATE VIEW parts_to_order AS
SELECT station_id, sku, free, coming, reorder_point, reorder_to, reorder_to - free - coming AS qty
FROM (
    SELECT k.station_id, k.sku, k.on_hand - k.reserved AS free, k.reorder_point, k.reorder_to,
        (SELECT coalesce(sum(a.qty - a.reserved), 0)::int FROM part_arrivals a
         WHERE a.station_id = k.station_id AND a.sku = k.sku AND a.state IN ('expected', 'shipped')) AS coming
    FROM part_stock k WHERE k.reorder_point IS NOT NULL
) s
WHERE free + coming <= reorder_point;

ALTER TABLE message_streams ADD COLUMN dropped_count bigint NOT NULL DEFAULT 0;
ALTER TABLE message_streams ADD COLUMN unbelieved_count bigint NOT NULL DEFAULT 0;

CREATE INDEX ingest_batches_of_time ON ingest_batches (committed_at);

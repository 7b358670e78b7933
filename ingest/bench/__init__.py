"""Benchmarks: the speed of a part of ingest beside a stated baseline on the same work in the same run."""

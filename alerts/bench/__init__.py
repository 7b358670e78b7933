"""Measurements of deciding under contention, with a real database."""

"""Repair guidance: what to check in which order, as data, and the loader that holds the data to its rules."""

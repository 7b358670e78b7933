"""Repair orders: how they are opened, offered, moved, made more urgent and followed by others."""

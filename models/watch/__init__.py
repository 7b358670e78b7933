"""What cannot wait: live rules over the newest readings of many vehicles, in arrays."""

from models.watch.rule import LiveExplanation, LiveRisk, LiveRule, Readings, State
from models.watch.rules import live_rules
from models.watch.telling import told_of, watch_recording
from models.watch.watcher import Spans, Watcher

__all__ = [
    "LiveExplanation",
    "LiveRisk",
    "LiveRule",
    "Readings",
    "Spans",
    "State",
    "Watcher",
    "live_rules",
    "told_of",
    "watch_recording",
]

"""What cannot wait: live rules over the newest readings of many vehicles, in arrays."""

from models.watch.rule import LiveExplanation, LiveRisk, LiveRule, Readings, State
from models.watch.watcher import Watcher

__all__ = ["LiveExplanation", "LiveRisk", "LiveRule", "Readings", "State", "Watcher"]

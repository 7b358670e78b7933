"""What can go wrong with a simulated vehicle, what only looks like it, and the truth about both."""

from simulators.faults.injection import NEVER, Injection, Plan
from simulators.faults.plan import Orders, build_plan, parse_orders
from simulators.faults.setting import Timing
from simulators.faults.truth import Witness, truth_rows

__all__ = [
    "NEVER",
    "Injection",
    "Orders",
    "Plan",
    "Timing",
    "Witness",
    "build_plan",
    "parse_orders",
    "truth_rows",
]

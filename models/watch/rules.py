"""The rules of the live watch."""

from models.watch.insulation import InsulationRule
from models.watch.interlock import InterlockRule
from models.watch.rule import LiveRule
from models.watch.thermal_event import BatteryThermalEventRule
from models.watch.tire_blowout import TireBlowoutRule
from models.watch.tire_fast_leak import TireFastLeakRule
from models.watch.tire_puncture import TirePunctureRule


def live_rules() -> tuple[LiveRule, ...]:
    """Return the rules that watch every vehicle."""
    return (
        TirePunctureRule(),
        TireBlowoutRule(),
        TireFastLeakRule(),
        BatteryThermalEventRule(),
        InsulationRule(),
        InterlockRule(),
    )

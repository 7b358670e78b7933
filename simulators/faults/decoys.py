"""Decoys: what looks like a fault to somebody who forgets temperature, weather, sensors or people."""

from __future__ import annotations

from data.records import WHEELS
from simulators.climate import DAY_S
from simulators.faults.injection import Injection
from simulators.faults.setting import Setting

#: Kinds of decoy, and what each could be taken for.
DECOYS: dict[str, str] = {
    "cold_front": "tire_slow_leak",
    "altitude_trip": "tire_slow_leak",
    "refill": "tire_topped_up_leak",
    "hot_stop": "tire_puncture",
    "hot_refill": "tire_slow_leak",
    "rotation": "tire_slow_leak",
    "winter_wheels": "tire_slow_leak",
    "sun_side": "tire_slow_leak",
    "hot_brake": "brake_drag",
    "tire_sensor_battery": "tire_slow_leak",
    "tire_bias_step": "tire_slow_leak",
    "sticky_tire": "tire_puncture",
    "gateway_replay": "tire_puncture",
    "loose_sense_wire": "cell_internal_short",
    "soc_drift": "battery_capacity_fade",
    "rain_insulation": "insulation_loss",
    "software_scale": "sensor_fault",
    "heat_wave": "cooling_loss",
    "towing": "motor_thermal",
    "winter_lv": "lv_battery",
    "long_parking": "lv_battery",
}
#: Those of a fleet that is asked for nothing: they need no more than tires.
PLAIN_DECOYS = ("cold_front", "altitude_trip", "refill", "hot_stop")
#: An update of the software changes one of these by this factor.
SCALES = {
    "tire.pressure": 0.985,
    "pack.voltage": 1.008,
    "motor.torque": 1.1,
    "insulation": 0.6,
    "coolant.pump.current": 1.25,
}
_COMPONENTS = {
    "soc_drift": "battery",
    "rain_insulation": "battery",
    "software_scale": "software",
    "heat_wave": "cooling",
    "towing": "motor 1",
    "winter_lv": "lv battery",
    "long_parking": "lv battery",
}
_ONE_WHEEL = ("hot_brake", "tire_sensor_battery", "tire_bias_step", "sticky_tire")
#: Size, from and to, and its unit.
_SIZES: dict[str, tuple[float, float, str]] = {
    "tire_bias_step": (3.0, 7.0, "kPa"),
    "sun_side": (5.0, 8.0, "K"),
    "hot_brake": (8.0, 15.0, "K"),
    "tire_sensor_battery": (-2.0, 6.0, "°C"),
    "loose_sense_wire": (20.0, 50.0, "mV"),
    "soc_drift": (1.0, 2.5, "A"),
    "rain_insulation": (0.12, 0.3, "of the dry value"),
    "heat_wave": (7.0, 12.0, "K"),
    "towing": (800.0, 1500.0, "kg"),
    "winter_lv": (1.2, 1.4, "of the resistance"),
}
#: Days that it lasts, from and to; a fifth of the span where nothing is said.
_LASTS: dict[str, tuple[float, float]] = {
    "sun_side": (4.0, 12.0),
    "hot_brake": (1.0, 1.0),
    "heat_wave": (4.0, 9.0),
    "towing": (3.0, 9.0),
    "long_parking": (6.0, 20.0),
}
_FROM_THE_START = ("rain_insulation", "winter_lv")


def draw_decoy(s: Setting, kind: str) -> Injection:
    """Return one decoy; what it does is said where it acts."""
    low, high, unit = _SIZES.get(kind, (0.0, 0.0, ""))
    variant, magnitude, at_s = kind, s.between(low, high), s.moment()
    lasts = s.between(*_LASTS[kind]) * DAY_S if kind in _LASTS else 0.2 * s.span_s
    if kind == "cold_front" and s.front_at_s is not None:
        at_s = s.front_at_s
    if kind in _FROM_THE_START:
        at_s = s.start_s
    if kind == "long_parking":
        magnitude, unit = lasts / DAY_S, "days"
    if kind == "software_scale":
        variant = sorted(SCALES)[int(s.rng.integers(len(SCALES)))]
        magnitude, unit = SCALES[variant], "of the true value"
    element = int(s.rng.integers(4)) if kind in _ONE_WHEEL else -1
    element = int(s.rng.integers(s.model.cell_count - 1)) if kind == "loose_sense_wire" else element
    return Injection(
        vehicle=s.vehicle,
        kind=kind,
        variant=variant,
        is_fault=False,
        component=_component(kind, element),
        element=element,
        at_s=at_s,
        magnitude=magnitude,
        unit=unit,
        p={"until_s": at_s + lasts},
    )


def _component(kind: str, element: int) -> str:
    if kind == "hot_brake":
        return f"brake {WHEELS[element]}"
    if kind == "loose_sense_wire":
        return f"cell {element + 1}"
    return _COMPONENTS.get(kind, f"tire {WHEELS[element]}" if element >= 0 else "tires")

"""The alarm block of GB/T 32960.3 (2016: type 07, 2025: type 06) and the names of its flags."""

from __future__ import annotations

from types import MappingProxyType

from ingest.gbt32960.contents import Contents, Cursor

#: Alarm flag by bit, bit 0 the least significant (GB/T 32960.3-2016 table 18, 2025 adds 19-27).
FLAGS = MappingProxyType(
    dict(
        enumerate(
            (
                "temperature_spread",
                "battery_over_temperature",
                "pack_over_voltage",
                "pack_under_voltage",
                "soc_low",
                "cell_over_voltage",
                "cell_under_voltage",
                "soc_high",
                "soc_jump",
                "pack_mismatch",
                "cell_inconsistency",
                "insulation",
                "dcdc_temperature",
                "brake_system",
                "dcdc_status",
                "motor_controller_temperature",
                "high_voltage_interlock",
                "motor_temperature",
                "over_charge",
                "motor_over_speed",
                "motor_over_current",
                "super_capacitor_over_temperature",
                "super_capacitor_over_pressure",
                "battery_thermal_event",
                "hydrogen_leak",
                "hydrogen_pressure",
                "hydrogen_temperature",
                "stack_over_temperature",
            )
        )
    )
)
_LISTS = ("battery", "motor", "engine", "other")


def read_alarms(cursor: Cursor, contents: Contents, *, edition: int) -> None:
    """Gather one alarm block; it counts as an alarm when a level, flag or code is set.

    A count of FE or FF means that no codes follow. A block that repeats an earlier one is dropped.
    """
    raw_level, flags = cursor.u(1), cursor.u(4)
    level = contents.number(raw_level, 1, "alarm level")
    if level > 3:
        contents.masked["alarm level: out of range"] += 1
        level = 0.0
    if flags in (0xFFFFFFFE, 0xFFFFFFFF):
        contents.masked["alarm flags: " + ("abnormal" if flags == 0xFFFFFFFE else "invalid")] += 1
        flags = 0
    codes: dict[str, list[str]] = {}
    for name in _LISTS:
        found = [f"{cursor.u(4):08X}" for _ in range(cursor.count(1))]
        if found:
            codes[name] = found
    levels: dict[str, int] = {}
    if edition == 2025:
        for _ in range(cursor.count(1)):
            bit = cursor.u(1)
            levels[str(bit)] = cursor.u(1)
    bits = [bit for bit in range(32) if flags >> bit & 1]
    level_of_event = int(level) if level == level else 0  # noqa: PLR0124 - NaN is unlike itself
    if not (level_of_event or bits or codes or levels):
        return
    data: dict[str, object] = {
        "flags": flags,
        "bits": bits,
        "names": [FLAGS.get(b, f"bit {b}") for b in bits],
    }
    if codes:
        data["codes"] = codes
    if levels:
        data["levels"] = levels
    alarm = (level_of_event, f"{flags:08X}", data)
    if alarm not in contents.alarms:
        contents.alarms.append(alarm)

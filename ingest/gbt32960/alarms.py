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


_HIGHEST_LEVEL = 3
_SENTINELS = (0xFE, 0xFF)


def read_alarms(cursor: Cursor, contents: Contents, *, edition: int) -> None:
    """Gather one alarm block; it counts as an alarm when a level, flag or code is set.

    A count of FE or FF means that no codes follow. A block that repeats an earlier one is dropped. No alarm
    is made light of: a level that the standard does not know counts as its highest, a flag's own level (2025)
    above that of the block counts for the block, and of a block that ends too soon what was read counts.

    Raises:
        Truncated: The data unit ends inside it.
    """
    raw_level, flags = cursor.u(1), cursor.u(4)
    contents.number(raw_level, 1, "alarm level")
    if flags in (0xFFFFFFFE, 0xFFFFFFFF):
        contents.masked["alarm flags: " + ("abnormal" if flags == 0xFFFFFFFE else "invalid")] += 1
        flags = 0
    codes: dict[str, list[str]] = {}
    levels: dict[str, int] = {}
    try:
        for name in _LISTS:
            for _ in range(cursor.count(1)):
                code = f"{cursor.u(4):08X}"
                codes.setdefault(name, []).append(code)
        if edition == 2025:
            for _ in range(cursor.count(1)):
                bit = str(cursor.u(1))
                levels[bit] = cursor.u(1)
    finally:
        _keep_alarm(contents, raw_level, flags, codes, levels)


def _keep_alarm(
    contents: Contents, raw_level: int, flags: int, codes: dict[str, list[str]], levels: dict[str, int]
) -> None:
    told = [level for level in (raw_level, *levels.values()) if level not in _SENTINELS]
    level = min(max(told, default=0), _HIGHEST_LEVEL)
    bits = [bit for bit in range(32) if flags >> bit & 1]
    if not (level or bits or codes or levels):
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
    if raw_level != level and raw_level not in _SENTINELS:
        data["said_level"] = raw_level
    alarm = (level, f"{flags:08X}", data)
    if alarm not in contents.alarms:
        contents.alarms.append(alarm)

"""When the thermal-event rule told of an abuse test, against the course of the test."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from data.records import FamilyRows, VehicleSpec
from models.watch.rule import Readings
from models.watch.thermal_event import BatteryThermalEventRule

#: Probability from which an alert is raised.
_RAISE_LEVEL = 0.7
#: Key of a row, heading of its column.
_COLUMNS: Final = {
    "test": "Test",
    "severity": "Severity observed",
    "raised_s": "Told of after, s",
    "raised_degc": "at, °C",
    "raised_rate": "rising, °C/s",
    "peak_s": "Hottest after, s",
    "peak_degc": "at, °C",
    "lead_s": "Ahead of it, s",
    "cell_down": "A quarter of the voltage gone",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ThermalTiming:
    """One row of the timing table; seconds since the first reading."""

    raised_s: float  #: NaN: not raised
    peak_s: float  #: of the temperature, as far as the sensor follows; NaN: no temperature
    peak_degc: float
    raised_degc: float  #: temperature when it was raised
    raised_rate: float  #: rise then, °C/s
    is_cell_down: bool  #: a cell had lost a quarter of its voltage by the end

    @property
    def lead_s(self) -> float:
        """Time from the warning to the peak; negative: too late; NaN: not raised."""
        return self.peak_s - self.raised_s


def thermal_timing(
    cell: FamilyRows, spec: VehicleSpec, rule: BatteryThermalEventRule | None = None
) -> ThermalTiming:
    """Return when the rule of the live stream tells of a recording, reading by reading.

    Args:
        cell: Rows of one vehicle or one tested cell, ascending in time.
        spec: The vehicle model.
        rule: With other limits than the default ones.
    """
    rule = rule or BatteryThermalEventRule()
    state = rule.empty(1, spec)
    columns = {
        alias: np.asarray(cell.columns[alias], dtype=np.float64)
        for alias in rule.columns
        if alias in cell.columns
    }
    at = np.zeros(len(cell), dtype=np.int64)
    risk = rule.take(state, Readings(at=at, time_us=cell.time_us, columns=columns), spec)
    seconds = (cell.time_us - cell.time_us[0]) / 1e6
    sure = np.flatnonzero(np.nan_to_num(risk.probability[:, 0]) >= _RAISE_LEVEL)
    probes = columns.get("cell.temperature", np.full((len(cell), 1), np.nan))
    hottest = np.fmax.reduce(probes, axis=1)
    is_heard = np.isfinite(hottest).any()
    peak = int(np.nanargmax(hottest)) if is_heard else 0
    return ThermalTiming(
        raised_s=float(seconds[sure[0]]) if len(sure) else float("nan"),
        peak_s=float(seconds[peak]) if is_heard else float("nan"),
        peak_degc=float(hottest[peak]),
        raised_degc=float(risk.detail["degc"][sure[0], 0]) if len(sure) else float("nan"),
        raised_rate=float(risk.detail["rate"][sure[0], 0]) if len(sure) else float("nan"),
        is_cell_down=bool(state["dropped_us"][0] > 0),
    )


def timing_row(test: str, severity: str, timing: ThermalTiming) -> dict[str, Any]:
    """Return one row of the timing table, ready for JSON; None for what there was not."""
    numbers = {
        name: round(value, 1) if math.isfinite(value) else None
        for name in ("raised_s", "raised_degc", "raised_rate", "peak_s", "peak_degc", "lead_s")
        for value in (float(getattr(timing, name)),)
    }
    return {"test": test, "severity": severity, **numbers, "cell_down": timing.is_cell_down}


def timing_table(rows: Iterable[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return headings and cells of the timing table, those that were told of first."""

    def text(value: object) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        return "–" if value is None or value == "" else str(value)

    ordered = sorted(rows, key=lambda row: (row["raised_s"] is None, row["severity"], row["test"]))
    return list(_COLUMNS.values()), [[text(row[key]) for key in _COLUMNS] for row in ordered]

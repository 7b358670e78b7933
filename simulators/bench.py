"""Measure the complete simulator: vehicle-days per second, peak memory."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime

from simulators.fleet import build_fleet
from simulators.parts import FleetPart, map_parts

#: The fleet that the project promises to simulate, in minutes and GiB.
TARGET_VEHICLES, TARGET_DAYS, TARGET_MINUTES, TARGET_GIB = 1000, 30, 10.0, 4.0
_START = datetime(2026, 1, 5, 20, tzinfo=UTC)


def bench_simulate(
    *,
    vehicles: int,
    days: int,
    seed: int,
    workers: int,
    vehicles_per_part: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, object]:
    """Simulate a fleet with every fault and decoy and count what comes out.

    Returns:
        Rates, rows and peak memory of all processes together (the sum of their peaks), beside the targets.

    Raises:
        FleetError: A number is out of range.
    """
    fleet = build_fleet(vehicles, seed=seed, start=_START, days=days, faults="all", models="all")
    cpu_s = _cpu_s()
    began, rows, values, done, peaks = time.perf_counter(), 0, 0, 0, dict[int, int]()
    for pid, peak_kib, count, part_rows, part_values in map_parts(
        fleet, _count, vehicles_per_part=vehicles_per_part, workers=workers
    ):
        rows, values, done = rows + part_rows, values + part_values, done + count
        peaks[pid] = max(peak_kib, peaks.get(pid, 0))
        if on_progress is not None:
            on_progress(done, vehicles)
    took_s = time.perf_counter() - began
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_kib = sum(peaks.values()) + (own if workers > 1 else 0)
    return {
        "simulated": True,
        "vehicles": vehicles,
        "days": days,
        "workers": workers,
        "seconds": round(took_s, 1),
        "cpu_s": round(_cpu_s() - cpu_s, 1),
        "vehicle_days_per_s": round(vehicles * days / took_s, 1),
        "rows": rows,
        "values": values,
        "peak_rss_mb": round(peak_kib / 1024.0),
        "target_minutes_for_30000_vehicle_days": TARGET_MINUTES,
        "minutes_for_30000_vehicle_days": round(
            TARGET_VEHICLES * TARGET_DAYS / (vehicles * days / took_s) / 60.0, 2
        ),
        "target_rss_mb": round(TARGET_GIB * 1024.0),
    }


def _cpu_s() -> float:
    """Return the processor time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _count(part: FleetPart) -> tuple[int, int, int, int, int]:
    """Return process, its peak memory in KiB, vehicles, rows and values of a part."""
    rows = sum(len(family.time_us) for family in part.rows.values())
    values = sum(packed.size for family in part.rows.values() for packed in family.columns.values())
    return os.getpid(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, len(part), rows, values

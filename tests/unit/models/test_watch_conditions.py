"""What a rule needs before it can tell: no vehicle is told of on which it did not happen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.records import FloatArray
from data.vehicle_specs import find_spec
from models.watch import live_rules
from models.watch.rule import LiveRule, Readings, could_tell
from models.watch.thermal_event import BatteryThermalEventRule
from models.watch.thermal_window import KEPT, LEAST_K
from simulators.hazards import battery_stream, high_voltage_stream, tire_stream

SPEC = find_spec("anxin-sedan-88-ncm")
T0 = 1_767_225_600_000_000
BY_COLUMN = {
    "tire.pressure": lambda seed: [
        tire_stream("healthy", 60, SPEC, seed=seed, minutes=30, decoy_share=0.9),
        tire_stream("tire_blowout_risk", 10, SPEC, seed=seed),
    ],
    "cell.voltage": lambda seed: [
        battery_stream("healthy", 10, SPEC, seed=seed, minutes=5, decoy_share=0.9),
        battery_stream("battery_thermal_event", 2, SPEC, seed=seed, minutes=12),
    ],
    "pack.voltage": lambda seed: [
        high_voltage_stream(kind, 20, SPEC, seed=seed, minutes=10, decoy_share=0.9)
        for kind in ("healthy", "insulation_loss", "onboard_alarm")
    ],
}
WITH_CONDITION = [rule for rule in live_rules() if hasattr(rule, "could_tell")]


def told_and_marked(rule: LiveRule, at: Any, time_us: Any, columns: Any) -> tuple[set[int], set[int]]:
    none = np.full(len(at), np.nan)
    wanted = {name: columns.get(name, none) for name in (*rule.columns, *rule.context)}
    readings = Readings(at=at, time_us=time_us, columns=wanted)
    marked = set(at[could_tell(rule, readings, SPEC)].tolist())
    risk = rule.take(rule.empty(int(at.max()) + 1, SPEC), readings, SPEC)
    told = np.nan_to_num(risk.probability).max(1) >= 0.7
    return set(at[told].tolist()), marked


@pytest.mark.parametrize("rule", WITH_CONDITION, ids=lambda rule: rule.model_version)
def test_whoever_is_told_of_met_the_condition_and_most_of_the_healthy_did_not(rule: LiveRule) -> None:
    column = next(name for name in BY_COLUMN if name in rule.columns)
    streams = BY_COLUMN[column](1001)
    told_of_hazards = 0
    for stream in streams:
        told, marked = told_and_marked(rule, stream.row, stream.time_us, stream.columns)
        assert told <= marked
        told_of_hazards += len(told) if stream.kind != "healthy" else 0
        if stream.kind == "healthy":
            assert len(marked) < stream.n_vehicles
    assert told_of_hazards > 0


@given(
    seed=st.integers(0, 2**32 - 1),
    step_k=st.floats(0.2, 6.0),
    period_ms=st.sampled_from([500, 1000, 1600, 10_000, 30_000]),
    missing=st.floats(0.0, 0.4),
)
@settings(max_examples=60, deadline=None)
def test_no_course_of_temperatures_is_told_of_without_the_rise_that_is_asked_for(
    seed: int, step_k: float, period_ms: int, missing: float
) -> None:
    rng = np.random.default_rng(seed)
    n, count = 4, 60
    probes = 50.0 + np.cumsum(rng.normal(step_k / 3, step_k, (n, count, SPEC.probe_count)), axis=1)
    probes[rng.random(probes.shape) < missing] = np.nan
    volts = np.full((n, count, SPEC.cell_count), 3.7)
    volts[:, count // 3 :, 5] = 1.0
    time_us = T0 + np.cumsum(rng.integers(period_ms, period_ms * 2, (n, count)), axis=1) * 1000
    told, marked = told_and_marked(
        BatteryThermalEventRule(),
        np.repeat(np.arange(n), count),
        time_us.ravel(),
        {
            "cell.voltage": volts.reshape(n * count, -1),
            "cell.temperature": np.rint(probes).reshape(n * count, -1),
        },
    )

    assert told <= marked


def held_within(rise_k: float, rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    """Return courses of which no value is farther than ``rise_k`` above any of the ``KEPT`` before it."""
    out = np.zeros(shape)
    for at in range(1, shape[0]):
        out[at] = rng.uniform(-rise_k, rise_k, shape[1]) + out[at - 1]
        out[at] = np.minimum(out[at], out[max(0, at - KEPT) : at].min(0) + rise_k)
    return out


def test_a_pack_whose_probes_stay_below_that_rise_is_never_told_of_whatever_its_cells_do() -> None:
    rng = np.random.default_rng(1001)
    n, count = 20, 120
    probes = np.stack([58.0 + held_within(LEAST_K - 1e-6, rng, (count, SPEC.probe_count)) for _ in range(n)])
    volts = np.full((n, count, SPEC.cell_count), 3.7)
    volts[:, 30:, 5] = 0.5
    told, marked = told_and_marked(
        BatteryThermalEventRule(),
        np.repeat(np.arange(n), count),
        np.tile(T0 + np.arange(count) * 1_000_000, n),
        {
            "cell.voltage": volts.reshape(n * count, -1),
            "cell.temperature": probes.reshape(n * count, -1),
        },
    )

    assert (told, marked) == (set(), set())


def test_a_plug_that_shakes_takes_a_cell_and_a_probe_away_and_is_no_fire() -> None:
    seconds = np.arange(60)
    probes = np.full((60, SPEC.probe_count), 30.0)
    # the input's filter: open for 5 s, then back with 2 s
    probes[20:25, 3] = 30.0 - 70.0 * (1 - np.exp(-np.arange(1, 6) / 2.0))
    probes[25:, 3] = 30.0 - (30.0 - probes[24, 3]) * np.exp(-(seconds[25:] - 24) / 2.0)
    volts = np.full((60, SPEC.cell_count), 3.7)
    volts[18:22, 7] = 1.0
    at, time_us = np.zeros(60, dtype=np.int64), T0 + seconds * 1_000_000

    told, _ = told_and_marked(
        BatteryThermalEventRule(), at, time_us, {"cell.voltage": volts, "cell.temperature": probes}
    )
    before, _ = told_and_marked(
        BatteryThermalEventRule(contrast_k=-100.0),
        at,
        time_us,
        {"cell.voltage": volts, "cell.temperature": probes},
    )

    assert (told, before) == (set(), {0})

"""Live rules of the battery: thermal event, insulation, interlock."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from data.records import FloatArray, IntArray
from models.watch.insulation import InsulationRule
from models.watch.interlock import InterlockRule
from models.watch.rule import LiveRisk, Readings
from models.watch.thermal_event import BatteryThermalEventRule
from tests.unit.models import factories as make

RULE = BatteryThermalEventRule()
PACK = make.make_spec(cell_count=96, probe_count=16)
S_US = 1_000_000
ONSET_S = 20


def pack_of(
    seconds: FloatArray, *, heats: bool = True, falls: bool = True, probe_noise: float = 0.0, seed: int = 1
) -> dict[str, FloatArray]:
    """Cells and probes of one pack: cell 31 runs away at ``ONSET_S``, probe 5 shows it with a lag."""
    rng = np.random.default_rng(seed)
    n = len(seconds)
    volts = 3.80 + rng.normal(0, 0.001, (n, 96))
    probes = 30.0 + rng.normal(0, 0.1, (n, 16)) + probe_noise * rng.normal(0, 1.0, (n, 16))
    after = np.maximum(seconds - ONSET_S, 0.0)
    if heats:
        probes[:, 4] += 400.0 * (1 - np.exp(-after / 60.0))
    if falls:
        volts[after > 1, 30] = 0.5
    return {"cell.voltage": np.round(volts, 3), "cell.temperature": np.round(probes)}


def feed(
    rule: Any, spec: Any, seconds: FloatArray, columns: dict[str, FloatArray], cuts: int = 1
) -> LiveRisk:
    time_us = make.START_US + (seconds * S_US).astype(np.int64)
    state = rule.empty(1, spec)
    parts = []
    for rows in np.array_split(np.arange(len(seconds)), cuts):
        at: IntArray = np.zeros(len(rows), dtype=np.int64)
        taken = Readings(at=at, time_us=time_us[rows], columns={a: v[rows] for a, v in columns.items()})
        parts.append(rule.take(state, taken, spec))
    return LiveRisk(
        probability=np.concatenate([p.probability for p in parts]),
        severity=np.concatenate([p.severity for p in parts]),
        detail={k: np.concatenate([p.detail[k] for p in parts]) for k in parts[0].detail},
    )


def first_sure_s(risk: LiveRisk, seconds: FloatArray) -> float | None:
    sure = np.flatnonzero(risk.probability[:, 0] > 0.7)
    return float(seconds[sure[0]]) if len(sure) else None


def test_runaway_at_one_hertz_is_told_within_ten_seconds() -> None:
    seconds = np.arange(0.0, 90.0)

    told = first_sure_s(feed(RULE, PACK, seconds, pack_of(seconds)), seconds)

    assert told is not None
    assert ONSET_S < told <= ONSET_S + 10


def test_runaway_whose_cell_is_not_measured_is_told_by_heat_alone() -> None:
    seconds = np.arange(0.0, 90.0)

    told = first_sure_s(feed(RULE, PACK, seconds, pack_of(seconds, falls=False)), seconds)

    assert told is not None
    assert told <= ONSET_S + 15  # 60 °C first, then seven seconds of rise


@pytest.mark.parametrize("interval_s", [10.0, 30.0])
def test_runaway_in_coarse_data_is_told_by_the_third_reading(interval_s: float) -> None:
    seconds = np.arange(0.0, 300.0, interval_s)

    told = first_sure_s(feed(RULE, PACK, seconds, pack_of(seconds)), seconds)

    assert told is not None
    assert told <= ONSET_S + 3 * interval_s


def test_fallen_cell_without_heat_is_no_thermal_event() -> None:
    seconds = np.arange(0.0, 300.0)

    risk = feed(RULE, PACK, seconds, pack_of(seconds, heats=False))

    assert np.nanmax(risk.probability) < 0.3


@pytest.mark.parametrize("jump", [40.0, 70.0, 180.0])
def test_probe_that_jumps_is_no_thermal_event(jump: float) -> None:
    seconds = np.arange(0.0, 300.0)
    columns = pack_of(seconds, heats=False, falls=True)
    columns["cell.temperature"][60:, 7] += jump

    risk = feed(RULE, PACK, seconds, columns)

    assert np.nanmax(risk.probability) < 0.7


def test_noisy_probes_of_a_hot_pack_are_no_thermal_event() -> None:
    seconds = np.arange(0.0, 1200.0)
    columns = pack_of(seconds, heats=False, falls=False, probe_noise=5.0)
    columns["cell.temperature"] += 15.0

    risk = feed(RULE, PACK, seconds, columns)

    assert np.nanmax(risk.probability) < 0.7


def test_hot_pack_after_hours_of_sleep_is_no_rise() -> None:
    seconds = np.r_[np.arange(0.0, 30.0), 14_400.0 + np.arange(0.0, 30.0)]
    columns = pack_of(seconds, heats=False, falls=False)
    columns["cell.temperature"][30:] += 35.0
    columns["cell.voltage"][30:, 12] = 0.1

    risk = feed(RULE, PACK, seconds, columns)

    assert np.nanmax(risk.probability) < 0.3


def test_risk_does_not_depend_on_how_the_stream_was_cut() -> None:
    seconds = np.arange(0.0, 90.0)
    whole, cut = (feed(RULE, PACK, seconds, pack_of(seconds), cuts=c) for c in (1, 17))

    assert np.array_equal(whole.probability, cut.probability, equal_nan=True)


def test_vehicles_do_not_mix() -> None:
    seconds = np.arange(0.0, 60.0)
    sick, sound = pack_of(seconds), pack_of(seconds, heats=False, falls=False, seed=2)
    state = RULE.empty(2, PACK)
    n = len(seconds)
    time_us = make.START_US + (seconds * S_US).astype(np.int64)
    both = Readings(
        at=np.repeat([0, 1], n).astype(np.int64),
        time_us=np.tile(time_us, 2),
        columns={a: np.concatenate((sound[a], sick[a])) for a in sick},
    )

    risk = RULE.take(state, both, PACK)

    assert np.nanmax(risk.probability[:n]) < 0.3
    assert risk.probability[-1, 0] > 0.7


def test_bare_cell_that_empties_itself_over_a_short_is_no_runaway() -> None:
    spec = make.make_spec(cell_count=1, probe_count=1)
    seconds = np.arange(0.0, 200.0, 0.2)
    after = np.maximum(seconds - ONSET_S, 0.0)
    columns = {
        "cell.voltage": np.where(after > 1, 0.01, 4.1)[:, None],
        "cell.temperature": (24.0 + 75.0 * (1 - np.exp(-after / 16.0)))[:, None],
    }

    assert np.nanmax(feed(RULE, spec, seconds, columns).probability) < 0.7


def test_bare_cell_that_burns_is_told_before_its_peak() -> None:
    spec = make.make_spec(cell_count=1, probe_count=1)
    seconds = np.arange(0.0, 60.0, 0.2)
    after = np.maximum(seconds - ONSET_S, 0.0)
    degc = 24.0 + np.where(
        after < 12, 350.0 / (1 + np.exp(-(after - 8.0))), 350.0 * np.exp(-(after - 12) / 60)
    )
    columns = {
        "cell.voltage": np.where(after > 9, 0.01, 4.1)[:, None],
        "cell.temperature": np.where(degc <= 250, degc, np.nan)[:, None],
    }

    told = first_sure_s(feed(RULE, spec, seconds, columns), seconds)

    assert told is not None
    assert told < seconds[int(degc.argmax())]


def test_reasons_of_a_thermal_event_name_rise_and_cell() -> None:
    seconds = np.arange(0.0, 60.0)
    columns = pack_of(seconds)
    state = RULE.empty(1, PACK)
    taken = Readings(
        at=np.zeros(60, dtype=np.int64),
        time_us=make.START_US + (seconds * S_US).astype(np.int64),
        columns=columns,
    )
    risk = RULE.take(state, taken, PACK)

    why = RULE.explain(state, risk, taken, (59, 0), PACK)

    assert "°C/s" in why.reasons[0].text_en
    assert why.reasons[1].text_en.startswith("cell 31 has fallen to 0.50 V")
    assert all(r.text_zh for r in why.reasons)
    assert 0 < why.since_us - make.START_US < 32 * S_US
    assert {len(v) for v in why.evidence["series"].values()} == {len(why.evidence["time"])}


def insulation(kohm: FloatArray, *, volts: float = 360.0, interval_s: float = 10.0) -> LiveRisk:
    seconds = np.arange(len(kohm)) * interval_s
    columns = {"insulation": kohm, "pack.voltage": np.full(len(kohm), volts)}
    return feed(InsulationRule(), PACK, seconds, columns)


def test_low_insulation_is_told_once_it_has_held_and_lower_is_more_urgent() -> None:
    risk = insulation(np.r_[np.full(10, 5000.0), np.full(10, 150.0), np.full(10, 30.0)])

    sure = np.flatnonzero(risk.probability[:, 0] > 0.7)
    assert sure[0] == 16  # 60 s after the first low reading
    assert risk.severity[18, 0] == 2
    assert risk.severity[29, 0] == 1


@pytest.mark.parametrize("low", [2, 4])
def test_a_few_low_readings_are_no_insulation_loss(low: int) -> None:
    kohm = np.full(60, 5000.0)
    kohm[20 : 20 + low] = 20.0

    assert np.nanmax(insulation(kohm).probability) < 0.7


def test_zero_insulation_and_a_pack_without_voltage_tell_nothing() -> None:
    assert np.isnan(insulation(np.zeros(30)).probability).all()
    assert np.isnan(insulation(np.full(30, 20.0), volts=0.0).probability).all()


def test_low_insulation_before_a_long_sleep_counts_for_nothing() -> None:
    kohm = np.full(20, 100.0)
    seconds = np.r_[np.arange(4) * 10.0, 30_000 + np.arange(16) * 10.0]
    columns = {"insulation": kohm, "pack.voltage": np.full(20, 360.0)}

    risk = feed(InsulationRule(), PACK, seconds, columns)

    assert risk.probability[8, 0] < 0.7
    assert risk.probability[10, 0] > 0.7


def test_open_interlock_is_told_while_the_pack_is_live_only() -> None:
    seconds = np.arange(30.0)
    loop = np.where(seconds >= 5, 2.0, 1.0)

    live = feed(InterlockRule(), PACK, seconds, {"hv.interlock": loop, "pack.voltage": np.full(30, 360.0)})
    dead = feed(InterlockRule(), PACK, seconds, {"hv.interlock": loop, "pack.voltage": np.zeros(30)})

    assert first_sure_s(live, seconds) == pytest.approx(15.0)
    assert np.nanmax(dead.probability) < 0.3


def test_plug_that_chatters_is_no_open_interlock() -> None:
    seconds = np.arange(120.0)
    loop = np.where(seconds % 9 < 2, 2.0, 1.0)

    risk = feed(InterlockRule(), PACK, seconds, {"hv.interlock": loop, "pack.voltage": np.full(120, 360.0)})

    assert np.nanmax(risk.probability) < 0.7

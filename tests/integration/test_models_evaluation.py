"""The composition of ``anxin evaluate``: simulators, features, predictors, baselines and figures together."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from commands.evaluate import parse_seeds
from commands.evaluation_work import alert_levels, judge_work, simulated_parts
from commands.live_work import live_systems, stream_work
from data.errors import SettingsError
from models.evaluation.baselines import baselines
from models.evaluation.detectors import PredictorDetector
from models.evaluation.evaluate import ANXIN, add_up, figures
from models.predictors import day_predictors
from simulators.day_level import draw_fleet

KEYS = {
    "events", "recall", "recall_ci", "vehicle_days", "false_per_1000_vehicle_days", "false_upper95", "lead_h",
    "delay_h_p50", "coverage", "brier", "ece",
}  # fmt: skip
LEVELS = alert_levels()
#: The quick ones: the command runs all of them.
PREDICTORS = [
    p for p in day_predictors() if p.feature_set in ("tire_days", "insulation_days", "battery_days")
]
SYSTEMS: dict[str, Any] = {ANXIN: [PredictorDetector(p) for p in PREDICTORS], **baselines()}


def judge(work: list[tuple[str, Any]]) -> dict[str, Any]:
    live = live_systems()
    found = [judge_work(one, systems=SYSTEMS, live=live, levels=LEVELS) for one in work]
    is_live = all(name == "live" for name, _ in work)
    days, streams = (add_up([] if is_live is skip else found) for skip in (True, False))
    return figures(days, LEVELS, level="day", rng=np.random.default_rng(0), live=streams)


def test_figures_of_drawn_fleets_keep_the_contract_whatever_the_cut() -> None:
    one: dict[str, Any] = {"seed": 1001, "models": ["anxin-sedan-96-ncm"]}
    fleets = [
        draw_fleet(6, 60, mode="enriched", faults=["tire_slow_leak", "insulation_loss"], **one),
        draw_fleet(6, 60, mode="healthy", **one),
    ]
    assert [len(fleets[0].blocks(size)) for size in (8, 3)] == [1, 2]
    whole, cut = (
        judge([("day", (fleet, block)) for fleet in fleets for block in fleet.blocks(size)])
        for size in (8, 3)
    )

    assert whole == cut
    assert whole["simulated"] is True
    assert json.loads(json.dumps(whole)) == whole
    assert {"tire_slow_leak", "insulation_loss"} <= set(whole["modes"])
    assert {"legal_tire_threshold", "aws_rules", "gbt_alarm_bits", "bms_fixed_limits"} <= set(
        whole["baselines"]
    )
    for found in (whole["modes"], *whole["baselines"].values()):
        for mode in found.values():
            assert set(mode) >= KEYS
    slow_leak = whole["modes"]["tire_slow_leak"]
    events = slow_leak["events"] + slow_leak["below_scope"]["events"] + slow_leak["unjudged"]
    truths = [t.kind for block in fleets[0].blocks(8) for t in fleets[0].part(block).truths]
    assert events == truths.count("tire_slow_leak") > 2
    assert slow_leak["coverage"] == pytest.approx(0.95, abs=0.05)


def test_live_rules_are_judged_on_streams_of_their_own() -> None:
    parts = stream_work(2, [1001])
    found = judge([("live", part) for part in parts if part.kind != "cells healthy"])

    assert {part.kind for part in parts} >= {"tires tire_puncture", "tires healthy", "cells healthy"}
    assert found["modes"]["insulation_loss_live"]["events"] == 2
    assert found["modes"]["insulation_loss_live"]["target"]["recall"] is None
    assert found["modes"]["onboard_alarm"]["events"] == 2
    assert found["modes"]["tire_puncture"]["events"] == 2
    assert found["modes"]["tire_puncture"]["vehicle_days"] == round(20 / 1.2)
    assert "tire_blowout_risk" in found["baselines"]["aws_rules"]


def test_harmless_days_count_whether_a_rule_had_to_be_run_on_them_or_not() -> None:
    parts = [part for part in stream_work(0, [1001, 1002], live_days=301) if part.kind != "tires days"]
    modes = judge([("live", part) for part in parts])["modes"]

    assert sum(part.vehicles for part in parts if part.kind == "cells days") == 301
    for found in (modes["battery_thermal_event"], modes["insulation_loss_live"], modes["onboard_alarm"]):
        assert found["vehicle_days"] == 301
        assert found["false_episodes"] == 0
        assert 250 < found["vehicle_days_ruled_out"] < 301
        assert found["false_upper95"] < found["false_upper95_run"]
        assert found["decoys"] > 10


def test_simulated_readings_are_judged_by_the_same_functions() -> None:
    parts = simulated_parts(3, 3, 1001, ["tire_slow_leak"])
    found = judge([("full", part) for part in parts])

    leak = found["modes"]["tire_slow_leak"]
    assert leak["events"] + leak["unjudged"] + leak["below_scope"]["events"] == 1
    assert 4 <= leak["vehicle_days"] <= 8  # two vehicles; three days of UTC touch four local ones


@pytest.mark.parametrize(
    ("text", "says"), [("a,2", "whole numbers"), ("1,1", "different"), ("1000", "trains")]
)
def test_seeds_that_would_flatter_or_mean_nothing_are_refused(text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        parse_seeds(text)

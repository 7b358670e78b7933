"""Live rules against streams that were laid out by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from data.records import FailureMode, FloatArray
from models.evaluation.evaluate import ANXIN
from models.evaluation.live import LivePart, Said, judge_live, judge_streams, meets_gb38031
from models.evaluation.live_limits import live_baselines
from models.evaluation.part import Levels
from models.evaluation.tally import Outcome
from tests.unit.models.test_evaluation_judge import SPEC

T0 = 1_767_225_600_000_000
PUNCTURE, THERMAL = FailureMode.TIRE_PUNCTURE, FailureMode.BATTERY_THERMAL_EVENT
N = 200


@dataclass(frozen=True)
class Says:
    at_s: tuple[tuple[int, int], ...]  #: (second, wheel)
    failure_mode: FailureMode = PUNCTURE
    name: str = "says"
    run: int = -1

    def says(self, part: LivePart) -> Said:
        out = np.full((len(part.row), 4), 0.1)
        for second, wheel in self.at_s:
            out[second:, wheel] = 0.9
        return Said(out, tuple(f"tire {w}" for w in SPEC.wheels), run=self.run)


def make_stream(**overrides: object) -> LivePart:
    base = LivePart(
        mode=PUNCTURE,
        about=frozenset({PUNCTURE}),
        seed=1,
        spec=SPEC,
        row=np.zeros(N, dtype=np.int64),
        time_us=T0 + np.arange(N, dtype=np.int64) * 1_000_000,
        columns={"tire.pressure": np.full((N, 4), 250.0)},
        component=("tire rear-left",),
        decoy=("",),
        magnitude=np.array([10.0]),
        shown_us=np.array([T0 + 20_000_000]),
        limit_us=np.array([-1]),
        hours=1.2,
    )
    return replace(base, **overrides)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("second", "outcome"), [(109, Outcome.FOUND), (110, Outcome.FOUND), (111, Outcome.LATE)]
)
def test_a_puncture_counts_within_90_s_of_the_first_reading_that_shows_it(
    second: int, outcome: Outcome
) -> None:
    tally = judge_live(Says(((second, 2),)), make_stream(), Levels(), 0.0)

    assert tally.faults[0].outcome is outcome
    assert tally.faults[0].delay_h * 3600 == pytest.approx(second - 20)


def test_the_wrong_wheel_is_false_and_the_right_one_missed() -> None:
    tally = judge_live(Says(((30, 1),)), make_stream(), Levels(), 0.0)

    assert tally.faults[0].outcome is Outcome.MISSED
    assert [a.component for a in tally.astray] == ["tire front-right"]


def test_a_puncture_that_no_reading_shows_is_not_judged() -> None:
    tally = judge_live(Says(()), make_stream(shown_us=np.array([-1])), Levels(), 0.0)

    assert tally.faults[0].outcome is Outcome.UNJUDGED


def test_a_burst_counts_with_its_lead() -> None:
    blowout = FailureMode.TIRE_BLOWOUT_RISK
    stream = make_stream(mode=blowout, limit_us=np.array([T0 + 400_000_000]))
    found, late = (
        judge_live(Says(((second, 2),), failure_mode=blowout), stream, Levels(), 5 / 60).faults[0]
        for second in (100, 101)
    )

    assert found.outcome is Outcome.FOUND
    assert found.lead_h * 60 == pytest.approx(5.0)
    assert late.outcome is Outcome.LATE


def test_alerts_of_harmless_drives_are_false_and_hours_become_days() -> None:
    stream = make_stream(mode=None, component=("",), decoy=("hot_stop",), hours=12.0)
    tally = judge_live(Says(((30, 1),)), stream, Levels(), 0.0)

    assert [a.decoy for a in tally.false_alerts] == ["hot_stop"]
    assert tally.healthy_days == 10


def test_days_that_a_rule_was_not_run_on_are_counted_apart() -> None:
    none: dict[str, object] = {"mode": None, "component": ("", ""), "decoy": ("", "")}
    stream = make_stream(**none, magnitude=np.full(2, np.nan), hours=12.0, unread_hours=9.6)
    half, every = (judge_live(Says((), run=run), stream, Levels(), 0.0) for run in (1, -1))

    # 10 days, of which 8 had no reading and half of the others were ruled out
    assert (half.healthy_days, half.ruled_out_days) == (10, 9)
    assert (every.healthy_days, every.ruled_out_days) == (10, 8)
    assert (half + every).ruled_out_days == 17


def test_rules_alone_are_judged_on_what_was_left_unread() -> None:
    stream = make_stream(mode=None, component=("",), decoy=("",), hours=12.0, unread_hours=6.0)
    found = judge_streams(
        stream,
        {ANXIN: [Says(())], "limit": [Says(())]},
        {PUNCTURE: Levels()},
        {PUNCTURE: 0.0},
    )

    assert set(found) == {(ANXIN, PUNCTURE)}


def battery(probe: FloatArray, cell: FloatArray) -> LivePart:
    probes, cells = np.full((N, 8), 30.0), np.full((N, 96), 3.7)
    probes[:, 3], cells[:, 7] = probe, cell
    return make_stream(mode=THERMAL, columns={"cell.temperature": probes, "cell.voltage": cells})


def test_the_rule_for_a_thermal_event_wants_more_than_three_seconds_and_voltage_or_heat() -> None:
    rise = 30.0 + np.clip(np.arange(N) - 50.0, 0.0, None)
    flat, sound = np.full(N, 30.0), np.full(N, 3.7)
    fallen = np.where(np.arange(N) >= 40, 2.7, 3.7)

    # readings 51-54 are the first four rises in a row
    assert meets_gb38031(battery(rise, fallen)).tolist() == [T0 + 54_000_000]
    # without the voltage it must be beyond 60 °C: 61 °C at second 81
    assert meets_gb38031(battery(rise, sound)).tolist() == [T0 + 81_000_000]
    assert meets_gb38031(battery(flat, fallen)).tolist() == [-1]
    three = 30.0 + np.clip(np.arange(N) - 50.0, 0.0, 3.0)
    assert meets_gb38031(battery(three, fallen)).tolist() == [-1]
    step = np.where(np.arange(N) >= 50, 90.0, 30.0)
    assert meets_gb38031(battery(step, fallen)).tolist() == [-1]


def test_limits_say_yes_where_they_are_broken() -> None:
    rules = {(r.name, r.failure_mode): r for r in live_baselines()}
    pressure = np.full((N, 4), 250.0)
    pressure[100:, 2] = 187.0
    said, names, _ = rules["legal_tire_threshold", PUNCTURE].says(
        make_stream(columns={"tire.pressure": pressure})
    )
    hot, _, _ = rules["gbt_alarm_bits", THERMAL].says(
        battery(np.where(np.arange(N) > 150, 61.0, 60.0), np.full(N, 3.7))
    )
    aws, _, _ = rules["aws_rules", FailureMode.TIRE_BLOWOUT_RISK].says(
        make_stream(
            columns={
                "tire.pressure": pressure,
                "tire.temperature": np.full((N, 4), 20.0),
                "speed": np.where(np.arange(N) < 150, 90.0, 100.0),
            }
        )
    )

    assert names[2] == "tire rear-left"
    assert (said[:, 2] == 1.0).tolist() == (np.arange(N) >= 100).tolist()
    assert np.flatnonzero(hot[:, 0])[0] == 151
    assert np.flatnonzero(aws[:, 2])[0] == 150


def test_flags_of_insulation_and_interlock_hold_while_the_limit_is_broken() -> None:
    rules = {r.failure_mode: r for r in live_baselines()}
    columns = {
        "insulation": np.where(np.arange(N) >= 80, 199.0, 200.0),
        "pack.voltage": np.full(N, 400.0),
        "hv.interlock": np.where(np.arange(N) >= 120, 2.0, 1.0),
    }
    columns["pack.voltage"][150:] = 0.0
    low, _, _ = rules[FailureMode.INSULATION_LOSS].says(make_stream(columns=columns))
    loose, names, _ = rules[FailureMode.ONBOARD_ALARM].says(make_stream(columns=columns))

    assert names == ("battery",)
    assert np.flatnonzero(low[:, 0]).tolist() == list(range(80, 150))
    assert np.flatnonzero(loose[:, 0]).tolist() == list(range(120, 150))

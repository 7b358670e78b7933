"""The benchmark of the CAN decoder: its figures and its comparison, not its speed."""

from __future__ import annotations

import itertools
from dataclasses import replace
from importlib import resources
from typing import Any

import numpy as np
import pytest

from data.errors import CatalogueError
from ingest.bench import decode as bench
from ingest.bench.decode import bench_decode
from ingest.bench.random_frames import made_up_dbc
from ingest.can import CanDecoded, CanDecoder
from ingest.can.database import parse_dbc

DEMO = resources.files("data").joinpath("dbc", "anxin_demo.dbc").read_text()
NESTED = """VERSION ""

NS_ :

BS_:

BU_: X

BO_ 2147483904 Extended: 8 X
 SG_ Outer M : 7|4@0+ (1,0) [0|0] "" X
 SG_ InnerLow m1M : 8|4@1+ (1,0) [0|0] "" X
 SG_ InnerHigh m9M : 15|4@0+ (1,0) [0|0] "" X
 SG_ A m3 : 16|12@1- (0.1,-40) [0|0] "" X
 SG_ B m5 : 23|16@0- (0.5,0) [0|0] "" X
 SG_ Never m16 : 8|4@1+ (1,0) [0|0] "" X
 SG_ Always : 32|32@1- (1,0) [0|0] "" X

BO_ 256 Short: 3 X
 SG_ State : 4|2@1+ (1,0) [0|0] "" X

BO_ 257 Fd: 48 X
 SG_ Wide : 320|64@1- (0.25,1) [0|0] "" X

BO_ 258 Empty: 8 X

SG_MUL_VAL_ 2147483904 InnerLow Outer 1-1;
SG_MUL_VAL_ 2147483904 InnerHigh Outer 9-9;
SG_MUL_VAL_ 2147483904 Never Outer 16-16;
SG_MUL_VAL_ 2147483904 A InnerLow 3-3;
SG_MUL_VAL_ 2147483904 B InnerHigh 5-5;
SIG_VALTYPE_ 2147483904 Always : 1;
VAL_ 256 State 0 "off" 1 "on" ;
"""


def test_every_value_of_the_demonstration_bus_is_that_of_cantools() -> None:
    result = bench_decode(DEMO, frames=300, seed=1, rounds=1)

    assert result["equal"] is True
    assert (result["frames"], result["batch_frames"], result["messages"]) == (300, 300, 15)
    assert result["messages_left_out"] == 0
    assert result["baseline"] == "cantools decode_message, one frame at a time"
    assert set(result["unit"]) == {
        "frames_per_s",
        "signals_per_s",
        "cantools_frames_per_s",
        "ratio",
        "ratio_range",
        "by_batch_frames",
    }
    assert set(result["unit"]) < set(result)


def test_nested_multiplexers_both_byte_orders_floats_and_long_frames_are_measured_too() -> None:
    result = bench_decode(NESTED, frames=120, seed=3, rounds=1)

    assert result["equal"] is True
    assert (result["messages"], result["messages_left_out"]) == (3, 1)
    # 40 frames each: Outer, an inner multiplexer and its signal, Always (unless not finite); State; Wide
    assert 40 * 5 < result["signal_values"] <= 40 * 6


def test_rates_are_those_of_the_median_round() -> None:
    ends = itertools.accumulate([0, 1, 0, 2, 0, 3, 0, 30, 0, 2, 0, 8])  # ours 1, 3, 2 s; cantools 2, 30, 8 s
    clock = list(ends)

    result = bench_decode(DEMO, frames=60, seed=1, rounds=3, clock_s=iter(clock).__next__)

    assert (result["frames_per_s"], result["cantools_frames_per_s"]) == (30, round(60 / 8))
    assert result["signals_per_s"] == round(result["signal_values"] / 2)
    assert (result["ratio"], result["ratio_range"]) == (4.0, [2.0, 10.0])


def test_one_value_off_by_the_last_bit_is_not_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    class SlightlyWrong(CanDecoder):
        def decode(self, *args: Any) -> CanDecoded:
            decoded = super().decode(*args)
            value = decoded.extra.value.copy()
            value[-1] = np.nextafter(value[-1], np.inf)
            return replace(decoded, extra=replace(decoded.extra, value=value))

    monkeypatch.setattr(bench, "CanDecoder", SlightlyWrong)

    assert bench_decode(DEMO, frames=60, seed=1, rounds=1)["equal"] is False


def test_the_seed_alone_decides_the_frames() -> None:
    first, again, other = (
        bench_decode(DEMO, frames=300, seed=seed, rounds=1)["signal_values"] for seed in (5, 5, 6)
    )

    assert first == again != other


@pytest.mark.parametrize(
    ("frames", "rounds", "message"),
    [(14, 1, "frames 14: must be at least 15"), (60, 0, "rounds 0: must be at least 1")],
)
def test_too_little_to_measure_is_refused(frames: int, rounds: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bench_decode(DEMO, frames=frames, seed=1, rounds=rounds)


def test_a_file_without_signals_is_refused() -> None:
    with pytest.raises(CatalogueError, match="no message has signals"):
        bench_decode('VERSION ""\n\nNS_ :\n\nBS_:\n\nBU_: X\n\nBO_ 1 Empty: 8 X\n', frames=60, seed=1)


def test_smaller_calls_are_measured_on_the_same_frames() -> None:
    result = bench_decode(DEMO, frames=300, batches=(40, 100, 900), seed=1, rounds=1)

    assert list(result["by_batch_frames"]) == ["300", "40", "100"]
    assert result["by_batch_frames"]["300"]["frames_per_s"] == result["frames_per_s"]


def test_a_made_up_database_is_as_large_as_asked_and_the_same_for_the_same_seed() -> None:
    text = made_up_dbc(75, np.random.default_rng(4))

    messages = parse_dbc(text).messages
    result = bench_decode(text, frames=150, seed=1, rounds=1)

    assert text == made_up_dbc(75, np.random.default_rng(4))
    assert [(m.length, len(m.signals)) for m in messages] == [(8, 10)] * 75
    assert (result["equal"], result["signal_values"]) == (True, 1500)

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from models.errors import EvaluationError
from models.evaluation import plots
from models.evaluation.baselines import baselines
from models.evaluation.cards import cards_of
from models.evaluation.evaluate import ANXIN, add_up, figures, judge_part
from models.evaluation.report import report_page, write_report
from models.evaluation.text import table
from models.features.registry import feature_sets
from models.predictors import day_predictors
from tests.unit.models.test_evaluation_judge import LEVELS, MODE, Says, alerts, make_part, make_truth


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    sick = [make_truth(vehicle=v, magnitude=m) for v, m in enumerate([1.0, 2.5, 3.0, 4.0])]
    said = alerts(4, (1, 2, 14, 40), (2, 2, 20, 40))
    tallies = add_up(
        [
            judge_part(make_part(sick, 4), {ANXIN: [Says(said)], "rule": [Says(said)]}, {MODE: LEVELS}),
            judge_part(
                make_part([], 50, is_enriched=False),
                {ANXIN: [Says(alerts(50, (7, 0, 5, 9)))], "rule": [Says(alerts(50))]},
                {MODE: LEVELS},
            ),
        ]
    )
    return figures(tallies, {MODE: LEVELS}, level="day", rng=np.random.default_rng(1))


def _read(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own text


class _Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_report_is_well_formed_stamped_and_needs_no_network(result: dict[str, Any]) -> None:
    page = report_page(result, cards_of(day_predictors(), feature_sets()))
    parser = _Balance()
    parser.feed(page)

    assert not parser.open
    assert ">simulated<" in page
    assert not re.search(r"https?://|<script|src=", page)
    assert "0.6667" in page  # recall of the hand-worked fleet
    assert "≥ 0.97 ✗" in page


def test_every_predictor_has_a_card_with_features_thresholds_and_blind_spots(
    result: dict[str, Any], tmp_path: Path
) -> None:
    cards = cards_of(day_predictors(), feature_sets())
    write_report(tmp_path / "deep" / "report", result, cards)
    names = {path.name for path in (tmp_path / "deep" / "report").iterdir()}

    assert names == {"index.html", *(f"card-{card.name}.html" for card in cards)}
    for card in cards:
        assert card.features
        assert card.finds
        page = (tmp_path / "deep" / "report" / f"card-{card.name}.html").read_text("utf-8")
        assert "What it cannot see" in page
    slow_leak = next(card for card in cards if card.failure_mode == MODE)
    assert "contrast_kpa" in {f.name for f in slow_leak.features}


def test_a_report_that_cannot_be_written_says_where(result: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EvaluationError, match="cannot be written"):
        write_report(tmp_path / "file" / "under", result, [])


def test_plots_are_well_formed_and_keep_their_values() -> None:
    bars = _read(plots.bars("a < b", ["x"], [0.5], [(0.4, 0.6)], x_label="size"))
    curve = _read(plots.deciles("lead", [float(i) for i in range(11)], x_label="days"))
    dots = _read(plots.reliability("c", [0.1, 0.9], [0.2, 0.8]))

    (bar,) = bars.findall("rect")
    assert float(bar.attrib["height"]) == pytest.approx((220 - 40 - 26) / 2)
    assert len(curve.find("polyline").attrib["points"].split()) == 11  # type: ignore[union-attr]
    assert len(dots.findall("circle")) == 2


def test_table_has_the_baseline_below_its_mode(result: dict[str, Any]) -> None:
    lines = list(table(result))

    assert lines[1].startswith("tire_slow_leak")
    assert lines[2].startswith("  rule")
    assert "0.667" in lines[1]
    assert lines[-1].startswith("simulated; ")
    assert "simulated" not in list(table({**result, "simulated": False}))[-1]


def test_baselines_have_unique_detectors_a_mode() -> None:
    for name, detectors in baselines().items():
        modes = [d.failure_mode for d in detectors]
        assert len(modes) == len(set(modes)), name

from __future__ import annotations

import math
from dataclasses import replace

from models.evaluation.report import report_page
from models.evaluation.thermal_timing import ThermalTiming, timing_row, timing_table

TOLD = ThermalTiming(
    raised_s=12.04, peak_s=40.0, peak_degc=512.3, raised_degc=131.0, raised_rate=4.24, is_cell_down=True
)
UNTOLD = replace(TOLD, raised_s=math.nan, raised_degc=math.nan, raised_rate=math.nan, is_cell_down=False)


def test_row_holds_the_lead_and_nothing_for_what_there_was_not() -> None:
    told, untold = timing_row("a", "7", TOLD), timing_row("b", "1", UNTOLD)

    assert (told["raised_s"], told["lead_s"], told["cell_down"]) == (12.0, 28.0, True)
    assert (untold["raised_s"], untold["lead_s"], untold["peak_s"]) == (None, None, 40.0)


def test_page_shows_tests_that_were_told_of_first() -> None:
    rows = [timing_row("b", "1", UNTOLD), timing_row("a", "7", TOLD)]
    heads, cells = timing_table(rows)
    page = report_page({"level": "day", "modes": {}, "baselines": {}, "thermal_timing": rows}, [])

    assert [row[0] for row in cells] == ["a", "b"]
    assert all(len(row) == len(heads) for row in cells)
    assert page.index("<td>28.0</td>") < page.index("<td>b</td>")

"""The catalogue defines every signal once and refuses to contradict itself."""

from __future__ import annotations

import re

import pytest

from data.catalogue import TABLES, load_catalogue, parse_catalogue
from data.errors import CatalogueError

ENTRY = 'alias = "a"\npath = "Vehicle.A"\nunit = "V"\nrange = [0, 1]\nfamily = "drive"\n'


def test_every_signal_has_a_path_a_unit_and_a_family_with_a_table() -> None:
    for alias, signal in load_catalogue().signals.items():
        assert alias == signal.alias
        assert re.fullmatch(r"Vehicle(\.[A-Za-z0-9*]+)+", signal.path), alias
        assert signal.family in TABLES, alias
        assert signal.shape in ("scalar", "wheel", "cell", "probe"), alias


def test_paths_and_aliases_are_unique() -> None:
    signals = load_catalogue().signals.values()

    assert len({s.path for s in signals}) == len(signals)
    assert len({s.column for s in signals if s.family == "drive"}) == sum(
        s.family == "drive" for s in signals
    )


def test_sentinels_cannot_be_mistaken_for_values_of_other_signals_in_range() -> None:
    for signal in load_catalogue().signals.values():
        if signal.sentinel_rule == "any":
            assert not [v for v in signal.sentinels if signal.low < v < signal.high], signal.alias


def test_scaled_ranges_fit_their_integer_columns() -> None:
    for signal in load_catalogue().signals.values():
        if signal.sql_type == "smallint":
            assert signal.low * signal.scale >= -32768, signal.alias
            assert signal.high * signal.scale <= 32767, signal.alias


def test_current_is_positive_into_the_battery_so_its_range_has_both_signs() -> None:
    current = load_catalogue().signals["pack.current"]

    assert current.low < 0 < current.high


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"[[signal]]\n{ENTRY}[[signal]]\n{ENTRY}", "alias or column 'a' is taken"),
        (f"[[signal]]\n{ENTRY.replace('[0, 1]', '[1, 1]')}", "range 1.0..1.0 is empty"),
        (f"[[signal]]\n{ENTRY.replace('drive', 'engine')}", "'engine' is not a valid Family"),
        (f"[[signal]]\n{ENTRY.replace('unit', 'unot')}", "catalogue signal 'a': 'unit'"),
    ],
)
def test_a_contradiction_is_refused_and_the_signal_named(text: str, message: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        parse_catalogue(text)

    assert message in str(caught.value)
    assert "'a'" in str(caught.value)

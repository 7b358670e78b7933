"""Vehicle identification numbers follow ISO 3779."""

from __future__ import annotations

import pytest

from data.errors import VinError
from data.records import parse_vin


def test_a_vin_is_taken_as_it_is() -> None:
    assert parse_vin("LSVAA000000000001") == "LSVAA000000000001"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "LSVAA00000000000",
        "LSVAA0000000000011",
        "LSVAA00000000000I",
        "LSVAA00000000000O",
        "lsvaa000000000001",
        "LSVAA000000000001\n",
        "LSVAA00000000000Q",
        "LSVAA00000000000/",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(VinError, match="ISO 3779"):
        parse_vin(text)

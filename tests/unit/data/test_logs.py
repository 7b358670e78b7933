"""What is logged tells no whole VIN and no position."""

from __future__ import annotations

from typing import Any

import pytest

from data.logs import mask_identities


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"vin": "LSVAA4187E2000001"}, {"vin": "…000001"}),
        (
            {"error": "anxin/v1/demo/LSVAA4187E2000001/up/tele: bad"},
            {"error": "anxin/v1/demo/…000001/up/tele: bad"},
        ),
        ({"latitude": 31.2, "rows": 3}, {"latitude": "masked", "rows": 3}),
        ({"digest": "0123456789abcdef01234"}, {"digest": "0123456789abcdef01234"}),
    ],
)
def test_a_vin_is_shortened_and_a_position_left_out(said: dict[str, Any], told: dict[str, Any]) -> None:
    assert mask_identities(None, "info", said) == told

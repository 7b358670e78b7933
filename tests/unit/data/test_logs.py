"""What is logged tells no whole VIN and no position."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from typing import Any

import pytest
import structlog

from data.logs import configure_logs, mask_identities
from data.settings import Settings


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


def test_a_logger_outlives_the_standard_error_it_was_first_used_with() -> None:
    before, logger = structlog.get_config(), structlog.get_logger("test")
    try:
        with redirect_stderr(io.StringIO()) as first:
            configure_logs(Settings())
            logger.info("one")
        first.close()
        with redirect_stderr(io.StringIO()) as second:
            logger.info("two")
    finally:
        structlog.configure(**before)

    assert "two" in second.getvalue()

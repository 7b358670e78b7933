"""How much a test of random examples tries: all in ``.ci/run``, a fifth in ``make test``."""

from __future__ import annotations

import os

IS_FULL = os.environ.get("ANXIN_TEST_EFFORT") == "full"


def examples(full: int) -> int:
    """Return how many examples to try where ``full`` are tried when time does not matter."""
    return full if IS_FULL else max(full // 5, 8)

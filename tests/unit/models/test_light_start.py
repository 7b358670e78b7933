"""Services start within a second or two on a small machine, and stay small."""

from __future__ import annotations

import subprocess
import sys

import pytest


# ingest.service is not among them: python-can imports asammdf, and that pandas, wherever they are installed.
@pytest.mark.parametrize(
    "module", ["anxin", "models.service", "alerts.service", "api.service", "data.service"]
)
def test_a_service_starts_without_the_heavy_libraries_of_learning(module: str) -> None:
    code = f"import sys, {module}; print(*{{'sklearn', 'scipy', 'pandas', 'skops'}} & sys.modules.keys())"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr

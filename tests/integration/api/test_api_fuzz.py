"""Whatever is sent, the API answers as it says it does and never with an internal error."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import HealthCheck, Phase, given, settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its client comes from Starlette, see conftest.py
    schemathesis = pytest.importorskip("schemathesis")


def test_no_input_makes_an_internal_error(world):
    described = world.client("engineer").get("/api/v1/openapi.json").json()
    schema = schemathesis.openapi.from_dict(described)
    clients = {caller: world.client(caller) for caller in ("operations", "owner", "station")}
    asked = 0

    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path in {"/events", "/metrics"}:
            continue

        @settings(
            max_examples=12,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case):
            nonlocal asked
            for client in clients.values():
                answer = client.request(
                    case.method,
                    case.formatted_path,
                    params=case.query or None,
                    json=case.body if isinstance(case.body, dict | list | str | int) else None,
                )
                asked += 1
                assert answer.status_code < 500, (case.method, answer.url, answer.text)
                if answer.status_code >= 400:
                    assert answer.headers["content-type"] == "application/problem+json"
                    assert answer.json()["status"] == answer.status_code

        given(case=operation.as_strategy())(ask)()

    assert asked > 500

from __future__ import annotations

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends

from api.app import list_routers
from api.errors import UndeclaredRoute
from api.gates import Gate, Open, declare
from api.roles import Principal, Role


def make_router(*dependencies: object) -> APIRouter:
    router = APIRouter()

    @router.get("/secret", dependencies=[Depends(d) for d in dependencies])
    def secret() -> str:
        return "secret"

    return router


def test_a_route_without_roles_fails_at_start() -> None:
    with pytest.raises(UndeclaredRoute, match="/secret"):
        declare([make_router()])


def test_a_gate_without_roles_and_two_gates_fail_at_start() -> None:
    with pytest.raises(UndeclaredRoute, match="exactly one gate"):
        declare([make_router(Gate())])
    with pytest.raises(UndeclaredRoute, match="exactly one gate"):
        declare([make_router(Open(), Gate(Role.OWNER))])


def test_the_table_names_method_path_and_roles() -> None:
    router = APIRouter(prefix="/x")

    @router.post("/y")
    def post(principal: Annotated[Principal, Depends(Gate(Role.OWNER))]) -> None:
        del principal

    (entry,) = declare([router])

    assert (entry.method, entry.path, entry.roles, entry.is_open) == ("POST", "/x/y", (Role.OWNER,), False)


def test_only_login_language_links_of_letters_health_and_the_service_worker_are_open() -> None:
    table = declare(list_routers())

    assert {entry.path for entry in table if entry.is_open} == {
        "/login",
        "/seen/{token}",
        "/language/{language}",
        "/health/live",
        "/health/ready",
        "/sw.js",
    }


def test_a_vehicle_gateway_reads_registrations_and_nothing_else() -> None:
    table = declare(list_routers())

    assert {e.path for e in table if Role.GATEWAY in e.roles} == {
        "/api/v1/vehicles/{vin}",
        "/api/v1/openapi.json",
    }

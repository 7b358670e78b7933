from __future__ import annotations

import pytest

from api.live import LiveEvent, parse_notice
from api.roles import Principal, Role

EVENT = LiveEvent(kind="order", identity="7", tenant_id=1, owner_id=3, station_ids=(5,))


@pytest.mark.parametrize(
    ("principal", "is_told"),
    [
        (Principal(tenant_id=1, role=Role.OPERATIONS), True),
        (Principal(tenant_id=2, role=Role.OPERATIONS), False),
        (Principal(tenant_id=1, role=Role.OWNER, owner_id=3), True),
        (Principal(tenant_id=1, role=Role.OWNER, owner_id=4), False),
        (Principal(tenant_id=1, role=Role.STATION, station_id=5), True),
        (Principal(tenant_id=1, role=Role.STATION, station_id=6), False),
        (Principal(tenant_id=1, role=Role.GATEWAY), False),
    ],
)
def test_an_event_reaches_those_it_concerns(principal: Principal, is_told: bool) -> None:
    assert EVENT.is_for(principal) is is_told


@pytest.mark.parametrize(
    ("channel", "payload", "what"),
    [
        ("anxin_live", '{"kind": "order", "id": 7}', ("order", "7")),
        (
            "anxin_live",
            '{"kind": "warning", "id": "11111111-1111-4111-8111-111111111111"}',
            ("warning", "11111111-1111-4111-8111-111111111111"),
        ),
        ("anxin_live", '{"kind": "warning", "id": 7}', None),
        ("anxin_live", '{"kind": "order", "id": "7; DROP"}', None),
        ("anxin_live", '{"kind": "planet", "id": 7}', None),
        ("anxin_live", "[]", None),
        ("anxin_live", "{", None),
        ("anxin_batches", "7", None),
    ],
)
def test_a_notification_names_a_thing_or_is_ignored(
    channel: str, payload: str, what: tuple[str, str] | None
) -> None:
    assert parse_notice(channel, payload) == what

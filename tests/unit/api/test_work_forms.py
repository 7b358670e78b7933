"""Forms of the station's page become actions."""

from __future__ import annotations

import pytest

from api.routes.work_pages import parse_action


@pytest.mark.parametrize(("ticked", "wish"), [("true", True), ("", None)])
def test_a_cancellation_says_whether_the_owner_wished_it(ticked: str, wish: bool | None) -> None:
    action = parse_action(action="cancel", version=1, key="k", reason="told us", is_owners_wish=ticked)

    assert action.is_owners_wish is wish

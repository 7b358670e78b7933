"""The page behind the link of a letter: looking does nothing, the button does one thing, nothing is told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts.telling.ack_link import make_token
from tests.api_world import LINK_KEY, MINE, WARNING
from tests.integration.api.conftest import NOW


def path_of(*, hours: float = 1.0, key: bytes = LINK_KEY) -> str:
    return "/seen/" + make_token(key, WARNING, expires=NOW + timedelta(hours=hours))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_scanner_that_opens_the_link_acknowledges_nothing(world, method):
    world.client().request(method, path_of())

    assert world.commands.acknowledged == []


def test_the_button_says_that_a_person_knows_of_this_warning(world):
    answer = world.client().post(path_of())

    assert answer.status_code == 200
    (said,) = world.commands.acknowledged
    assert (said["warning_id"], said["actor"]) == (WARNING, "owner:link in a letter")


def test_neither_page_shows_whose_car_it_is_or_what_is_wrong_with_it(world):
    client = world.client()
    pages = [client.get(path_of()).text, client.post(path_of()).text]

    for secret in (MINE, "D1234", "front left", "左前", str(WARNING)):
        assert all(secret not in page for page in pages)


def test_the_link_opens_no_session_and_no_other_door(world):
    client = world.client()
    client.post(path_of())

    assert client.cookies.get("anxin_session") is None
    assert client.get("/owner").status_code == 303


def test_an_expired_link_says_so_and_does_nothing(world):
    client = world.client()

    assert [client.request(m, path_of(hours=-1)).status_code for m in ("GET", "POST")] == [410, 410]
    assert world.commands.acknowledged == []


@pytest.mark.parametrize("token", ["x", "A" * 48, "%00", "A" * 65])
def test_what_is_no_link_of_ours_is_not_found(world, token):
    answers = [world.client().request(m, f"/seen/{token}") for m in ("GET", "POST")]

    assert {a.status_code for a in answers} <= {404, 422}
    assert world.commands.acknowledged == []


def test_a_link_that_another_key_signed_is_not_found(world):
    assert world.client().post(path_of(key=b"another")).status_code == 404
    assert world.commands.acknowledged == []

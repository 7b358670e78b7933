from __future__ import annotations

import pytest

from api.errors import BadRequest
from api.paging import make_cursor, parse_cursor
from api.routes.push import check_endpoint, check_key
from api.routes.session import safe_path


def test_loopback_is_a_push_address_only_where_settings_allow_it() -> None:
    check_endpoint("http://127.0.0.1:9000/push/1", is_loopback_allowed=True)
    check_endpoint("https://fcm.googleapis.com/fcm/send/x", is_loopback_allowed=False)
    with pytest.raises(BadRequest, match="https address"):
        check_endpoint("http://127.0.0.1:9000/push/1", is_loopback_allowed=False)
    with pytest.raises(BadRequest, match="https address"):
        check_endpoint("http://10.0.0.1/push/1", is_loopback_allowed=True)


@pytest.mark.parametrize("text", ["", "A" * 86, "ä" * 87, "=" * 87, "A" * 88])
def test_a_push_key_of_another_length_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="65 bytes"):
        check_key("keys.p256dh", text, 65)


def test_a_cursor_comes_back_as_it_was_made() -> None:
    assert parse_cursor(make_cursor("S2", 7), "str", "int") == ("S2", 7)
    assert parse_cursor(None, "str") is None
    with pytest.raises(BadRequest, match="cursor"):
        parse_cursor(make_cursor("S2"), "str", "int")
    with pytest.raises(BadRequest, match="cursor"):
        parse_cursor(make_cursor(-1), "int")


@pytest.mark.parametrize("path", ["//evil", "/\\evil", "https://evil", "", "/a\nb"])
def test_other_sites_are_no_paths(path: str) -> None:
    assert safe_path(path) == ""


@pytest.mark.parametrize(
    "host",
    ["localhost.", "broker", "database:5432", "2130706433", "0x7f.1", "127.0.0.0x1", "127.1", "a.local."],
)
def test_names_inside_the_network_and_addresses_in_disguise_are_no_push_addresses(host: str) -> None:
    with pytest.raises(BadRequest, match="https address"):
        check_endpoint(f"https://{host}/push/1", is_loopback_allowed=False)

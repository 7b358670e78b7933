"""The link of a letter: good for one warning, for a time, and by nobody else's key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.errors import InvalidSignature, LinkExpired
from alerts.telling.ack_link import LASTS, AckLinks, make_token, read_token

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
WARNING = UUID("11111111-1111-4111-8111-111111111111")
KEY = b"k" * 32
TOKEN = make_token(KEY, WARNING, expires=NOW + timedelta(hours=1))


@given(warning=st.uuids(), minutes=st.integers(1, 100_000))
def test_a_token_names_its_warning_until_it_expires(warning: UUID, minutes: int) -> None:
    expires = NOW + timedelta(minutes=minutes)
    token = make_token(KEY, warning, expires=expires)

    assert read_token(KEY, token, now=NOW) == warning
    with pytest.raises(LinkExpired):
        read_token(KEY, token, now=expires)


@given(at=st.integers(0, len(TOKEN) - 1), letter=st.sampled_from("ABcd01-_=+/ %é"))
def test_a_token_that_was_changed_anywhere_is_refused(at: int, letter: str) -> None:
    changed = TOKEN[:at] + letter + TOKEN[at + 1 :]

    if changed == TOKEN:
        return
    with pytest.raises(InvalidSignature):
        read_token(KEY, changed, now=NOW)


@given(text=st.text(max_size=80))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidSignature):
        read_token(KEY, text, now=NOW)


def test_another_installations_key_is_refused() -> None:
    with pytest.raises(InvalidSignature):
        read_token(b"another", TOKEN, now=NOW)


def test_a_letter_that_is_sent_again_carries_the_same_link() -> None:
    links = AckLinks(key=KEY, base_url="https://anxin.example")
    url = links.url_of(WARNING, NOW)

    assert url == links.url_of(WARNING, NOW)
    assert url.startswith("https://anxin.example/seen/")
    assert read_token(KEY, url.rpartition("/")[2], now=NOW + LASTS - timedelta(seconds=1)) == WARNING

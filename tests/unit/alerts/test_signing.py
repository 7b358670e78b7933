import doctest
from datetime import UTC, datetime, timedelta

import pytest

from alerts.errors import InvalidSignature
from alerts.telling import signing
from alerts.telling.signing import sign, verify

SENT = datetime(2026, 3, 10, 2, tzinfo=UTC)
BODY = b'{"type": "warning", "message_id": "1"}'


def test_the_examples_of_the_module_hold() -> None:
    assert doctest.testmod(signing).failed == 0


def test_a_signed_message_verifies_within_its_window() -> None:
    header = sign("key", BODY, at=SENT)

    assert verify("key", header, BODY, now=SENT + timedelta(minutes=4)) == SENT


@pytest.mark.parametrize(
    ("key", "body", "after_s", "told"),
    [
        ("other", BODY, 0, "does not fit"),
        ("key", BODY + b" ", 0, "does not fit"),
        ("key", BODY, 301, "from now"),
        ("key", BODY, -301, "from now"),
    ],
)
def test_another_key_another_body_and_another_time_are_refused(
    key: str, body: bytes, after_s: int, told: str
) -> None:
    header = sign("key", BODY, at=SENT)

    with pytest.raises(InvalidSignature, match=told):
        verify(key, header, body, now=SENT + timedelta(seconds=after_s))


def test_the_time_cannot_be_replaced() -> None:
    header = sign("key", BODY, at=SENT).replace("t=1", "t=2")

    with pytest.raises(InvalidSignature, match="does not fit"):
        verify("key", header, BODY, now=SENT)


@pytest.mark.parametrize("header", ["", "v1=00", "t=1,v1=zz", "t=-1,v1=" + "0" * 64])
def test_a_header_that_is_none_is_refused(header: str) -> None:
    with pytest.raises(InvalidSignature, match="must be"):
        verify("key", header, BODY, now=SENT)

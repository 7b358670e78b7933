from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from api.access import AttemptLimit, hash_password, verify_password
from api.errors import BadRequest, TooManyAttempts
from api.roles import Principal, Role

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def test_a_password_verifies_against_its_own_hash_only() -> None:
    stored = hash_password("correct horse battery")

    assert stored.startswith("$argon2id$")
    assert verify_password(stored, "correct horse battery")
    assert not verify_password(stored, "correct horse batterz")
    assert not verify_password("not a hash", "correct horse battery")


@pytest.mark.parametrize("password", ["", "short", "x" * 257])
def test_a_password_must_be_neither_short_nor_endless(password: str) -> None:
    with pytest.raises(BadRequest, match="10 to 256"):
        hash_password(password)


def test_the_limit_opens_again_when_the_window_has_passed() -> None:
    limit = AttemptLimit(failures=3, window_s=60)
    for second in range(3):
        limit.check("x", now=NOON)
        limit.fail("x", now=NOON + timedelta(seconds=second))

    with pytest.raises(TooManyAttempts) as told:
        limit.check("x", now=NOON + timedelta(seconds=10))
    limit.check("y", now=NOON)
    limit.check("x", now=NOON + timedelta(seconds=61))

    assert told.value.retry_after_s == pytest.approx(51)


def test_the_limit_forgets_the_oldest_names_first() -> None:
    limit = AttemptLimit(failures=1, window_s=60, names=2)
    for name in "abc":
        limit.fail(name, now=NOON)

    limit.check("a", now=NOON)
    with pytest.raises(TooManyAttempts):
        limit.check("c", now=NOON)


@pytest.mark.parametrize(
    ("role", "owner_id", "station_id"),
    [
        (Role.OWNER, None, None),
        (Role.OPERATIONS, 1, None),
        (Role.STATION, None, None),
        (Role.GATEWAY, None, 2),
    ],
)
def test_owners_and_stations_and_only_they_are_bound(
    role: Role, owner_id: int | None, station_id: int | None
) -> None:
    with pytest.raises(ValueError, match="only they"):
        Principal(tenant_id=1, role=role, owner_id=owner_id, station_id=station_id)

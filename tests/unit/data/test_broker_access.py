"""The access rules of the two brokers are the same and grant no more than they say."""

from __future__ import annotations

import base64
import hashlib

import pytest

from data.amqtt_plugins import covers, is_allowed
from data.broker import ROLES, access_rules, grant_foreign, hash_password

VIN = "LSVAA000000000001"
OTHER = "LSVAA000000000002"


@pytest.mark.parametrize(
    ("allowed", "wanted", "is_covered"),
    [
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/+/c", True),
        ("a/#", "a/b/+/#", True),
        ("a/b", "a/+", False),
        ("a/+", "a/#", False),
        ("a/b/#", "a/#", False),
        ("a/+/c", "a/b", False),
        ("a/b", "a/b/c", False),
        ("#", "$SYS/x", True),
    ],
)
def test_a_filter_covers_only_what_it_matches(allowed: str, wanted: str, is_covered: bool) -> None:
    assert covers(allowed, wanted) is is_covered


def test_a_vehicle_reaches_its_own_branch_only() -> None:
    user = f"demo/{VIN}"

    assert is_allowed(user, f"anxin/v1/demo/{VIN}/up/tele", is_write=True)
    assert is_allowed(user, f"anxin/v1/demo/{VIN}/down/#", is_write=False)
    assert not is_allowed(user, f"anxin/v1/demo/{VIN}/down/warning", is_write=True)
    assert not is_allowed(user, f"anxin/v1/demo/{OTHER}/up/tele", is_write=True)
    assert not is_allowed(user, "anxin/v1/demo/+/down/#", is_write=False)


def test_foreign_topics_are_written_by_adapters_and_read_by_ingest_only() -> None:
    foreign, topic = ("ovms/+/+/metric/v/b/soc",), "ovms/alice/leaf/metric/v/b/soc"

    assert is_allowed("adapter", topic, is_write=True, foreign=foreign)
    assert is_allowed("ingest", topic, is_write=False, foreign=foreign)
    assert not is_allowed("ingest", topic, is_write=True, foreign=foreign)
    assert not is_allowed("adapter", topic, is_write=True)
    assert not is_allowed("adapter", f"anxin/v1/demo/{VIN}/up/tele", is_write=True, foreign=foreign)
    rules = access_rules(grant_foreign(ROLES, foreign))
    assert f"user adapter\ntopic write {foreign[0]}\n" in rules
    assert access_rules(ROLES) == access_rules(grant_foreign(ROLES, ()))


@pytest.mark.parametrize("user", ["", "guest", "demo", "+/+", "a/b/c", "#"])
def test_unknown_user_names_reach_nothing_of_the_fleet(user: str) -> None:
    assert not is_allowed(user, f"anxin/v1/demo/{VIN}/up/tele", is_write=True)
    assert not is_allowed(user, f"anxin/v1/demo/{VIN}/down/warning", is_write=False)


def test_mosquitto_gets_a_rule_for_every_grant() -> None:
    rules = access_rules(ROLES)

    for role, access in ROLES.items():
        if role == "adapter":  # nothing without a mapping file
            assert f"user {role}" not in rules
            continue
        section = rules.split(f"user {role}\n")[1].split("\n\n")[0].splitlines()
        assert section == [f"topic read {t}" for t in access.read] + [
            f"topic write {t}" for t in access.write
        ]


def test_passwords_are_stored_as_salted_hashes() -> None:
    stored = hash_password("secret")
    _, kind, rounds, salt, digest = stored.split("$")
    expected = hashlib.pbkdf2_hmac("sha512", b"secret", base64.b64decode(salt), int(rounds), 64)

    assert kind == "7"
    assert base64.b64decode(digest) == expected
    assert stored != hash_password("secret")

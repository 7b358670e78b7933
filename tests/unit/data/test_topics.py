"""The topic grammar builds and parses the same set of topics."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import AnxinError
from data.records import parse_vin
from data.topics import UP_FILTER, Up, down_filter, parse_sender, parse_up, up

VINS = st.from_regex(r"[A-HJ-NPR-Z0-9]{17}", fullmatch=True).map(parse_vin)
TENANTS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
BUSES = st.from_regex(r"[A-Za-z0-9_-]{1,16}", fullmatch=True)
VIN = "LSVAA000000000001"


@given(tenant=TENANTS, vin=VINS, kind=st.sampled_from(Up), bus=BUSES)
def test_what_is_built_is_parsed_back(tenant: str, vin: str, kind: Up, bus: str) -> None:
    topic = up(tenant, parse_vin(vin), kind, bus if kind is Up.CAN else "")

    parsed = parse_up(topic)

    assert (parsed.tenant, parsed.vin, parsed.kind) == (tenant, vin, kind)
    assert parsed.bus == (bus if kind is Up.CAN else "")


@pytest.mark.parametrize(
    ("topic", "part"),
    [
        ("", "must begin with anxin/v1"),
        (f"anxin/v2/demo/{VIN}/up/tele", "must begin with anxin/v1"),
        (f"anxin/v1/Demo/{VIN}/up/tele", "topic tenant 'Demo'"),
        (f"anxin/v1/demo/{VIN}/down/warning", "topic direction 'down'"),
        (f"anxin/v1/demo/{VIN}/up/gossip", "topic kind 'gossip'"),
        (f"anxin/v1/demo/{VIN}/up/can", "topic bus ''"),
        (f"anxin/v1/demo/{VIN}/up/can/a/b", "topic bus 'a/b'"),
        (f"anxin/v1/demo/{VIN}/up/tele/more", "topic rest 'more'"),
        ("anxin/v1/demo/LSVAA00000000000I/up/tele", "vin 'LSVAA00000000000I'"),
        (f"anxin/v1/demo/{VIN}\n/up/tele", "vin"),
        (f"anxin/v1/demo\n/{VIN}/up/tele", "topic tenant"),
        (f"anxin/v1/demo/{VIN}/up/can/bus\n", "topic bus"),
    ],
)
def test_any_other_topic_is_refused_and_the_part_named(topic: str, part: str) -> None:
    with pytest.raises(AnxinError) as caught:
        parse_up(topic)

    assert part in str(caught.value)


@given(st.text(max_size=200))
def test_no_text_at_all_breaks_the_parser(text: str) -> None:
    try:
        parsed = parse_up(text)
    except AnxinError:
        return
    assert text == up(parsed.tenant, parsed.vin, parsed.kind, parsed.bus)


def test_filters_cover_upward_topics_and_one_vehicle() -> None:
    assert UP_FILTER == "anxin/v1/+/+/up/#"
    assert down_filter("demo", parse_vin(VIN)) == f"anxin/v1/demo/{VIN}/down/#"


def test_the_sender_is_known_even_where_the_kind_is_not() -> None:
    assert parse_sender("anxin/v1/demo/LANX0000000000001/up/weather") == ("demo", "LANX0000000000001")


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "a/b",
        "anxin/v1/demo/LANX0000000000001",
        "anxin/v1/demo/short/up/x",
        "anxin/v1/demo/LANX0000000000001/down/x",
    ],
)
def test_no_sender_is_guessed(topic: str) -> None:
    assert parse_sender(topic) is None

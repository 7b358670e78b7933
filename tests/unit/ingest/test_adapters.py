"""Foreign messages, as their documentation shows them, become readings in catalogue units."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from data.catalogue import load_catalogue
from data.records import Family
from ingest.adapters.errors import AdapterError
from ingest.adapters.files import load_adapters, read_presets
from ingest.adapters.mapped import MappedAdapter
from ingest.adapters.mapping import parse_adapters
from ingest.adapters.topics import TopicPattern
from ingest.errors import PayloadError
from ingest.messages import Adapted, Delivery
from tests.effort import examples

VIN = "LSVAA4187E2000001"
RECEIVED_US = 1_767_225_600_400_000
NAN = np.nan

OVMS = f"""
[[adapter]]
preset = "ovms"
tenant = "demo"
vehicles = {{ "alice/leaf" = "{VIN}" }}
"""
TESLAMATE = f"""
[[adapter]]
preset = "teslamate"
tenant = "demo"
vehicles = {{ "1" = "{VIN}" }}
"""
SHUTTLE = f"""
[[adapter]]
name = "shuttle-box"
tenant = "demo"
topic = "fleet/{{id}}/state"
readings = "samples"
time = {{ path = "ts", format = "ms" }}
coordinates = "gcj02"
vehicles = {{ "bus-7" = "{VIN}" }}
[adapter.values]
"v.mph" = {{ alias = "speed", scale = 1.609344 }}
"tpms.psi" = {{ alias = "tire.pressure", scale = 6.894757 }}
"batt.0.degf" = {{ alias = "ambient", scale = 0.5555555556, offset = -17.7777777778 }}
"mode" = {{ alias = "charging", words = {{ AC = 1, Idle = 3 }} }}
[adapter.constants]
"vehicle.state" = 1
"""


def make_adapter(text: str) -> MappedAdapter:
    mappings = parse_adapters(text, source="test.toml", presets=read_presets(), catalogue=load_catalogue())
    return MappedAdapter(mappings[0])


ADAPTERS = [make_adapter(text) for text in (OVMS, TESLAMATE, SHUTTLE)]


def adapt(adapter: MappedAdapter, topic: str, payload: object, *, is_retained: bool = False) -> Adapted:
    raw = payload.encode() if isinstance(payload, str) else json.dumps(payload).encode()
    return adapter.adapt(Delivery(topic, raw, RECEIVED_US, is_retained=is_retained))


def values(adapted: Adapted) -> dict[str, list[object]]:
    return {alias: column.tolist() for part in adapted.parts for alias, column in part.columns.items()}


@pytest.mark.parametrize(
    ("metric", "payload", "expected"),
    [
        ("v/b/soc", "50.0", {"soc": [50.0]}),
        ("v/b/current", "-23.5", {"pack.current": [23.5]}),  # charging: into the battery
        ("v/p/odometer", "100000", {"odometer": [100_000.0]}),
        (
            "v/t/pressure",
            "206.843,216.483,275.79,175.79",
            {"tire.pressure": [[206.843, 216.483, 275.79, 175.79]]},
        ),
        ("v/tp/rl/p", "275.79", {"tire.pressure": [[NAN, NAN, 275.79, NAN]]}),
        ("v/b/c/voltage", "3.7,3.71,3.69", {"cell.voltage": [[3.7, 3.71, 3.69]]}),
        ("v/c/state", "done", {"charging": [4.0]}),
        ("v/e/on", "yes", {"vehicle.state": [1.0]}),
        ("v/e/gear", "-1", {"gear": [-1.0]}),
        ("v/b/voltage", "", {"pack.voltage": [NAN]}),
    ],
)
def test_ovms_metrics_come_in_our_units_and_signs(
    metric: str, payload: str, expected: Mapping[str, list[object]]
) -> None:
    adapted = adapt(make_adapter(OVMS), f"ovms/alice/leaf/metric/{metric}", payload)

    assert (adapted.tenant, adapted.vin) == ("demo", VIN)
    found = values(adapted)
    assert found.keys() == expected.keys()
    for alias, column in expected.items():
        assert_array_equal(np.array(found[alias], np.float64), np.array(column, np.float64))


@pytest.mark.parametrize(
    ("topic", "payload", "expected"),
    [
        ("battery_level", "88", {"soc": [88.0]}),
        ("odometer", "1653", {"odometer": [1653.0]}),
        ("outside_temp", "18.4", {"ambient": [18.4]}),
        ("shift_state", "D", {"gear": [127.0]}),
        ("state", "charging", {"charging": [1.0]}),
        (
            "location",
            '{"latitude": 37.889544, "longitude": 41.128817}',
            {"latitude": [37.889544], "longitude": [41.128817]},
        ),
    ],
)
def test_teslamate_values_come_in_our_units(topic: str, payload: str, expected: object) -> None:
    assert values(adapt(make_adapter(TESLAMATE), f"teslamate/cars/1/{topic}", payload)) == expected


def test_teslamate_pressures_are_bar() -> None:
    adapted = adapt(make_adapter(TESLAMATE), "teslamate/cars/1/tpms_pressure_fr", "2.9")

    assert_array_equal(adapted.parts[0].columns["tire.pressure"], [[NAN, 290.0, NAN, NAN]])


def test_values_of_one_second_have_one_time_so_that_they_make_one_row() -> None:
    adapter = make_adapter(TESLAMATE)
    times = {
        int(adapter.adapt(Delivery(f"teslamate/cars/1/{key}", b"5", at_us)).parts[0].time_us[0])
        for key, at_us in (("speed", RECEIVED_US), ("heading", RECEIVED_US + 599_999))
    }

    assert times == {RECEIVED_US // 1_000_000 * 1_000_000}


def test_a_kept_value_without_a_time_is_passed_over_and_counted() -> None:
    adapted = adapt(make_adapter(TESLAMATE), "teslamate/cars/1/battery_level", "88", is_retained=True)

    assert adapted.parts == []
    assert adapted.masked == {"teslamate:retained": 1}


def test_several_readings_of_one_message_keep_their_times_and_units() -> None:
    message = {
        "samples": [
            {"ts": 1_767_225_599_000, "v": {"mph": 50}, "tpms": {"psi": [36, 36, None, 35]}, "mode": "AC"},
            {"ts": 1_767_225_600_000, "v": {"mph": None}, "batt": [{"degf": 68}], "mode": "?"},
        ]
    }

    adapted = adapt(make_adapter(SHUTTLE), "fleet/bus-7/state", message)

    parts = {part.family: part for part in adapted.parts}
    drive = parts[Family.DRIVE].columns
    assert parts[Family.DRIVE].time_us.tolist() == [1_767_225_599_000_000, 1_767_225_600_000_000]
    assert_array_equal(drive["speed"], [80.4672, NAN])
    assert drive["ambient"][1] == pytest.approx(20.0, abs=1e-6)
    assert_array_equal(drive["charging"], [1, NAN])
    assert_array_equal(drive["vehicle.state"], [1, 1])
    pressure = parts[Family.TIRE].columns["tire.pressure"]
    assert pressure[0] == pytest.approx([248.211, 248.211, NAN, 241.316], abs=1e-3, nan_ok=True)
    assert np.isnan(pressure[1]).all()
    assert adapted.masked == {"charging:not_a_number": 1}
    assert (adapted.coordinates, adapted.sent_us) == ("gcj02", 1_767_225_600_000_000)


def test_a_kept_message_that_tells_its_time_is_late_data() -> None:
    message = {"samples": {"ts": 1_767_225_599_000, "v": {"mph": 50}}}

    assert adapt(make_adapter(SHUTTLE), "fleet/bus-7/state", message, is_retained=True).is_hist


@pytest.mark.parametrize(
    ("topic", "payload", "reason", "words"),
    [
        ("fleet/bus-8/state", "{}", "unknown_vehicle", "bus-8"),
        ("fleet/bus-7/state", "{", "malformed", "JSON"),
        ("fleet/bus-7/state", "{}", "malformed", "readings"),
        ("fleet/bus-7/state", '{"samples": [{"ts": "noon"}]}', "bad_time", "noon"),
        ("fleet/bus-7/state", '{"samples": [{}]}', "bad_time", "ts"),
    ],
)
def test_what_cannot_be_read_says_why(topic: str, payload: str, reason: str, words: str) -> None:
    with pytest.raises(PayloadError) as caught:
        adapt(make_adapter(SHUTTLE), topic, payload)

    assert caught.value.reason == reason
    assert words in caught.value.detail


def test_only_mapped_metrics_are_subscribed_to() -> None:
    filters = make_adapter(OVMS).filters

    assert "ovms/+/+/metric/v/b/soc" in filters
    assert not any(f.endswith("#") for f in filters)
    assert make_adapter(SHUTTLE).filters == ["fleet/+/state"]


def test_unmapped_metrics_can_be_kept_under_their_names() -> None:
    adapter = make_adapter(OVMS.replace("[[adapter]]", '[[adapter]]\nunmapped = "store"'))

    adapted = adapt(adapter, "ovms/alice/leaf/metric/v/b/range/est", "149")

    assert adapter.filters == ["ovms/+/+/metric/#"]
    assert adapted.extra == {"ovms.v.b.range.est": 149.0}
    assert adapt(adapter, "ovms/alice/leaf/metric/v/type", "NL").extra == {}


def test_a_vin_in_the_topic_needs_no_table() -> None:
    text = (
        '[[adapter]]\nname = "x"\ntenant = "demo"\ntopic = "cars/{vin}"\nvalues = { s = { alias = "speed" } }'
    )

    assert adapt(make_adapter(text), f"cars/{VIN}", {"s": 5}).vin == VIN
    with pytest.raises(PayloadError, match="bad_topic"):
        adapt(make_adapter(text), "cars/123", {"s": 5})


def test_an_id_may_stand_in_the_message() -> None:
    text = (
        '[[adapter]]\nname = "x"\ntenant = "demo"\ntopic = "ingress"\nid = "device.id"\n'
        f'vehicles = {{ "42" = "{VIN}" }}\nvalues = {{ s = {{ alias = "speed" }} }}'
    )

    assert adapt(make_adapter(text), "ingress", {"device": {"id": 42}, "s": 5}).vin == VIN


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"speed"', '"sped"', ["values.'v.mph'", "sped", "catalogue"]),
        ("fleet/{id}/state", "fleet/+/state", ["topic", "'+'"]),
        ("fleet/{id}/state", "fleet/state", ["topic", "{id}"]),
        ("fleet/{id}/state", "{id}/state", ["topic", "first level"]),
        (VIN, "LSVAA4187E200000I", ["vehicles.'bus-7'"]),
        ('format = "ms"', 'format = "minutes"', ["minutes", "time.format"]),
        ("[adapter.constants]", "[adapter.constant]", ["constant"]),
        ('"vehicle.state" = 1', '"tire.pressure" = 1', ["constants.'tire.pressure'", "scalar"]),
        ('tenant = "demo"\n', "", ["tenant"]),
        ("[[adapter]]", "[[adaptor]]", ["adaptor"]),
        ('"mode" = { alias', '"mode" = { index = 0, alias', ["values.'mode'", "index", "elements"]),
        ('coordinates = "gcj02"', 'coordinates = "bd09"', ["coordinates", "bd09"]),
    ],
)
def test_a_wrong_file_is_refused_with_field_value_and_rule(old: str, new: str, words: list[str]) -> None:
    assert old in SHUTTLE
    with pytest.raises(AdapterError) as caught:
        make_adapter(SHUTTLE.replace(old, new))

    assert str(caught.value).startswith("test.toml")
    assert all(word in str(caught.value) for word in words), str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["samples", "ts", "v", "mph", "tpms", "psi", "mode", "batt"]), inner
        )
    ),
    max_leaves=12,
)


@settings(max_examples=examples(150), deadline=None)
@given(
    topic=st.sampled_from(
        ["fleet/bus-7/state", "teslamate/cars/1/location", "ovms/alice/leaf/metric/v/t/pressure"]
    ),
    payload=st.one_of(st.binary(max_size=40), JSON.map(lambda tree: json.dumps(tree).encode())),
    is_retained=st.booleans(),
)
def test_whatever_arrives_is_read_or_refused_with_a_reason(
    topic: str, payload: bytes, *, is_retained: bool
) -> None:
    adapter, reason, parts = next(a for a in ADAPTERS if a.matches(topic)), "", []
    try:
        parts = list(adapter.adapt(Delivery(topic, payload, RECEIVED_US, is_retained=is_retained)).parts)
    except PayloadError as error:
        reason = error.reason
    assert reason in {"", "malformed", "bad_time"}
    for part in parts:
        assert part.time_us.dtype == np.int64
        for column in part.columns.values():
            assert len(column) == len(part.time_us)
            assert not np.isinf(column).any()


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(AdapterError, match="ANXIN_ADAPTERS"):
        load_adapters("/nowhere/adapters.toml")
    assert load_adapters("") == []


@pytest.mark.parametrize("preset", sorted(read_presets()))
def test_every_shipped_mapping_can_be_used(preset: str) -> None:
    adapter = make_adapter(f'[[adapter]]\npreset = "{preset}"\ntenant = "demo"')

    assert adapter.filters


@pytest.mark.parametrize("topic", ["a", "a/b/c/d", "a/b", "/a/x", ""])
def test_patterns_match_whole_levels_only(topic: str) -> None:
    assert TopicPattern("a/{id}/c").match(topic) is None


def test_a_key_takes_all_levels_that_are_left() -> None:
    said = TopicPattern("m/{id}/{any}/{id}/{key}").match("m/u/x/v/b/c.d")

    assert said is not None
    assert (said.id, said.key) == ("u/v", "b/c.d")

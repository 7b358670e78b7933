"""What a vehicle answers is shown with its age, and nothing that it sends breaks the page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from api.diagnosis import build_request

NOW = datetime(2026, 1, 20, 8, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["t", "v", "soc", "s"]), inner)
    ),
    max_leaves=12,
)


def make_row(answer: Any = None, *, is_answered: bool = True, **given: Any) -> dict[str, Any]:
    return {
        "request_id": UUID(int=1),
        "signals": ["soc", "tire.pressure"],
        "asked_at": NOW - timedelta(seconds=10),
        "asked_by": "li",
        "sent_at": NOW - timedelta(seconds=9),
        "expires_at": NOW + timedelta(seconds=50),
        "answered_at": NOW if is_answered else None,
        "answer": answer,
        "wheels": ["front-left", "front-right", "rear-left", "rear-right"],
        **given,
    }


def test_values_come_with_unit_and_age_and_what_is_missing_is_named() -> None:
    at = int((NOW - timedelta(seconds=4)).timestamp() * 1000)

    found = build_request(make_row({"s": {"soc": {"t": at, "v": 55}}}), now=NOW)

    (soc,) = found.values
    assert (found.state, soc.value, soc.unit, soc.age_s, soc.is_plausible) == (
        "answered",
        55.0,
        "%",
        4.0,
        True,
    )
    assert found.missing == ["tire.pressure"]


def test_a_value_out_of_range_is_shown_as_such() -> None:
    told = {"s": {"tire.pressure": {"t": 1, "v": [250, None, 99999, 250]}}}

    (pressure,) = build_request(make_row(told), now=NOW).values

    assert (pressure.value, pressure.is_plausible) == ([250.0, None, 99999.0, 250.0], False)
    assert pressure.elements == ["front-left", "front-right", "rear-left", "rear-right"]


def test_a_vehicle_that_says_nothing_is_silent_once_its_time_is_over() -> None:
    waiting = build_request(make_row(is_answered=False), now=NOW)
    silent = build_request(make_row(is_answered=False, expires_at=NOW), now=NOW)

    assert (waiting.state, silent.state) == ("waiting", "silent")
    assert waiting.missing == []


@given(answer=JSON)
def test_any_answer_can_be_shown(answer: Any) -> None:
    for sent in (answer, {"s": answer}, {"s": {"soc": answer, "tire.pressure": {"t": answer, "v": answer}}}):
        found = build_request(make_row(sent), now=NOW)

        assert found.state == "answered"
        assert len(found.values) + len(found.missing) == 2

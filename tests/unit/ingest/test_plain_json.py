from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from ingest.plain_json import plain_json

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=10,
)


@given(anything)
def test_whatever_was_said_can_be_stored(value: object) -> None:
    text = json.dumps(plain_json(value), allow_nan=False, ensure_ascii=False)

    assert "\\u0000" not in text.replace("\\\\", "")
    assert text.encode("utf-8")


def test_what_jsonb_cannot_hold_is_written_so_that_it_can_be_read() -> None:
    said = {"a\0": ["x\0y", float("nan"), b"\x01\xff", True, 7], 5: {"b": "\ud800"}}

    assert plain_json(said) == {"a\\0": ["x\\0y", None, "01ff", True, 7], "5": {"b": "?"}}


def test_what_is_nested_without_end_is_cut_where_nobody_reads_it() -> None:
    said: list[object] = []
    for _ in range(100_000):
        said = [said]

    text = json.dumps(plain_json({"shallow": 1, "deep": said}))

    assert '"shallow": 1' in text
    assert text.count("[") == 49
    assert "nested too deep" in text

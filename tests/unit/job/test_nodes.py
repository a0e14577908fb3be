"""Values in a JSON text are counted as they are, before it is decoded."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_engine.job.errors import Invalid
from job_engine.job.nodes import at_most, limited

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('a,[{"\\\n')),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.sampled_from('b,[{"\\')), inner),
)


def nodes_of(value: Any) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(nodes_of, parts))


@given(JSON)
def test_values_are_counted(value: Any) -> None:
    text, nodes = json.dumps(value).encode(), nodes_of(value)
    assert at_most(text) >= nodes
    empty = text.count(b"[]") + text.count(b"{}")  # such an array or object counts as if it had a value
    assert limited(text, "it", nodes + empty) == text
    if nodes > 1:
        with pytest.raises(Invalid, match="it has more than"):
            limited(text, "it", nodes - 1)


@pytest.mark.parametrize(
    "text", [b'"', b'"\\', b'"' * 99, b'"a' + b'\\"' * 99, b'"" ' * 99 + b",[{", b"\\" * 99, b"," * 9]
)
def test_what_is_no_json_is_counted_all_the_same(text: bytes) -> None:
    limited(text, "it", 1000)
    for limit in (1, 2, 5):
        try:
            limited(text, "it", limit)
        except Invalid:
            continue
        assert text.count(b",") <= limit or b'"' in text

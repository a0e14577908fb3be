"""Values in a JSON text are counted as they are, before it is decoded."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_engine.job.errors import Invalid
from job_engine.job.nesting import bounded
from job_engine.job.nodes import LONG, at_most, limited, with_short_numbers

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


def test_numbers_of_long_texts_are_short() -> None:
    for digits, text in ((400, b"[-%s]"), (400, b"0.%s"), (500, b'["a\\"%s"]'), (500, b'{"%s": 1}')):
        sent = text % (b"7" * digits)
        assert with_short_numbers(sent.ljust(LONG), "it") == sent.ljust(LONG)
    for text in (b"[%s]", b'{"a\\"b": -%s}', b'["%s", %s]'):
        sent = text.replace(b"%s", b"7" * 401)
        with pytest.raises(Invalid, match="it has a number of more than 400 digits"):
            with_short_numbers(sent.ljust(LONG), "it")
        assert with_short_numbers(sent, "it") == sent, "in a short one they cost nothing"


def test_what_is_bounded() -> None:
    for text in (b"[" * 100 + b"]" * 100, b'{"a":' * 100 + b"1" + b"}" * 100, b"[[]]" + b" " * 200, b"1"):
        assert bounded(text, "it") == text
    for text in (b"[" * 101 + b"]" * 101, b"[" * 500_000 + b"]" * 500_000):
        with pytest.raises(Invalid, match=r"it (is nested too deeply|has more than)"):
            bounded(text, "it")

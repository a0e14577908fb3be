"""JSON Patch, by the examples of RFC 6902's appendix."""

from typing import Any

import pytest

from job_engine.api.patch import apply
from job_engine.job.errors import Invalid


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        ({"a": 1}, {"op": "add", "path": "/b", "value": 2}, {"a": 1, "b": 2}),
        ({"a": [1, 3]}, {"op": "add", "path": "/a/1", "value": 2}, {"a": [1, 2, 3]}),
        ({"a": [1]}, {"op": "add", "path": "/a/-", "value": [2]}, {"a": [1, [2]]}),
        ({"a": [1]}, {"op": "add", "path": "/a/1", "value": 2}, {"a": [1, 2]}),
        ({"a": 1}, {"op": "add", "path": "/a", "value": None}, {"a": None}),
        ({"a": 1, "b": 2}, {"op": "remove", "path": "/b"}, {"a": 1}),
        ({"a": [1, 2]}, {"op": "remove", "path": "/a/0"}, {"a": [2]}),
        ({"a": 1}, {"op": "replace", "path": "/a", "value": 2}, {"a": 2}),
        ({"a": [1, 2]}, {"op": "replace", "path": "/a/1", "value": 9}, {"a": [1, 9]}),
        ({"a": {"b": 1}, "c": {}}, {"op": "move", "from": "/a/b", "path": "/c/d"}, {"a": {}, "c": {"d": 1}}),
        ({"a": [1, 2, 3]}, {"op": "move", "from": "/a/0", "path": "/a/2"}, {"a": [2, 3, 1]}),
        ({"a": [1]}, {"op": "copy", "from": "/a", "path": "/b"}, {"a": [1], "b": [1]}),
        ({"a": "x"}, {"op": "test", "path": "/a", "value": "x"}, {"a": "x"}),
        ({"/": 9, "~1": 10}, {"op": "test", "path": "/~01", "value": 10}, {"/": 9, "~1": 10}),
        ({"a": 1}, {"op": "replace", "path": "", "value": {"b": 1}}, {"b": 1}),
        ({"": 1}, {"op": "remove", "path": "/"}, {}),
    ],
)
def test_done(document: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    before = repr(document)
    assert apply(document, [patch]) == expected
    assert repr(document) == before


@pytest.mark.parametrize(
    "patches",
    [
        {}, [1], [{}], [{"op": "add", "path": "/b"}], [{"op": "add", "path": "b", "value": 1}],
        [{"op": "remove", "path": "/x"}], [{"op": "replace", "path": "/x", "value": 1}],
        [{"op": "add", "path": "/a/5", "value": 1}], [{"op": "add", "path": "/a/01", "value": 1}],
        [{"op": "add", "path": "/x/y", "value": 1}], [{"op": "test", "path": "/a/0", "value": True}],
        [{"op": "test", "path": "/a", "value": [1.5]}], [{"op": "move", "from": "/o", "path": "/o/p"}],
        [{"op": "copy", "from": "/x", "path": "/y"}], [{"op": "frob", "path": "/a"}], [{"op": "remove", "path": ""}],
        [{"op": "remove", "path": "/a/-"}], [{"op": "copy", "from": "", "path": "/a/-"}] * 40,
    ],
)  # fmt: skip
def test_refused(patches: Any) -> None:
    with pytest.raises(Invalid):
        apply({"a": [1], "o": {}}, patches)

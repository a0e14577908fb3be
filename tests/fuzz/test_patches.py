"""JSON patches against a plain evaluator: the same document, or a refusal where that refuses."""

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from job_engine.api.patch import apply
from job_engine.job.errors import Invalid
from tests.fuzz.target import ADMIN, TIMES, Target, ran

keys = st.sampled_from(["a", "b", "", "0", "1", "-", "~", "/", "01"])
values = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 7, "x", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
documents = st.dictionaries(keys, values, max_size=3) | st.fixed_dictionaries(
    {"a": st.lists(values, min_size=2, max_size=3)}
)
pointers = st.lists(keys, max_size=3).map(
    lambda parts: "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
) | st.sampled_from(["/a/0", "/a/1", "/a/01", "/a/-", "/a/9"])
patches = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from("add remove replace move copy test".split()), "path": pointers},
        optional={"from": pointers, "value": values},
    ),
    max_size=5,
)


class _NoError(Exception):
    """The evaluator refuses."""


def _parts(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _place(holder: Any, part: str, length: int) -> Any:
    """The key or index of an element that is there, below ``length``."""
    if isinstance(holder, dict):
        return part
    if isinstance(holder, list) and part.isdigit() and str(int(part)) == part and int(part) < length:
        return int(part)
    raise _NoError


def _get(document: Any, parts: list[str]) -> Any:
    for part in parts:
        place = _place(document, part, len(document) if isinstance(document, list) else 0)
        if isinstance(document, dict) and place not in document:
            raise _NoError
        document = document[place]
    return document


def _put(document: Any, parts: list[str], value: Any) -> Any:
    if not parts:
        return value
    holder = _get(document, parts[:-1])
    if isinstance(holder, list):
        holder.insert(len(holder) if parts[-1] == "-" else _place(holder, parts[-1], len(holder) + 1), value)
    else:
        holder[_place(holder, parts[-1], 0)] = value
    return document


def _drop(document: Any, parts: list[str]) -> Any:
    _get(document, parts)
    if not parts:
        return None
    holder = _get(document, parts[:-1])
    del holder[_place(holder, parts[-1], len(holder))]
    return document


def evaluated(document: Any, operations: list[dict[str, Any]]) -> Any:
    """RFC 6902, word by word."""
    for operation in operations:
        path, source = _parts(operation["path"]), operation.get("from")
        kind = operation["op"]
        if kind in ("move", "copy"):
            if source is None or (kind == "move" and path[: len(_parts(source))] == _parts(source) != path):
                raise _NoError
            value = copy.deepcopy(_get(document, _parts(source)))
            document = _put(_drop(document, _parts(source)) if kind == "move" else document, path, value)
        elif kind == "remove":
            document = _drop(document, path)
        elif "value" not in operation:
            raise _NoError
        elif kind == "test":
            if json.dumps(_get(document, path), sort_keys=True) != json.dumps(operation["value"], sort_keys=True):
                raise _NoError
        else:
            if kind == "replace":
                document = _drop(document, path)
            document = _put(document, path, copy.deepcopy(operation["value"]))
    if not isinstance(document, dict):
        raise _NoError
    return document


@settings(max_examples=400 * TIMES)
@given(document=documents, operations=patches)
def test_a_patch_does_what_the_evaluator_does(document: Any, operations: Any) -> None:
    before = copy.deepcopy(document)
    try:
        expected = evaluated(copy.deepcopy(document), operations)
    except _NoError:
        expected = None
    try:
        done = apply(document, operations)
    except Invalid:
        done = None
    assert json.dumps(done, sort_keys=True) == json.dumps(expected, sort_keys=True)
    assert document == before
    ran("patches, against the evaluator", 2)


@settings(max_examples=25 * TIMES)
@given(
    size=st.integers(1, 3000), times=st.integers(1, 1000),
    kind=st.sampled_from(
        [
            lambda n, size: {"op": "copy", "from": "", "path": f"/{n}"},
            lambda n, size: {"op": "copy", "from": "/tags", "path": "/tags/-"},
            lambda n, size: {"op": "add", "path": "/tags/0", "value": "x" * size},
            lambda n, size: {"op": "move", "from": "/tags", "path": "/" + "tags/" * size},
            lambda n, size: {"op": "test", "path": "/" + "0" * size, "value": ["x"] * size},
            lambda n, size: {"op": "replace", "path": "/tags/" + "9" * size, "value": {}},
        ]
    ),
)  # fmt: skip
def test_what_a_patch_costs_is_bounded(server: Target, size: int, times: int, kind: Any) -> None:
    made = server.send("POST", "/api/nuvlabox", json.dumps({"tags": ["t"] * 5, "name": "x" * size}).encode(), ADMIN)
    assert made is not None
    patch = json.dumps([kind(n, size) for n in range(times)]).encode()
    server.send(
        "PUT", f"/api/{made.json['resource-id']}", patch, {**ADMIN, "content-type": "application/json-patch+json"}
    )
    ran("patches, their cost", 4)

"""``attend``, by two executors that say whatever they like: only a claim that was granted ends a job, and once."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import bodies
from tests.fuzz.target import ADMIN, TIMES, Target, ran

FINAL = ("SUCCESS", "FAILED", "CANCELED")
HELLO = {
    "name": "x", "host": "h", "pid": 1, "version": "1", "processes": 1, "slots": 9, "actions": ["fuzz"],
}  # fmt: skip
numbers = st.integers(-2, 5) | st.sampled_from([2**31, 2**53, 2**63 - 1, 2**63, 10**30, 1.5, None])
texts = st.sampled_from(["SUCCESS", "FAILED", "QUEUED", "RUNNING", "died", "stopped", "failed", "x", ""])
times = st.sampled_from([0, 1, 1e9, -1, 1e300, "now"])
holds = st.tuples(st.sampled_from(["granted", "guessed"]), st.integers(0, 3), numbers)
steps = st.lists(
    st.tuples(
        st.sampled_from(["one", "two"]), st.integers(-1, 3),
        st.dictionaries(
            st.sampled_from(["holds", "finished", "released", "writes"]),
            st.lists(st.tuples(holds, texts, times, bodies.values), max_size=3), max_size=2,
        ),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@settings(max_examples=50 * TIMES)
@given(steps=steps, jobs=st.integers(1, 3))
def test_only_what_was_granted_ends_a_job(server: Target, steps: Any, jobs: int) -> None:
    said: dict[str, int] = {"one": server.said, "two": server.said}
    added = [_json(server, "POST", "/api/job", {"action": "fuzz"})["resource-id"] for _ in range(jobs)]
    granted: list[tuple[int, int]] = []
    of_id: dict[str, set[tuple[int, int]]] = {id_: set() for id_ in added}
    states = dict.fromkeys(added, "QUEUED")
    for who, free, told in steps:
        server.said += 1
        said[who] = server.said
        message: dict[str, Any] = {"n": said[who], "free": free, "hello": HELLO}
        named: set[Any] = set()
        for kind, items in told.items():
            message[kind] = [_item(kind, item, granted, named) for item in items]
        status, answer = _call(server, f"/api/executor/{who}/attend", message)
        assert status in (200, 400, 409), answer
        for grant in answer.get("jobs", ()) if status == 200 else ():
            granted.append((grant[0], grant[1]))
            of_id.setdefault(grant[2], set()).add((grant[0], grant[1]))
        for id_ in added:
            state = _json(server, "GET", f"/api/{id_}")["state"]
            if states[id_] in FINAL:
                assert state == states[id_]
            elif state in FINAL:
                assert named & of_id[id_], "it was ended by who was not granted it"
            states[id_] = state
        ran("attend, in sequences", 4 + 2 * len(added))
    for id_ in added:
        server.send("DELETE", f"/api/{id_}", b"", ADMIN)


def _item(kind: str, item: Any, granted: list[tuple[int, int]], named: set[Any]) -> list[Any]:
    (source, index, number), text, at, value = item
    hold: Any = (index, number)
    if source == "granted" and granted:
        hold = granted[-1 - index % len(granted)]
        named.add(hold)
    more = {"holds": [], "finished": [text, at, at, None, "m", value], "released": [text], "writes": [None, {}, value]}
    return [*hold, *more[kind]]


@settings(max_examples=100 * TIMES)
@given(
    message=st.dictionaries(
        st.sampled_from("n free holds finished released writes hello member claims leaving".split()),
        bodies.values | st.lists(st.lists(bodies.values, max_size=8), max_size=3), max_size=5,
    ),
    numbered=st.booleans(),
)  # fmt: skip
def test_any_message(server: Target, message: dict[str, Any], numbered: bool) -> None:
    server.said += 1
    sent = {**message, "n": server.said} if numbered else message
    status, answer = _call(server, "/api/executor/three/attend", sent)
    assert status in (200, 400, 409), answer
    ran("attend, any message", 5)


def _call(server: Target, path: str, sent: Any) -> tuple[int, Any]:
    answer = server.send("POST", path, json.dumps(sent).encode(), ADMIN)
    assert answer is not None
    return answer.status, answer.json


def _json(server: Target, method: str, path: str, sent: Any = None) -> Any:
    answer = server.send(method, path, b"" if sent is None else json.dumps(sent).encode(), ADMIN)
    assert answer is not None
    assert answer.status < 400, answer
    return answer.json

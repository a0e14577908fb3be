"""Every route, by every kind of caller, with every kind of body: no 5xx, no error of ours, bounded work."""

import resource
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from job_engine.api.types import TYPES
from tests.fuzz import bodies
from tests.fuzz.target import ADMIN, JANE, NOBODY, TIMES, Target, ran

PARKED = {"stream"}
"""Types whose answers never end, or last as long as their caller wants."""
MEMORY = 400 << 10
"""KiB by which all of it may make this process grow."""


def _routes() -> list[tuple[str, str]]:
    found = []
    for name, type_ in TYPES.items():
        if name in PARKED:
            continue
        served = [(name, type_.collection), (f"{name}/ONE", type_.one), (f"{name}/report", type_.one)]
        served += [(f"{name}/ONE/{action}", methods) for action, methods in type_.actions.items()]
        for path, methods in served:
            found += [(method, f"/api/{path}") for method in {*methods, "PATCH"}]
    pages = ("/", "/executors", "/distributions", "/job/ONE", "/job/ONE/log", "/job/ONE/cancel", "/sign-in")
    found += [("GET", page) for page in pages]
    found += [
        ("POST", page) for page in ("/sign-in", "/sign-out", "/job/ONE/cancel", "/job/ONE/x", "/distribution/x/run")
    ]
    return sorted(found)


ROUTES = _routes()
texts = st.text(max_size=30) | st.builds(lambda text, n: text * n, st.sampled_from("1(&%a' \\"), st.integers(1, 5000))
names = st.sampled_from(
    "filter select orderby aggregation first last since after wait timeout partial next token page x".split()
)
queries = st.dictionaries(names, texts, max_size=3)
TYPED = st.sampled_from(
    ["application/json", "application/json-patch+json", "application/x-www-form-urlencoded", "text/html", ""]
)
odd = st.dictionaries(
    st.sampled_from(
        "job-hold idempotency-key cookie origin sec-fetch-site range accept accept-encoding host bulk forwarded"
        " x-forwarded-for authorization content-length expect".split()
    ),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=30),
    max_size=2,
)


def _query(given_: dict[str, str]) -> str:
    from urllib.parse import urlencode

    kept = {"timeout": "0", **given_} if given_.get("timeout", "0").strip().isdigit() else given_
    return urlencode({**kept, "timeout": "0", "wait": "0"}, errors="replace")


@pytest.fixture(scope="module")
def one(server: Target) -> dict[str, str]:
    """Something that is there, by type, so that routes get behind the look for it."""
    job = server.send("POST", "/api/job", b'{"action": "x"}', ADMIN)
    plain = server.send("POST", "/api/nuvlabox", b'{"name": "mine"}', ADMIN)
    user = server.send("GET", "/api/user", b"", ADMIN)
    assert job is not None
    assert plain is not None
    assert user is not None
    return {
        "job": job.json["resource-id"].partition("/")[2],
        "nuvlabox": plain.json["resource-id"].partition("/")[2],
        "user": user.json["resources"][0]["id"].partition("/")[2],
    }


def _waits_not(body: bytes) -> bytes:
    return body.replace(b'"wait"', b'"n"')  # else an attend or a report is parked, as it asks for


def _at(path: str, there: dict[str, str]) -> str:
    kind = path.removeprefix("/api/").removeprefix("/").partition("/")[0]
    return path.replace("ONE", there.get(kind, "x"))


@settings(max_examples=350 * TIMES)
@given(
    route=st.sampled_from(ROUTES), who=st.sampled_from([NOBODY, JANE, ADMIN]), query=queries,
    body=bodies.plain | bodies.mutated, typed=TYPED, more=odd, exists=st.booleans(),
)  # fmt: skip
def test_any_body(
    server: Target, one: dict[str, str], route: Any, who: Any, query: Any, body: bytes, typed: str, more: Any,
    exists: bool,
) -> None:  # fmt: skip
    method, path = route
    path = _at(path, one if exists else {})
    if method != "DELETE" or who is not ADMIN:  # what is there stays there
        server.send(method, f"{path}?{_query(query)}", _waits_not(body), {**who, "content-type": typed, **more})
        ran("routes, any body", 4)


@settings(max_examples=120 * TIMES)
@given(
    route=st.sampled_from([route for route in ROUTES if route[0] in ("POST", "PUT", "PATCH")]),
    who=st.sampled_from([NOBODY, JANE, ADMIN]), body=bodies.packed, encoding=st.sampled_from(["gzip", "x-gzip", "br"]),
)  # fmt: skip
def test_any_packed_body(server: Target, one: dict[str, str], route: Any, who: Any, body: bytes, encoding: str) -> None:
    headers = {**who, "content-encoding": encoding, "content-type": "application/json"}
    server.send(route[0], _at(route[1], one), body, headers)
    ran("routes, packed bodies", 4)


@settings(max_examples=150 * TIMES)
@given(
    route=st.sampled_from([route for route in ROUTES if route[0] in ("POST", "PUT", "PATCH")]),
    who=st.sampled_from([NOBODY, JANE, ADMIN]), body=bodies.plain | bodies.mutated,
    parts=st.lists(st.integers(0, 50), min_size=1, max_size=8), cut=st.booleans(),
)  # fmt: skip
def test_bodies_that_come_in_pieces_or_never_end(
    server: Target, one: dict[str, str], route: Any, who: Any, body: bytes, parts: Any, cut: bool
) -> None:
    path = _at(route[1], one)
    server.send(route[0], path, _waits_not(body), {**who, "content-type": "application/json"}, parts=parts, cut=cut)
    ran("routes, bodies in pieces", 4)


def test_none_of_it_took_much_memory(server: Target) -> None:
    """After all of the above: the largest that this process ever was, against what it was when they began."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert largest - before < MEMORY, f"{(largest - before) >> 10} MiB"
    answer = server.send("GET", "/api/status")
    assert answer is not None
    assert answer.status == 200


before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

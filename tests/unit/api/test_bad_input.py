"""Bad input of every kind: a 4xx that names what is wrong, never a 500, never a half-written job."""

import gzip
import itertools
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from job_engine.job.attributes import ATTRIBUTES
from tests.unit.api.server import InProcess

numbers = itertools.count(1)
SERVICES = {name for name, attribute in ATTRIBUTES.items() if not attribute.at_add}


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("action", ""),
        ("action", " "),
        ("action", 3),
        ("action", "x" * 256),
        ("action", " noop"),
        ("action", "noop\n"),
        ("action", "a\x00b"),
        ("priority", -1),
        ("priority", 1000),
        ("priority", "7"),
        ("priority", 1.5),
        ("priority", True),
        ("progress", 101),
        ("progress", -1),
        ("progress", "x"),
        ("progress", 10**30),
        ("progress", []),
        ("version", -1),
        ("execution-mode", "fast"),
        ("state", "DONE"),
        ("return-code", -1),
        ("payload", ""),
        ("payload", "x" * ((1 << 20) + 1)),
        ("payload", {"a": "x" * (1 << 20)}),
        ("target-resource", "x/1"),
        ("target-resource", {}),
        ("target-resource", {"href": "a b"}),
        ("target-resource", {"href": None}),
        ("affected-resources", []),
        ("affected-resources", [1]),
        ("affected-resources", {"href": "a/1"}),
        ("tags", ["a", "a"]),
        ("tags", "a"),
        ("tags", [1]),
        ("tags", [["a"]]),
        ("tags", [None]),
        ("parent-job", "deployment/1"),
        ("parent-job", "job/UPPER"),
        ("nested-jobs", ["x"]),
        ("not-before", "tomorrow"),
        ("not-before", 5),
        ("not-before", "9999-99-99"),
        ("expiry", "0"),
        ("timeout", "soon"),
        ("timeout", -1),
        ("timeout", True),
        ("retries", 1001),
        ("retries", None.__class__.__name__),
        ("acl", {}),
        ("acl", {"owners": []}),
        ("acl", {"owners": ["x"]}),
        ("acl", {"owners": ["user/a"], "read": ["user/b"]}),
        ("acl", []),
        ("acl", {"owners": "user/a"}),
        ("acl", {"owners": ["user/a"], "manage": [["user/a"]]}),
        ("name", 1),
        ("description", []),
        ("parent", "no good"),
        ("idempotency-key", ""),
        ("unknown", 1),
    ],
)
def test_wrong_attributes(api: InProcess, attribute: str, value: Any) -> None:
    before = api.count
    status, body = api.call("POST", "/api/job", {"action": "x", attribute: value})
    assert (status, body["status"]) == (400, 400)
    assert attribute in body["message"]
    assert "does not satisfy defined schema" in body["message"]
    assert api.count == before


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b'{"action": "\xff"}',
        b'{"action": "\\ud800"}',
        b"nul",
        b"{}{}",
        b"[" * 100_000,
        b'{"a":' * 5000,
        b'{"action": NaN}',
        b'"text"',
        b"3",
        b"null",
        b"",
        b"{'action': 'x'}",
        b'{"action": "x", "progress": 1e999}',
    ],
)
def test_what_is_no_job(api: InProcess, body: bytes) -> None:
    before = api.count
    status, answer = api.call("POST", "/api/job", body)
    assert (status, answer["status"]) == (400, 400)
    assert api.count == before


def test_one_bad_job_of_many(api: InProcess) -> None:
    before = api.count
    status, body = api.call("POST", "/api/job", [{"action": "x"}, {"action": "x"}, {"action": "x", "priority": "high"}])
    assert status == 400
    assert "job 2 of 3" in body["message"]
    assert "'priority'" in body["message"]
    status, body = api.call("POST", "/api/job", [{"action": "x"}] * 150 + [5])
    assert status == 400
    assert "job 150 of 151" in body["message"]
    assert api.call("POST", "/api/job", [{"action": "x"}] * 10_001)[0] == 400
    assert api.count == before
    status, body = api.call("POST", "/api/job", [])
    assert (status, body["resource-ids"]) == (201, [])


def test_bodies_that_are_too_large(api: InProcess) -> None:
    status, body = api.call("POST", "/api/job", b" " * 100, {"content-length": str(17 << 20)})
    assert (status, body["status"]) == (413, 413)
    assert api.call("POST", "/api/job", b" " * (17 << 20), {"content-length": "x"})[0] == 413
    bomb = gzip.compress(b" " * (64 << 20))
    assert api.call("POST", "/api/job", bomb, {"content-encoding": "gzip"})[0] == 413


@pytest.mark.parametrize(
    ("data", "encoding", "status"),
    [
        (b"no gzip", "gzip", 400),
        (gzip.compress(b"{}", mtime=0)[:-3], "gzip", 400),
        (gzip.compress(b"{}", mtime=0) + b"more", "gzip", 400),
        (b"{}", "br", 415),
    ],
)
def test_encodings(api: InProcess, data: bytes, encoding: str, status: int) -> None:
    assert api.call("POST", "/api/job", data, {"content-encoding": encoding})[0] == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nonsense", 405),
        ("POST", "/api/nonsense/1", 405),
        ("POST", "/api//1", 405),
        ("PATCH", "/api/job", 405),
        ("POST", "/api/job/1", 405),
        ("GET", "/api/job/1", 404),
        ("GET", "/api/job/%00", 404),
        ("GET", "/api/job/%FF", 404),
        ("GET", "/api/job/1/nonsense", 404),
        ("POST", "/api/job/1/cancel", 404),
        ("GET", "/api/job/1/cancel", 405),
        ("GET", "/api/job/a/b/c", 405),
        ("DELETE", "/api/job/1", 404),
        ("DELETE", "/api/job", 400),
        ("PUT", "/api/job/1", 400),
        ("GET", "/api/job/" + "x" * 5000, 404),
        ("GET", "/api/session/1", 404),
        ("POST", "/api/session", 400),
        ("POST", "/api/credential", 400),
        ("POST", "/api/user", 400),
        ("POST", "/api/session/1", 405),
        ("POST", "/api/session/1/switch-group", 404),
        ("GET", "/api/executor/1", 404),
        ("GET", "/api/job/1/wait?timeout=x", 400),
        ("GET", "/api/job/1/wait?timeout=-1", 400),
        ("GET", "/api/job/1/wait?timeout=nan", 400),
        ("GET", "/api/job/1/log?after=x", 400),
        ("GET", "/api/job/1/log?last=-1", 400),
        ("GET", "/api/job?filter=a", 400),
        ("GET", "/api/job?filter=progress='x'", 400),
        ("GET", "/api/job?orderby=a%22b", 400),
        ("GET", "/api/job?orderby=/", 400),
        ("GET", "/api/job?aggregation=avg:action", 400),
        ("GET", "/api/job?" + "&".join("a=1" for _ in range(1001)), 400),
        ("GET", "/api/job?first=x&last=y", 200),
        ("GET", "/api/job?first=-5&last=-5", 200),
        ("GET", "/api/job?first=99999999999999999999", 200),
        ("GET", "/api/job?first=999999999&last=999999999", 200),
        ("GET", "/api/job?last=999999999&select=*,%00,state", 400),
    ],
)
def test_paths_and_parameters(api: InProcess, method: str, path: str, status: int) -> None:
    answered, body = api.call(method, path)
    assert answered == status, body
    if status >= 400:
        assert body["status"] == status
        assert isinstance(body["message"], str)


def test_somebody_who_has_logged_in_is_told_who_may(api: InProcess) -> None:
    mia = {"nuvla-authn-info": "user/mia user/mia group/nuvla-user"}
    status, body = api.call("POST", "/api/job", {"action": "noop"}, mia)
    who = "group/nuvla-admin or group/job-engine-submitter"
    assert (status, body["message"]) == (403, f"credentials required: only {who} may do this (add of job)")


def test_nobody(api: InProcess) -> None:
    nobody = {"nuvla-authn-info": "user/anon"}
    for method, path in (("GET", "/api/job"), ("POST", "/api/job"), ("DELETE", "/api/job"), ("GET", "/api/stream")):
        status, body = api.call(method, path, None, nobody)
        assert (status, body["message"]) == (403, "credentials required")
    status, body = api.call("POST", "/api/executor/1/attend", {"n": 1}, nobody)
    assert (status, body["message"]) == (
        403,
        "invalid credentials for 'executor/1': an executor needs the role executor, or those of an administrator",
    )
    assert api.call("GET", "/api/status", None, nobody)[0] == 200
    assert api.call("GET", "/api/session", None, nobody)[1]["count"] == 0


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"n": "1"}', b'{"n": 1, "holds": [[1]]}', b'{"n": 1e400}', b"[" * 9999]
)
def test_what_is_no_attend(api: InProcess, body: bytes) -> None:
    assert api.call("POST", "/api/executor/1/attend", body)[0] == 400


@pytest.mark.parametrize("at", [1e300, -1e300, 1e12, -1])
@pytest.mark.parametrize("said", ["finished", "started", "logged", "delayed"])
def test_times_of_executors_are_dates(api: InProcess, said: str, at: float) -> None:
    """A job with another time could be neither ended nor explained, and its log not be read."""
    action = f"{said}{at}"
    id_ = api.call("POST", "/api/job", {"action": action})[1]["resource-id"]
    hello = {"name": "x", "host": "h", "pid": 1, "version": "0", "processes": 1, "slots": 1, "actions": [action]}
    path = f"/api/executor/{said}/attend"
    number = next(numbers)
    (held, *_) = api.call("POST", path, {"n": number, "free": 1, "hello": hello})[1]["jobs"]
    hold = held[:2]
    wrong: dict[str, Any] = {
        "finished": {"finished": [[*hold, "SUCCESS", at, at]]},
        "started": {"writes": [[*hold, at]]},
        "logged": {"writes": [[*hold, None, {}, None, [[1, at, "INFO", "x"]]]]},
        "delayed": {"released": [[*hold, "failed", "", at]]},
    }[said]
    status = api.call("POST", path, {"n": next(numbers), "holds": [hold], **wrong})[0]
    assert status == (200 if said == "delayed" and at < 0 else 400)  # no delay is none
    for method, rest in (("GET", ""), ("GET", "/log"), ("GET", "/explain"), ("POST", "/cancel")):
        assert api.call(method, f"/api/{id_}{rest}")[0] == 200


@pytest.mark.parametrize("header", ["", "job/1", "job/1 x", "job/1 -1", "job/1 99999999999999999999", "1"])
def test_odd_holds(api: InProcess, header: str) -> None:
    id_ = api.call("POST", "/api/job", {"action": "x"})[1]["resource-id"]
    assert api.call("PUT", f"/api/{id_}", {"progress": 1}, {"job-hold": header})[0] == 400


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x01b"])
def test_odd_keys(api: InProcess, key: str) -> None:
    assert api.call("POST", "/api/job", {"action": "x"}, {"idempotency-key": key})[0] == 400


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
known = st.sampled_from(sorted(ATTRIBUTES))
refusing = ("idempotency-key", "unless-active")  # a document that was sent before is refused with these
names = known.filter(lambda name: name not in refusing) | st.text(max_size=10)
jobs = st.dictionaries(names, json_values, max_size=4).map(lambda d: {"action": "x", **d})


@settings(max_examples=400)
@given(document=jobs)
def test_any_document_is_a_job_or_refused(api: InProcess, document: dict[str, Any]) -> None:
    before = api.count
    status, body = api.call("POST", "/api/job", document)
    assert status in (201, 400), body
    assert api.count == before + (status == 201)
    if status == 400:
        assert any(name in body["message"] or repr(name) in body["message"] for name in document), body
    else:
        stored = api.call("GET", f"/api/{body['resource-id']}")[1]
        assert stored["state"] == "QUEUED"
        assert api.call("DELETE", f"/api/{body['resource-id']}")[0] == 200


@settings(max_examples=300)
@given(
    changes=st.dictionaries(known | st.text(max_size=10), json_values, max_size=4), select=st.lists(known, max_size=2)
)
def test_any_edit_is_done_or_refused(api: InProcess, changes: dict[str, Any], select: list[str]) -> None:
    id_ = api.call("POST", "/api/job", {"action": "x", "tags": ["t"]})[1]["resource-id"]
    before = api.call("GET", f"/api/{id_}")[1]
    status, body = api.call("PUT", f"/api/{id_}?{urlencode({'select': ','.join(select)})}", changes)
    assert status in (200, 400), body
    after = api.call("GET", f"/api/{id_}")[1]
    if status == 400:
        assert after == before
    assert after["id"] == id_
    assert {"state", "action", "progress", "version", "execution-mode", "created"} <= after.keys()


@settings(max_examples=200)
@given(
    patches=json_values
    | st.lists(
        st.fixed_dictionaries(
            {
                "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x"]),
                "path": st.sampled_from(
                    [
                        "",
                        "/",
                        "/tags",
                        "/tags/0",
                        "/tags/-",
                        "/tags/9",
                        "/action",
                        "/acl/owners",
                        "/x/y",
                        "nope",
                        "/tags/01",
                    ]
                ),
                "from": st.sampled_from(["", "/tags", "/acl", "/tags/0", "/nope"]),
                "value": json_values,
            }
        ),
        max_size=4,
    )
)
def test_any_patch_is_done_or_refused(api: InProcess, patches: Any) -> None:
    id_ = api.call("POST", "/api/job", {"action": "x", "tags": ["t"]})[1]["resource-id"]
    status, body = api.call("PUT", f"/api/{id_}", patches, {"content-type": "application/json-patch+json"})
    assert status in (200, 400), body
    assert api.call("GET", f"/api/{id_}")[0] == 200


@settings(max_examples=300)
@given(
    name=st.sampled_from(["filter", "select", "orderby", "aggregation", "first", "last", "x"]),
    value=st.text(max_size=30)
    | st.builds("{}:{}".format, st.sampled_from(["avg", "terms", "stats", "missing", "percentiles"]), known),
    form=st.booleans(),
)
def test_any_parameter_is_answered_or_refused(api: InProcess, name: str, value: str, form: bool) -> None:
    text = urlencode({name: value})
    if form:
        status, body = api.call("PUT", "/api/job", text.encode(), {"content-type": "application/x-www-form-urlencoded"})
    else:
        status, body = api.call("GET", f"/api/job?{text}")
    assert status in (200, 400), body


@settings(max_examples=200)
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "X"]),
    path=st.text(max_size=20),
    body=st.binary(max_size=30),
)
def test_any_path_is_answered_or_refused(api: InProcess, method: str, path: str, body: bytes) -> None:
    for prefix in ("/api/", "/api/job/", "/api/session/", "/api/executor/"):
        status, _, _ = api.loop.run_until_complete(api.request(method, prefix + quote(path), body))
        assert status < 500


def test_an_unexpected_error_says_nothing(
    api: InProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(api.state.store, "read", broken)
    status, body = api.call("GET", "/api/job/1")
    assert status == 500
    assert "secret" not in json.dumps(body)
    assert [record.getMessage() for record in caplog.records] == ["a request failed unexpectedly"]


def test_rights_come_before_values(api: InProcess) -> None:
    stranger = {"nuvla-authn-info": "user/anon group/nuvla-anon"}
    job = api.call("POST", "/api/job", {"action": "x"})[1]["resource-id"]
    plain = api.call("POST", "/api/nuvlabox", {"name": "mine"})[1]["resource-id"]
    there = {"job": job, "nuvlabox": plain}
    for name, type_ in api.state.types.items():
        one = there.get(name, f"{name}/x")
        served = [(name, type_.collection), (one, type_.one)]
        served += [(f"{one}/{action}", methods) for action, methods in type_.actions.items()]
        for path, methods in served:
            for method in {"POST", "PUT", "PATCH"} & methods.keys():
                status, body = api.call(method, f"/api/{path}", b"{", stranger)
                takes = (name == "session" and path == name) or (method == "PUT" and path == name)
                assert status in ((400, 200, 403) if takes else (403, 404, 405)), (method, path, body)

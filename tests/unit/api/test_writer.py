"""The writer thread serves everybody: what a caller makes expensive is done beside it, and checked there."""

import asyncio
import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from job_engine.api import job_changes, job_cleanup, patch
from job_engine.job.nesting import DEPTH_LIMIT
from job_engine.store import query
from tests.unit.api.server import InProcess

PATCH = {"content-type": "application/json-patch+json"}
numbers = itertools.count(1)


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"a": value}
    return value


def added(api: InProcess, type_: str) -> str:
    sent = {"action": "noop", "description": "old"} if type_ == "job" else {"description": "old", "text": "t"}
    return str(api.call("POST", f"/api/{type_}", sent)[1]["resource-id"])


def where_it_runs(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> set[str]:
    """The names of the threads in which a function runs from now on."""
    threads: set[str] = set()
    real = getattr(module, name)

    def noted(*arguments: Any, **named: Any) -> Any:
        threads.add(threading.current_thread().name.partition("_")[0])
        return real(*arguments, **named)

    monkeypatch.setattr(module, name, noted)
    return threads


@pytest.mark.parametrize("type_", ["job", "module"])
def test_a_patch_is_made_on_a_reader(api: InProcess, monkeypatch: pytest.MonkeyPatch, type_: str) -> None:
    id_ = added(api, type_)
    threads = where_it_runs(monkeypatch, patch, "apply")
    status, body = api.call("PUT", f"/api/{id_}", [{"op": "add", "path": "/description", "value": "new"}], PATCH)
    assert (status, body["description"], threads) == (200, "new", {"store-reader"})


def test_a_job_is_made_anew_on_a_reader(api: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = added(api, "job")
    assert api.call("POST", f"/api/{id_}/cancel")[0] == 200
    threads = where_it_runs(monkeypatch, job_changes, "new_job")
    status, body = api.call("POST", f"/api/{id_}/retry")
    assert (status, threads) == (201, {"store-reader"})
    assert api.call("GET", f"/api/{body['resource-id']}")[1]["description"] == "old"


def test_a_filter_of_a_bulk_delete_is_applied_on_a_reader(api: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = added(api, "job")
    threads = where_it_runs(monkeypatch, query, "where")
    status, body = api.call("DELETE", f"/api/job?filter=id='{id_}'", None, {"bulk": "true"})
    assert (status, body["deleted"], threads) == (200, 1, {"store-reader"})


def changes_meanwhile(api: InProcess, monkeypatch: pytest.MonkeyPatch, id_: str, times: int) -> Callable[[], int]:
    """Have somebody else change a document while a patch is made, the first ``times``; how often it was made."""
    real, made = patch.apply, 0

    def slow(document: Any, patches: Any) -> Any:
        nonlocal made
        made += 1
        if made <= times:
            change = api.request("PUT", f"/api/{id_}", {"name": f"n{made}"})
            assert asyncio.run_coroutine_threadsafe(change, api.loop).result(10)[0] == 200
        return real(document, patches)

    monkeypatch.setattr(patch, "apply", slow)
    return lambda: made


@pytest.mark.parametrize("type_", ["job", "module"])
def test_a_patch_is_made_again_on_what_has_changed_meanwhile(
    api: InProcess, monkeypatch: pytest.MonkeyPatch, type_: str
) -> None:
    id_ = added(api, type_)
    made = changes_meanwhile(api, monkeypatch, id_, 2)
    patches = [{"op": "move", "from": "/name", "path": "/description"}]
    status, body = api.call("PUT", f"/api/{id_}", [{"op": "add", "path": "/name", "value": "n0"}, *patches], PATCH)
    assert (status, body.get("name"), body["description"], made()) == (200, None, "n0", 3)


@pytest.mark.parametrize("type_", ["job", "module"])
def test_a_patch_on_what_changes_all_the_time_is_refused(
    api: InProcess, monkeypatch: pytest.MonkeyPatch, type_: str
) -> None:
    id_ = added(api, type_)
    made = changes_meanwhile(api, monkeypatch, id_, 99)
    status, body = api.call("PUT", f"/api/{id_}", [{"op": "remove", "path": "/description"}], PATCH)
    assert (status, made()) == (409, patch.TRIES)
    assert body["message"] == (
        f"conflict with {id_}: others changed it each of the {patch.TRIES} times that the patch was made; try again"
    )
    assert api.call("GET", f"/api/{id_}")[1]["description"] == "old"


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("POST", "/api/job", {"action": "noop", "payload": nested(DEPTH_LIMIT)}),
        ("POST", "/api/module", {"content": nested(DEPTH_LIMIT)}),
        ("PUT", "", {"content": nested(DEPTH_LIMIT)}),
        ("PUT", "", [{"op": "add", "path": "/content", "value": nested(DEPTH_LIMIT - 1)}]),
        ("PUT", "", [{"op": "copy", "from": "/content", "path": "/content" + "/a" * 60}] * 2),
        ("PUT", "", [{"op": "move", "from": "/content", "path": "/more" + "/a" * 60}]),
    ],
)  # fmt: skip
def test_what_is_nested_too_deeply_is_refused_and_not_logged(
    api: InProcess, caplog: pytest.LogCaptureFixture, method: str, path: str, more: Any
) -> None:
    sent = {"content": nested(60), "more": nested(60)}
    id_ = api.call("POST", "/api/module", sent)[1]["resource-id"]
    status, body = api.call(method, path or f"/api/{id_}", more, PATCH if isinstance(more, list) else None)
    assert status == 400
    assert "nested too deeply" in body["message"]
    assert not caplog.records
    kept = api.call("GET", f"/api/{id_}")[1]
    assert (kept["content"], kept["more"]) == (sent["content"], sent["more"])


def test_what_nests_as_deep_as_it_may_is_kept_and_patched(api: InProcess) -> None:
    sent = {"content": nested(DEPTH_LIMIT - 1)}
    id_ = api.call("POST", "/api/module", sent)[1]["resource-id"]
    status, body = api.call("PUT", f"/api/{id_}", [{"op": "copy", "from": "/content", "path": "/other"}], PATCH)
    assert (status, body["content"], body["other"]) == (200, sent["content"], sent["content"])


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (nested(DEPTH_LIMIT + 1), "is nested too deeply"),
        ([0] * 100_000, "has more than 100,000 values"),
        ("x" * (1 << 20), "has more than 1048576 bytes"),
        ([int("7" * 401), "x" * (64 << 10)], "has a number of more than 400 digits"),
    ],
)
def test_results_and_checkpoints_are_bounded_as_bodies_are(api: InProcess, value: Any, why: str) -> None:
    hello = {"name": "x", "host": "h", "pid": 1, "version": "0", "processes": 1, "slots": 1, "actions": ["deep"]}
    id_ = api.call("POST", "/api/job", {"action": "deep"})[1]["resource-id"]
    said = {"n": next(numbers), "free": 1, "hello": hello}
    ((seq, claim, granted, *_),) = api.call("POST", "/api/executor/deep/attend", said)[1]["jobs"]
    assert granted == id_
    key = {"holds": [[seq, claim]]}
    for more, what in (
        ({"writes": [[seq, claim, None, {}, value]]}, "the checkpoint"),
        ({"finished": [[seq, claim, "SUCCESS", 0, 0, 0, None, value]]}, "the result"),
    ):
        status, body = api.call("POST", "/api/executor/deep/attend", {"n": next(numbers), **key, **more})
        assert (status, body["message"].startswith(f"{what} {why}")) == (400, True), body
    assert api.call("GET", f"/api/{id_}")[1]["state"] == "RUNNING"
    end = [seq, claim, "SUCCESS", 0, 0, 0, None, nested(DEPTH_LIMIT)]
    assert api.call("POST", "/api/executor/deep/attend", {"n": next(numbers), **key, "finished": [end]})[0] == 200
    assert api.call("GET", f"/api/{id_}")[1]["result"] == nested(DEPTH_LIMIT)


def test_numbers_of_thousands_of_digits_are_refused_in_large_bodies(api: InProcess) -> None:
    sent = b'{"numbers": [%s], "text": "%s"}' % (b"7" * 401, b"7" * (64 << 10))
    status, body = api.call("POST", "/api/module", sent)
    assert (status, "400 digits" in body["message"]) == (400, True)
    assert api.call("POST", "/api/module", sent.replace(b"7" * 401 + b"]", b"7]"))[0] == 201


def test_copies_are_charged_before_they_are_made(api: InProcess) -> None:
    id_ = api.call("POST", "/api/module", {"text": "x" * (6 << 20)})[1]["resource-id"]
    copies = [{"op": "copy", "from": "/text", "path": f"/{n}"} for n in range(1000)]
    assert "the copies become too large" in api.call("PUT", f"/api/{id_}", copies, PATCH)[1]["message"]
    copies = [{"op": "copy", "from": "/text", "path": f"/{n}"} for n in range(2)]
    assert "the patched document has more than" in api.call("PUT", f"/api/{id_}", copies, PATCH)[1]["message"]
    assert not {"0", "1"} & api.call("GET", f"/api/{id_}")[1].keys()


def test_jobs_with_long_logs_are_deleted_a_few_at_a_time() -> None:
    found = [(n, "", lines) for n, lines in enumerate([1, job_cleanup.LINES - 1, 1, 3 * job_cleanup.LINES, 0])]
    portions = [[seq for seq, _ in portion] for portion in job_cleanup._portions(found)]
    assert portions == [[0, 1], [2], [3], [4]]

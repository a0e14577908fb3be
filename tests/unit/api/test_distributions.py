"""Distributions: ticks that are made once, reports, and what administrators have them do."""

import asyncio
import time
from typing import Any
from unittest.mock import Mock

import pytest

from job_engine.api import distributions
from job_engine.api.changes import Watch
from job_engine.api.connections import KEY, Connections, Rank
from job_engine.job.times import epoch, iso
from tests.unit.api.server import InProcess

DAY = iso(time.time() - 86400).partition("T")[0]
"""Yesterday: what is older than a week counts as made."""
DUE = f"{DAY}T03:00:00.000Z"
JANE = {"nuvla-authn-info": "user/jane user/jane group/nuvla-user"}


def tick(api: InProcess, name: str, due: str = DUE, *jobs: Any, **more: Any) -> tuple[int, Any]:
    return api.call("POST", f"/api/distribution/{name}/tick", {"due": due, "jobs": list(jobs), **more})


def made(api: InProcess, name: str, due: str = DUE, *jobs: Any, **more: Any) -> Any:
    status, body = tick(api, name, due, *jobs, **more)
    assert status == 201, body
    return body


def report(api: InProcess, *items: Any, **more: Any) -> Any:
    status, body = api.call(
        "POST", "/api/distribution/report", {"distributor": "d", "distributions": list(items), **more}
    )
    assert status == 200, body
    return body["distributions"]


def get(api: InProcess, name: str) -> Any:
    status, body = api.call("GET", f"/api/distribution/{name}")
    assert status == 200, body
    return body


def do(api: InProcess, name: str, operation: str) -> Any:
    status, body = api.call("POST", f"/api/distribution/{name}/{operation}")
    assert status == 200, body
    return body


def test_a_tick_is_made_once(api: InProcess) -> None:
    before = api.count
    first = made(api, "once", DUE, {"action": "a"}, {"action": "b"}, distributor="d1", **{"next-tick": DUE})
    assert (len(first["resource-ids"]), first["repeated"]) == (2, False)
    assert first["jobs"] == [{"status": 201, "resource-id": id_} for id_ in first["resource-ids"]]
    # by somebody else, who would make others
    again = made(api, "once", f"{DAY}T04:00:00+01:00", {"action": "c"}, distributor="d2")
    assert (again["resource-ids"], again["repeated"]) == (first["resource-ids"], True)
    assert api.count == before + 2
    document = get(api, "once")
    assert {name: document[name] for name in ("last-tick", "next-tick", "jobs-made", "ticked-by")} == {
        "last-tick": DUE, "next-tick": DUE, "jobs-made": 2, "ticked-by": "d1",
    }  # fmt: skip


def test_whoever_asks(api: InProcess) -> None:
    first = made(api, "who", DUE, {"action": "a"})
    headers = {"nuvla-authn-info": "user/other group/nuvla-admin group/nuvla-admin"}
    body = {"due": DUE, "jobs": [{"action": "a"}]}
    status, again = api.call("POST", "/api/distribution/who/tick", body, headers)
    assert (status, again["resource-ids"]) == (201, first["resource-ids"])


def test_at_the_same_time(api: InProcess) -> None:
    async def both() -> list[Any]:
        body = {"due": DUE, "jobs": [{"action": "a"}] * 3}
        return await asyncio.gather(*(api.request("POST", "/api/distribution/race/tick", body) for _ in range(8)))

    before = api.count
    answers = api.loop.run_until_complete(both())
    assert {status for status, _, _ in answers} == {201}
    assert api.count == before + 3
    assert get(api, "race")["jobs-made"] == 3


def test_when_the_jobs_are_deleted(api: InProcess) -> None:
    one, two = made(api, "deleted", DUE, {"action": "a"}, {"action": "a"})["resource-ids"]
    assert api.call("DELETE", f"/api/{one}")[0] == 200
    assert made(api, "deleted", DUE, {"action": "a"})["resource-ids"] == [two]
    assert api.call("DELETE", f"/api/{two}")[0] == 200
    before = api.count
    assert made(api, "deleted", DUE, {"action": "a"})["resource-ids"] == []
    assert api.count == before


def test_a_tick_without_jobs_is_one(api: InProcess) -> None:
    before = api.count
    assert made(api, "empty")["resource-ids"] == []
    assert made(api, "empty", DUE, {"action": "a"})["repeated"]
    assert api.count == before


def test_a_bad_document_fails_alone(api: InProcess) -> None:
    target = {"target-resource": {"href": "node/1"}}
    answer = made(
        api, "bad", DUE, {"action": "a"}, {"priority": 1}, {"action": "x", "unless-active": True, **target},
        {"action": "x", "unless-active": True, **target}, 7, {"action": "a", "idempotency-key": "k"},
    )  # fmt: skip
    assert [item["status"] for item in answer["jobs"]] == [201, 400, 201, 409, 400, 400]
    assert answer["message"] == "2 of 6 jobs created"
    assert answer["jobs"][3]["resource-id"] == answer["jobs"][2]["resource-id"]
    document = get(api, "bad")
    assert (document["jobs-made"], document["jobs-skipped"]) == (2, 1)
    assert document["last-error"].startswith("3 of 6 documents were refused; the first, job 2: attribute 'action'")
    made(api, "bad", f"{DAY}T04:00:00Z", {"action": "a"})
    assert "last-error" not in get(api, "bad")


def test_parts(api: InProcess) -> None:
    first = made(api, "parts", DUE, {"action": "a"})
    second = made(api, "parts", DUE, {"action": "a"}, part=1)
    assert not second["repeated"]
    assert made(api, "parts", DUE, {"action": "a"}, part=1)["resource-ids"] == second["resource-ids"]
    assert first["resource-ids"] != second["resource-ids"]
    assert get(api, "parts")["jobs-made"] == 2


def test_the_newest_tick_is_the_last(api: InProcess) -> None:
    made(api, "order", f"{DAY}T05:00:00Z")
    made(api, "order", f"{DAY}T04:00:00Z", {"action": "a"})
    assert get(api, "order")["last-tick"] == f"{DAY}T05:00:00.000Z"
    # so old that its mark may be gone, and not after the last
    answer = made(api, "order", "2006-11-24T04:00:00Z", {"action": "a"})
    assert (answer["repeated"], answer["resource-ids"]) == (True, [])
    # a distribution that was never heard of may begin anywhere
    assert made(api, "order-new", "2006-11-24T04:00:00Z", {"action": "a"})["resource-ids"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"jobs": []}, "due"),
        ({"due": "soon", "jobs": []}, "due"),
        ({"due": "2999-01-01T00:00:00Z", "jobs": []}, "ahead of the server's clock"),
        ({"due": DUE}, "jobs"),
        ({"due": DUE, "jobs": {}}, "jobs"),
        ({"due": DUE, "jobs": [], "part": -1}, "part"),
        ({"due": DUE, "jobs": [], "part": True}, "part"),
        ({"due": DUE, "jobs": [], "distributor": 7}, "distributor"),
        ({"due": DUE, "jobs": [], "next-tick": "x"}, "next-tick"),
        ({"due": DUE, "jobs": [{}] * 10_001}, "10001 jobs are too many"),
        ([], "not a JSON object"),
    ],
)
def test_wrong_ticks(api: InProcess, body: Any, named: str) -> None:
    status, answer = api.call("POST", "/api/distribution/wrong/tick", body)
    assert (status, named in answer["message"]) == (400, True), answer
    assert api.call("GET", "/api/distribution/wrong")[0] == 404


def test_a_paused_one_makes_none(api: InProcess) -> None:
    made(api, "paused", DUE, {"action": "a"})
    assert do(api, "paused", "pause")["paused"] is True
    status, answer = tick(api, "paused", f"{DAY}T04:00:00Z", {"action": "a"})
    assert (status, "is paused" in answer["message"]) == (409, True)
    assert made(api, "paused", DUE, {"action": "a"})["repeated"]  # what was made, was made
    assert do(api, "paused", "pause")["paused"] is True
    assert do(api, "paused", "resume")["paused"] is False
    assert not made(api, "paused", f"{DAY}T04:00:00Z", {"action": "a"})["repeated"]


def test_run_now_is_one_tick_more(api: InProcess) -> None:
    made(api, "run", DUE, {"action": "a"})
    do(api, "run", "pause")
    at = do(api, "run", "run")["run-at"]
    assert do(api, "run", "run")["run-at"] == at  # until it is made
    assert report(api, {"name": "run"}) == [{"name": "run", "paused": True, "run-at": at, "last-tick": DUE}]
    first = made(api, "run", at, {"action": "a"})
    more = made(api, "run", at, {"action": "a"}, part=1)
    assert (first["repeated"], more["repeated"]) == (False, False)
    assert made(api, "run", at, {"action": "a"})["resource-ids"] == first["resource-ids"]
    document = get(api, "run")
    assert ("run-at" in document, document["last-run"], document["last-tick"]) == (False, at, DUE)


def test_a_run_at_the_time_of_a_tick_ends_too(api: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    at = iso(epoch(DUE))
    made(api, "same", at, {"action": "a"})
    monkeypatch.setitem(distributions._OPERATIONS, "run", lambda document, now: {"run-at": at})  # type: ignore[index]
    do(api, "same", "run")
    assert made(api, "same", at, {"action": "a"})["repeated"]
    assert "run-at" not in get(api, "same")


def test_reports_say_what_there_is(api: InProcess) -> None:
    said = {
        "every": "30s", "missed": "once", "timezone": "Europe/Zurich", "leader": "h-1", "contenders": ["h-1", "h-2"],
        "next-tick": DUE, "last-error": "boom",
    }  # fmt: skip
    assert report(api, {"name": "told", **said}) == [{"name": "told", "paused": False}]
    document = get(api, "told")
    assert {name: document[name] for name in said} == said
    report(api, {"name": "told", "leader": None, "last-error": None, "cron": "* * * * *", "every": None})
    document = get(api, "told")
    assert ("leader" in document, "last-error" in document, "every" in document) == (False, False, False)
    assert (document["cron"], document["contenders"]) == ("* * * * *", ["h-1", "h-2"])


def test_a_report_that_says_nothing_new_writes_nothing(api: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    report(api, {"name": "same-again", "every": "1s"})
    before = get(api, "same-again")
    report(api, {"name": "same-again", "every": "1s"})
    assert get(api, "same-again") == before
    monkeypatch.setattr(distributions, "HEARD", -1.0)
    report(api, {"name": "same-again", "every": "1s"})
    after = get(api, "same-again")
    assert after["heard"] >= before["heard"]
    assert after["updated"] == before["updated"]


def test_a_report_waits_for_what_is_asked(api: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    report(api, {"name": "parked"}, {"name": "other"})
    parked = asyncio.Event()
    wait = Watch.wait

    async def noted(watch: Watch, seconds: float) -> bool:
        parked.set()
        return await wait(watch, seconds)

    monkeypatch.setattr(Watch, "wait", noted)

    async def told(**known: Any) -> bytes:
        body = {"distributor": "d", "wait": 20, "distributions": [{"name": "other"}, {"name": "parked", **known}]}
        return (await api.request("POST", "/api/distribution/report", body))[1]

    async def waited() -> tuple[bytes, bytes, bytes]:
        first = asyncio.create_task(told())
        await parked.wait()
        await api.request("POST", "/api/distribution/parked/pause")
        paused = await first
        parked.clear()
        at_once = await told()  # it does not know yet
        assert not parked.is_set()
        last = asyncio.create_task(told(paused=True))
        await parked.wait()
        await api.request("POST", "/api/distribution/parked/run")
        return paused, at_once, await last

    paused, at_once, last = api.loop.run_until_complete(asyncio.wait_for(waited(), 10))
    assert paused == at_once
    assert b'"paused":true' in paused
    assert b'"run-at"' in last


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ([], "JSON object"),
        ({"distributions": []}, "distributor"),
        ({"distributor": "d", "distributions": {}}, "distributions"),
        ({"distributor": "d", "distributions": [7]}, "JSON object"),
        ({"distributor": "d", "distributions": [{"name": "a/b"}]}, "name"),
        ({"distributor": "d", "distributions": [{"name": "x", "missed": "never"}]}, "missed"),
        ({"distributor": "d", "distributions": [{"name": "x", "missed": []}]}, "missed"),
        ({"distributor": "d", "distributions": [{"name": "x", "contenders": "h"}]}, "contenders"),
        ({"distributor": "d", "distributions": [{"name": "x", "leader": ""}]}, "leader"),
        ({"distributor": "d", "distributions": [], "wait": "x"}, "wait"),
        ({"distributor": "d", "distributions": [], "wait": -1}, "wait"),
    ],
)
def test_wrong_reports(api: InProcess, body: Any, named: str) -> None:
    status, answer = api.call("POST", "/api/distribution/report", body)
    assert (status, named in answer["message"]) == (400, True), answer


def test_as_a_resource(api: InProcess) -> None:
    made(api, "listed", DUE, {"action": "a"})
    document = get(api, "listed")
    assert [operation["rel"] for operation in document["operations"]] == ["delete", "pause", "run"]
    assert "resume" in [operation["rel"] for operation in do(api, "listed", "pause")["operations"]]
    status, found = api.call("GET", f"/api/distribution?filter=last-tick='{DUE}' and jobs-made=1 and name='listed'")
    assert (status, [item["name"] for item in found["resources"]]) == (200, ["listed"])
    assert api.call("DELETE", "/api/distribution/listed")[0] == 200
    assert api.call("GET", "/api/distribution/listed")[0] == 404
    assert made(api, "listed", DUE, {"action": "a"})["repeated"]  # the tick is not forgotten with it
    for operation in ("pause", "resume", "run"):
        assert api.call("POST", f"/api/distribution/nothing/{operation}")[0] == 404


def test_only_for_administrators(api: InProcess) -> None:
    made(api, "mine", DUE)
    for method, path, body in (
        ("GET", "distribution", None),
        ("GET", "distribution/mine", None),
        ("DELETE", "distribution/mine", None),
        ("POST", "distribution/report", {"distributor": "d", "distributions": []}),
        ("POST", "distribution/mine/tick", {"due": DUE, "jobs": []}),
        ("POST", "distribution/mine/pause", None),
        ("POST", "distribution/mine/run", None),
    ):
        assert api.call(method, f"/api/{path}", body, JANE)[0] == 403, path
    assert api.call("POST", "/api/distribution/mine")[0] == 405


def test_what_a_distributor_calls_by_is_no_strangers_connection(
    api: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    for call in (lambda: made(api, "ranked"), lambda: report(api, {"name": "ranked"})):
        connection: Any = Mock(rank=Rank.STRANGER, the_connections=Connections(10_000))
        monkeypatch.setattr(api, "extensions", {KEY: connection})
        call()
        assert connection.rank is Rank.EXECUTOR

"""Bulk jobs over the wire: what authors' actions make, what counts them beside Nuvla, and a cancel in between."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from nuvla.api import Api, NuvlaError

from job_engine import BulkAction, Client, Failed, Job, Skipped, action
from job_engine.actions.action import OF_CLASS
from job_engine.actions.builtin import monitor_bulk_job
from job_engine.actions.builtin.monitor_bulk_job import MonitorBulkJob
from job_engine.actions.outcome import Outcome
from job_engine.actions.run import run
from job_engine.distributor.builtin import builtin
from job_engine.distributor.builtin.monitor_bulk_jobs import monitor_bulk_jobs
from job_engine.distributor.settings import DistributorSettings
from job_engine.distributor.tick import Tick
from job_engine.job.attend import Granted
from job_engine.queue import ZooKeeper
from job_engine.testing.hold import NotingHold
from tests.contract.conftest import Server, serve
from tests.contract.test_client import status_of
from tests.integration.engine_processes import until
from tests.nuvla import NuvlaLike


@pytest.fixture(scope="module")
def nuvla(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that looks like Nuvla's."""
    yield from serve(tmp_path_factory.mktemp("nuvla"), around=NuvlaLike)


def client_of(server: Server) -> Client:
    return Client(server.url, username=server.admin["username"], password=server.admin["password"], environ={})


def added(api: Api, action: str = "bulk-x", **document: Any) -> str:
    document = {name.replace("_", "-"): value for name, value in document.items()}
    return str(api.add("job", {"action": action, **document}).data["resource-id"])


def attempt(
    cls: Any, api: Api, id_: str, *, payload: Any = None, checkpoint: Any = None, interrupt_at: int | None = None
) -> tuple[Outcome, Job]:
    """One attempt of a job, here, with ``api`` as its API."""
    hold = NotingHold(lambda: api, interrupt_at=interrupt_at)
    document = {"version": 2, **api.get(id_).data, **({} if payload is None else {"payload": json.dumps(payload)})}
    saved = None if checkpoint is None else msgspec.Raw(msgspec.json.encode(checkpoint))
    granted = Granted(
        1, 1, id_, document["action"], msgspec.Raw(msgspec.json.encode(document)), checkpoint=saved, resumed=False
    )
    job = Job(granted, hold)
    return run(vars(cls)[OF_CLASS][-1], job), job


def result(job: Job) -> dict[str, Any]:
    return json.loads(job["status-message"])  # type: ignore[no-any-return]


def children(api: Api, id_: str) -> list[dict[str, Any]]:
    return [job.data for job in api.search("job", filter=f'parent-job="{id_}"', orderby="id").resources]


# ------------------------------------------------------------------------------------------------------ what authors do


@action("bulk-fan")
class Fan(BulkAction):
    """A child for each; of some there can be none."""

    bad: Callable[[int], bool] = staticmethod(lambda n: False)

    def get_todo(self) -> Any:
        return range(self.job.payload)

    def action(self, n: int) -> Any:
        if n == 1:
            raise Skipped("is up to date")
        if n == 2:
            return {"action": "noop", "payload": {n}}  # no JSON
        target = {"href": "no target" if n % 10 == 7 else f"module/{n}"}
        return {"action": "noop", "target-resource": target, "execution-mode": "pull"}


@pytest.mark.parametrize("kind", ["ours", "nuvla"])
def test_a_bad_child_fails_alone(server: Server, nuvla: Server, kind: str) -> None:
    api = {"ours": server, "nuvla": nuvla}[kind].admin_api()
    id_ = added(api, "bulk-fan", tags=["nightly"], acl={"owners": ["group/ops"]})
    outcome, job = attempt(Fan, api, id_, payload=30)
    assert (outcome.kind, job["tags"]) == ("detached", ["nightly", "monitor"])
    said = result(job)
    counts = [said[f"{name}_count"] for name in ("queued", "failed", "skipped", "success")]
    assert (said["total_actions"], counts, said["jobs_count"]) == (30, [25, 4, 1, 0], 25)
    assert sum(reason["count"] for reason in said["error_reasons"]) == 5
    (refused,) = [reason for reason in said["error_reasons"] if reason["reason"] == "Job not added"]
    assert [element["id"] for element in refused["data"]] == ["7", "17", "27"]
    assert "target-resource" in refused["data"][0]["message"]
    made = children(api, id_)
    assert len(made) == 25
    assert {"group/ops"} == {owner for child in made for owner in child["acl"]["owners"]}


def test_an_interrupted_bulk_job_goes_on_and_nothing_is_done_twice(api: Api) -> None:
    did: list[int] = []

    @action("bulk-here")
    class Here(BulkAction):
        def get_todo(self) -> Any:
            return range(6)

        def action(self, n: int) -> Any:
            did.append(n)
            self.job.set_progress(10 * n)
            if n == 0:
                raise Skipped("is up to date", id="module/other")  # named otherwise in the result
            if n == 1:
                raise Failed("no such thing")
            return {"action": "noop", "execution-mode": "pull"} if n == 2 else None

    id_ = added(api)
    outcome, job = attempt(Here, api, id_, interrupt_at=40)
    assert (outcome.kind, did) == ("released", [0, 1, 2, 3, 4])
    assert children(api, id_) == []  # what was asked for is asked for again
    outcome, job = attempt(Here, api, id_, checkpoint=job.checkpoint)
    assert (outcome.kind, did[5:]) == ("detached", [2, 5])
    said = result(job)
    counts = [said[f"{name}_count"] for name in ("queued", "failed", "skipped", "success")]
    assert (said["total_actions"], counts) == (6, [1, 1, 1, 3])
    attempt(Here, api, id_, checkpoint=job.checkpoint)
    attempt(Here, api, id_)
    assert len(children(api, id_)) == 1  # made once, by its key


def test_elements_with_long_ids_have_children_of_their_own(api: Api) -> None:
    @action("bulk-long")
    class Long(BulkAction):
        def get_todo(self) -> Any:
            return ["x" * 300 + str(n) for n in range(3)]

        def action(self, element: str) -> Any:
            return {"action": "noop", "execution-mode": "pull"}

    id_ = added(api)
    attempt(Long, api, id_)
    assert len(children(api, id_)) == 3


@pytest.mark.parametrize(("kind", "state"), [("ours", "FAILED"), ("nuvla", "SUCCESS")])
def test_how_it_ends_when_an_element_failed(server: Server, nuvla: Server, kind: str, state: str) -> None:
    @action("bulk-fails")
    class Fails(BulkAction):
        def get_todo(self) -> Any:
            return ["a", "b"]

        def action(self, element: str) -> Any:
            if element == "a":
                raise ValueError("no disk\nat line 3")

    api = {"ours": server, "nuvla": nuvla}[kind].admin_api()
    outcome, job = attempt(Fails, api, added(api))
    assert outcome.state == state
    (reason,) = result(job)["error_reasons"]
    assert (reason["reason"], reason["data"][0]["message"]) == ("no disk", "no disk\nat line 3")


def test_a_canceled_family_gets_no_more_children(server: Server, api: Api) -> None:
    id_, other = added(api, execution_mode="pull"), added(api, "noop", execution_mode="pull")
    early = added(api, "noop", parent_job=id_, execution_mode="pull")
    for canceled in (id_, other):
        api.operation(api.get(canceled), "cancel")
    with pytest.raises(NuvlaError, match=f"its parent-job {id_} was canceled") as error:
        added(api, "noop", parent_job=id_)
    assert status_of(error) == 409
    status, said, _ = server.call("POST", "job?partial=true", [{"action": "noop", "parent-job": id_}])
    assert (status, [each["status"] for each in said["jobs"]]) == (201, [409])
    added(api, "noop", parent_job=other, execution_mode="pull")  # who is no bulk job has no family
    outcome, _ = attempt(Fan, api, id_, payload=9)
    assert (outcome.kind, [child["id"] for child in children(api, id_)]) == ("finished", [early])
    # a person who runs one of them again means this one
    until(lambda: api.get(early).data["state"] == "CANCELED", "the child's end")
    again = api.get(api.operation(api.get(early), "retry").data["resource-id"]).data
    assert (again["retry-of"], again.get("parent-job")) == (early, None)


# ------------------------------------------------------------------------------------------------------- beside a Nuvla


def family(api: Api, states: str, **document: Any) -> tuple[str, list[str]]:
    """A bulk job that runs elsewhere, and children in these states: Q R S F C."""
    id_ = added(api, "bulk_elsewhere", execution_mode="pull")
    made = [
        added(api, "noop", parent_job=id_, execution_mode="pull", target_resource={"href": f"module/{n}"})
        for n in range(len(states))
    ]
    started = {"total_actions": len(made), "queued": made, "queued_count": len(made), "jobs_count": len(made)}
    api.edit(id_, {"state": "RUNNING", "status-message": json.dumps({**started, **document})})
    become(api, made, states)
    return id_, made


def become(api: Api, made: list[str], states: str) -> None:
    full = {"R": "RUNNING", "S": "SUCCESS", "F": "FAILED", "C": "CANCELED"}
    for child, state in zip(made, states, strict=True):
        if state in full and api.get(child).data["state"] != full[state]:
            api.edit(child, {"state": full[state]})


def monitored(api: Api, id_: str) -> dict[str, Any]:
    """The bulk job after a look at its children."""
    outcome, _ = attempt(MonitorBulkJob, api, added(api, "monitor_bulk_job", target_resource={"href": id_}))
    assert (outcome.kind, outcome.state) == ("finished", "SUCCESS"), outcome
    return api.get(id_).data  # type: ignore[no-any-return]


@pytest.mark.parametrize(("kind", "end", "code"), [("ours", "FAILED", 1), ("nuvla", "SUCCESS", 0)])
def test_children_are_counted(
    server: Server, nuvla: Server, kind: str, end: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_bulk_job, "PAGE", 2)  # so that five are three pages
    api = {"ours": server, "nuvla": nuvla}[kind].admin_api()
    before = {
        "total_actions": 8, "success": ["module/own"], "success_count": 1, "failed_count": 1, "skipped_count": 1,
        "error_reasons": [
            {"reason": "broken", "count": 1, "category": "failed", "data": [{"id": "module/x", "count": 1}]},
            {"reason": "is up to date", "count": 1, "category": "skipped", "data": [{"id": None, "count": 1}]},
        ],
    }  # fmt: skip
    id_, made = family(api, "SFRQQ", **before)
    for _ in range(2):  # looking twice counts nothing twice
        bulk = monitored(api, id_)
        said = json.loads(bulk["status-message"])
        counts = [said[f"{name}_count"] for name in ("queued", "running", "success", "failed", "skipped")]
        assert (bulk["state"], bulk["progress"], counts) == ("RUNNING", 62, [2, 1, 2, 2, 1])
        assert (said["queued"], said["running"]) == (made[3:], made[2:3])
        assert said["success"] == ["module/own", "module/0"]
    become(api, made, "SFSCS")
    bulk = monitored(api, id_)
    assert (bulk["state"], bulk["progress"], bulk["return-code"]) == (end, 100, code)
    said = json.loads(bulk["status-message"])
    counts = [said[f"{name}_count"] for name in ("queued", "running", "success", "failed", "skipped")]
    assert (said["total_actions"], counts) == (8, [0, 0, 4, 3, 1])
    assert {reason["reason"]: reason["count"] for reason in said["error_reasons"]} == {
        "broken": 1, "is up to date": 1, "Job failed": 1, "Job canceled": 1,
    }  # fmt: skip
    assert monitored(api, id_) == bulk  # it has ended


def test_children_that_a_search_does_not_show_yet_are_waited_for(nuvla: Server) -> None:
    api = nuvla.admin_api()
    id_, _ = family(api, "SS", total_actions=3, queued_count=3, jobs_count=3)
    assert monitored(api, id_)["state"] == "RUNNING"


def test_a_bulk_job_that_says_no_result_is_not_ended_at_once(nuvla: Server) -> None:
    api = nuvla.admin_api()
    id_, _ = family(api, "SQ")
    api.edit(id_, {"status-message": "working on it"})
    bulk = monitored(api, id_)
    assert (bulk["state"], json.loads(bulk["status-message"])["success_count"]) == ("RUNNING", 1)


def test_our_server_counts_itself(api: Api) -> None:
    id_, _ = family(api, "Q")
    api.edit(id_, {"tags": ["monitor"]})
    outcome, job = attempt(MonitorBulkJob, api, added(api, "monitor_bulk_job", target_resource={"href": id_}))
    assert (outcome.state, job["status-message"]) == ("SUCCESS", "the server counts its children itself")


def test_the_distribution_names_those_that_wait(nuvla: Server) -> None:
    api = nuvla.admin_api()
    id_, _ = family(api, "Q")
    family(api, "Q")  # not tagged: its action still makes children
    api.edit(id_, {"tags": ["monitor"]})
    distribution = monitor_bulk_jobs()
    with client_of(nuvla) as client:
        found = distribution.jobs(Tick(distribution.name, None, lambda: client))  # type: ignore[arg-type]
    assert {"action": "monitor_bulk_job", "target-resource": {"href": id_}} in found
    assert len(found) == len(
        api.search("job", filter='action^="bulk" and state="RUNNING" and tags="monitor"').resources
    )


def test_the_distribution_is_for_elections_only() -> None:
    plain = DistributorSettings(api_url="http://127.0.0.1:1")
    cluster = DistributorSettings(api_url="http://127.0.0.1:1", zookeeper=ZooKeeper(hosts="127.0.0.1:1"))
    assert "monitor_bulk_job" not in [each.name for each in builtin(plain)]
    (ours,) = [each for each in builtin(cluster) if each.name == "monitor_bulk_job"]
    assert (ours.registered, ours.schedule.described["every"], ours.beside_nuvla) == ("monitor_bulk_jobs", "30s", True)


# -------------------------------------------------------------------------------------------------------------- clients


def test_a_handle_has_children(server: Server, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("job_engine.client.client.PAGE", 2)
    id_, made = family(api, "SFQQQ")
    with client_of(server) as client:
        job = client.job(id_)
        assert [child.id for child in job.children()] == sorted(made)
        assert [child.id for child in job.children("state='FAILED' or state='SUCCESS'")] == made[:2]
        assert [child.document["state"] for child in job.children("state='FAILED'")] == ["FAILED"]


def test_what_failed_is_said_in_a_sentence(server: Server, api: Api) -> None:
    id_, _ = family(api, "SF")
    monitored(api, id_)
    with client_of(server) as client, pytest.raises(Exception, match=r"failed: 1 of 2 done, 1 failed: Job failed"):
        client.job(id_).wait(1)

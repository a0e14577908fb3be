"""One queue, drained by upstream's executor 5.1.4, one of ours and kazoo's own recipe."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from nuvla.api.models import CimiResource

from tests.integration.engine_processes import until
from tests.integration.running import WITHIN, eventually
from tests.upstream.peers import Cluster
from tests.upstream.scene import JANE
from tests.zookeeper import Server, server

pytestmark = pytest.mark.timeout(600)

QUICK = "cancel_children_jobs"
"""Upstream's, and quick: its own dummy takes up to half a minute."""
JOBS = 300
LONGEST = 75.0
"""Seconds that a test waits for a queue to drain; upstream's dummy takes half of it."""


@pytest.fixture(scope="module")
def zookeeper() -> Iterator[Server]:
    with server() as one:
        yield one


@pytest.fixture
def cluster(python: Path, zookeeper: Server, tmp_path: Path) -> Iterator[Cluster]:
    with_client = KazooClient(zookeeper.host)
    with_client.start()
    cluster = Cluster(tmp_path, python, zookeeper.host)
    try:
        yield cluster
    finally:
        cluster.close()
        for path in ("/job", "/election"):
            with_client.delete(path, recursive=True)
        with_client.stop()
        with_client.close()


def test_upstreams_executor_runs_what_our_server_puts_into_the_queue(cluster: Cluster) -> None:
    program = cluster.upstreams()
    quick = cluster.add(QUICK, 20)
    unknown = cluster.add("nobody_has_this", 1)
    slow = cluster.add("dummy_test_action", 1)
    until(lambda: cluster.states() == {"SUCCESS": 21, "FAILED": 1}, "the end of all jobs", LONGEST)
    for id_ in [*quick, *slow]:
        job = cluster.api.get(id_).data
        assert (job["state"], job["return-code"], job["attempt"]) == ("SUCCESS", 0, 1)
        assert job["tags"][0].startswith("/job/entries/entry-")
    (failed,) = unknown
    assert cluster.api.get(failed).data["status-message"].startswith("Not implemented action")
    program.terminate()
    assert program.wait(WITHIN) == 0


def test_a_bulk_job_leaves_the_queue_and_is_ended_by_its_children(cluster: Cluster) -> None:
    cluster.ours()
    cluster.api.add("nuvlabox", {"name": "edge", "acl": {"owners": [JANE["user-id"]]}})
    payload = json.dumps({"filter": 'name="edge"', "authn-info": JANE})
    who = JANE["active-claim"]
    acl = {"owners": ["group/nuvla-admin"], "view-acl": [who], "manage": [who]}  # as a bulk operation of hers makes it
    document = {"action": "bulk_update_nuvlabox", "payload": payload, "acl": acl}
    bulk = cluster.api.add("job", document).data["resource-id"]
    until(lambda: cluster.api.get(bulk).data["state"] in ("SUCCESS", "FAILED"), "the end of the bulk job")
    events = cluster.api.operation(cluster.api.get(bulk), "events").data["events"]
    assert [event["kind"] for event in events].count("claimed") == 1
    assert "detached" in {event["kind"] for event in events}
    (child,) = cluster.api.search("job", filter=f'parent-job="{bulk}"').resources
    assert child.data["action"] == "nuvlabox_update"
    stranger = cluster.stranger()
    eventually(lambda: not stranger.entries())


def test_a_mixed_fleet_drains_one_queue(cluster: Cluster) -> None:
    cluster.upstreams()
    cluster.ours()
    stranger = cluster.stranger()
    ids = cluster.add(QUICK, JOBS)
    until(lambda: cluster.states() == {"SUCCESS": JOBS}, "the end of all jobs", LONGEST)
    eventually(lambda: not stranger.entries())
    jobs = [job.data for job in cluster.api.search("job").resources]
    assert {job["id"] for job in jobs} == set(ids)
    assert {job["attempt"] for job in jobs} == {1}
    who: Counter[str] = Counter()
    for job in jobs:
        events = cluster.api.operation(CimiResource(job), "events").data["events"]
        (claimed,) = [event for event in events if event["kind"] == "claimed"]
        assert [event["kind"] for event in events].count("success") == 1
        who["ours" if "executor" in claimed else "stranger" if job["id"] in stranger.ran else "upstream"] += 1
    assert stranger.refused == []
    assert min(who[one] for one in ("ours", "stranger", "upstream")) > 0, who

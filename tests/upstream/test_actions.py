"""Upstream's own classes, unmodified, on our engine: from the add of a job to its end and what it did.

docs/upstream-actions.md lists which; test_table.py looks into this file for their names.
"""

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.running import Up, running, unique
from tests.upstream.conftest import ACTIONS
from tests.upstream.scene import FINAL, JANE, Scene, result

pytestmark = pytest.mark.timeout(600)

LONGEST = 45.0
"""Seconds: upstream's dummy_test_action takes up to 30."""
VALID = """
version: "3"
services:
  web:
    image: nginx
    ports: ["${PORT}:80"]
"""


def module(compose: str) -> dict[str, Any]:
    return {"content": {"docker-compose": compose, "environmental-variables": [{"name": "PORT"}]}}


@pytest.fixture(scope="module", autouse=True)
def dummy(scene: Scene) -> tuple[str, float]:
    """A job that takes its time while the other tests run."""
    return scene.job("dummy_test_action"), time.monotonic()


def test_a_docker_compose_file_is_validated(scene: Scene) -> None:
    good, bad = scene.document("module", **module(VALID)), scene.document("module", **module(VALID + "    imag: x\n"))
    ran = scene.ran("validate-docker-compose", good)
    assert (ran["state"], ran["return-code"]) == ("SUCCESS", 0)
    found = scene.get(good)
    assert (found["valid"], found["validation-message"]) == (True, "Docker-compose valid.")
    ran = scene.ran("validate-docker-compose", bad)
    assert (ran["state"], ran["return-code"]) == ("FAILED", 1)
    assert "imag" in ran["status-message"]
    found = scene.get(bad)
    assert (found["valid"], found["validation-message"]) == (False, ran["status-message"])


def test_validation_by_the_modules_own_operation(scene: Scene) -> None:
    id_ = scene.document("module", **module(VALID))
    answer = scene.jane.operation(scene.jane.get(id_), "validate-docker-compose").data
    assert (answer["status"], answer["resource-id"]) == (202, id_)
    job = scene.ended(answer["location"])
    assert (job["state"], job["priority"], job["created-by"]) == ("SUCCESS", 50, "user/jane")


def test_children_are_canceled(scene: Scene) -> None:
    parent = scene.job("bulk_of_a_person", **{"execution-mode": "pull"})
    children = [scene.job("noop", **{"parent-job": parent, "execution-mode": "pull"}) for _ in range(3)]
    other = scene.job("noop", **{"execution-mode": "pull"})
    ran = scene.ran("cancel_children_jobs", parent)
    assert (ran["state"], ran["return-code"]) == ("SUCCESS", 0)
    assert {scene.get(child)["state"] for child in children} == {"CANCELED"}
    assert [scene.get(id_)["state"] for id_ in (parent, other)] == ["QUEUED", "QUEUED"]


def test_the_cancel_of_a_bulk_job_cancels_its_children(scene: Scene) -> None:
    parent = scene.job("bulk_of_a_person", **{"execution-mode": "pull"})
    child = scene.job("noop", **{"parent-job": parent, "execution-mode": "pull"})
    assert scene.api.operation(scene.api.get(parent), "cancel").data["state"] == "CANCELED"
    assert scene.ended(child)["state"] == "CANCELED"


def test_a_bulk_job_is_left_to_its_children(scene: Scene) -> None:
    """They fail, because no container engine is here; that is what the bulk job says in the end."""
    name = unique("left")
    ids = [scene.document("deployment", name=f"{name}-{number}") for number in range(3)]
    foreign = scene.api.add("deployment", {"name": f"{name}-too"}).data["resource-id"]
    payload = {"filter": f'name^="{name}-"', "authn-info": JANE}
    bulk = scene.job("bulk_stop_deployment", "deployment", payload)
    ended = scene.ended(bulk)
    assert "monitor" in ended["tags"]
    children = [child.data for child in scene.api.search("job", filter=f'parent-job="{bulk}"').resources]
    assert sorted(child["target-resource"]["href"] for child in children) == sorted(ids)
    assert foreign not in {child["target-resource"]["href"] for child in children}
    assert {(child["action"], child["state"], child["priority"]) for child in children} == {
        ("stop_deployment", "FAILED", 999)
    }
    said = result(ended)
    assert (said["total_actions"], said["failed_count"], said["queued_count"]) == (3, 3, 0)
    assert "detached" in scene.history(bulk)


def test_a_bulk_job_without_elements_ends(scene: Scene) -> None:
    bulk = scene.job("bulk_update_nuvlabox", "nuvlabox", {"filter": 'name="nobody"', "authn-info": JANE})
    assert result(scene.ended(bulk))["total_actions"] == 0


def test_what_a_bulk_job_does_itself(scene: Scene) -> None:
    scene.document("deployment", name="gone")
    payload = {"filter": 'name="gone"', "authn-info": JANE}
    ended = scene.ran("bulk_force_delete_deployment", "deployment", payload)
    assert result(ended)["error_reasons"][0]["reason"].startswith("undefined action (force-delete)")
    ended = scene.ran("bulk_delete_deployment", "deployment", payload)
    assert (ended["state"], result(ended)["success_count"]) == ("SUCCESS", 1)
    assert scene.api.search("deployment", filter='name="gone"').count == 0


def test_a_bulk_job_whose_elements_make_jobs_by_their_operations(scene: Scene) -> None:
    name = unique("edge")
    edge = scene.document("nuvlabox", name=name)
    bulk = scene.job("bulk_update_nuvlabox", "nuvlabox", {"filter": f'name="{name}"', "authn-info": JANE})
    scene.ended(bulk)
    (child,) = scene.api.search("job", filter=f'parent-job="{bulk}"').resources
    assert (child.data["action"], child.data["target-resource"]["href"]) == ("nuvlabox_update", edge)
    deployment = scene.document("deployment", name=name)
    bulk = scene.job("bulk_update_deployment", "deployment", {"filter": f'name="{name}"', "authn-info": JANE})
    scene.ended(bulk)
    (child,) = scene.api.search("job", filter=f'parent-job="{bulk}"').resources
    assert (child.data["action"], child.data["target-resource"]["href"]) == ("update_deployment", deployment)


def test_children_are_monitored(scene: Scene) -> None:
    """A bulk job that another engine runs: RUNNING, and nobody's here."""
    bulk = scene.job("bulk_elsewhere", **{"execution-mode": "pull"})
    done, failed = scene.document("deployment"), scene.document("deployment")
    waiting = scene.document("deployment")
    children = {
        target: scene.job("noop", target, **{"parent-job": bulk, "execution-mode": "pull"})
        for target in (done, failed, waiting)
    }
    started = {"total_actions": 3, "queued": list(children), "queued_count": 3, "jobs_count": 3}
    scene.api.edit(bulk, {"state": "RUNNING", "status-message": json.dumps(started)})
    for target, state in ((done, "SUCCESS"), (failed, "FAILED")):
        scene.api.edit(children[target], {"state": state})
    assert scene.ran("monitor_bulk_job", bulk)["state"] == "SUCCESS"
    found = scene.get(bulk)
    said = result(found)
    assert (found["state"], found["progress"]) == ("RUNNING", 66)
    assert (said["success"], said["failed_count"], said["queued"]) == ([done], 1, [children[waiting]])
    scene.api.operation(scene.api.get(children[waiting]), "cancel")
    assert scene.ran("monitor_bulk_job", bulk)["state"] == "SUCCESS"
    found = scene.get(bulk)
    assert (found["state"], found["return-code"]) == ("SUCCESS", 0)
    reasons = {reason["reason"]: reason["count"] for reason in result(found)["error_reasons"]}
    assert reasons == {"Job failed": 1, "Job canceled": 1}


def test_a_deployment_set_is_stopped_updated_and_removed(scene: Scene) -> None:
    set_ = scene.document("deployment-set", subtype="docker-compose")
    deployment = scene.document("deployment", state="STARTED", **{"deployment-set": set_})
    payload = dict.fromkeys(("authn-info", "dg-authn-info", "dg-owner-authn-info"), JANE)
    bulk = scene.job("bulk_deployment_set_stop", set_, payload)
    scene.ended(bulk)
    (child,) = scene.api.search("job", filter=f'parent-job="{bulk}"').resources
    assert (child.data["action"], child.data["target-resource"]["href"]) == ("stop_deployment", deployment)
    assert scene.ran("deployment_set_automatic_update", set_)["return-code"] == 0
    assert scene.ran("deployment_set_delete", set_, payload)["state"] == "SUCCESS"
    assert scene.api.search("deployment", filter=f'deployment-set="{set_}"').count == 0


def test_an_edge_is_decommissioned(scene: Scene) -> None:
    edge = scene.document("nuvlabox", state="DECOMMISSIONING", online=True)
    group = scene.document("infrastructure-service-group", parent=edge)
    service = scene.document("infrastructure-service", parent=group)
    scene.jane.edit(group, {"infrastructure-services": [{"href": service}]})
    parts = [scene.document(type_, parent=edge) for type_ in ("nuvlabox-status", "nuvlabox-peripheral", "resource-log")]
    ran = scene.ran("decommission_nuvlabox", edge)
    assert (ran["state"], ran["return-code"], ran["progress"]) == ("SUCCESS", 0, 100)
    found = scene.get(edge)
    assert found["state"] == "DECOMMISSIONED"
    assert "online" not in found
    for id_ in (*parts, group, service):
        assert scene.api.search(id_.split("/")[0], filter=f'id="{id_}"').count == 0


def test_clusters_without_edges_are_removed(scene: Scene) -> None:
    edge = scene.document("nuvlabox")
    scene.document("nuvlabox-status", parent=edge, **{"cluster-id": "c"})
    kept = scene.document("nuvlabox-cluster", **{"nuvlabox-managers": [edge], "cluster-id": "c"})
    gone = scene.document("nuvlabox-cluster", **{"cluster-id": "d"})
    assert scene.ran("nuvlabox_cluster_cleanup")["status-message"] == "NuvlaBox Clusters cleanup finished."
    left = [cluster.id for cluster in scene.api.search("nuvlabox-cluster").resources]
    assert (kept in left, gone in left) == (True, False)


def test_what_cannot_be_checked_is_said(scene: Scene) -> None:
    ran = scene.ran("dct_check", scene.document("module", subtype="application_helm", content={}))
    assert (ran["state"], ran["status-message"]) == ("SUCCESS", "DCT check for Helm chart is not supported")


def test_jobs_older_than_a_week_are_removed(python: Path, with_compose: str, tmp_path: Path) -> None:
    """The record is aged between two runs of the engine: the API lets nobody say when a job was created."""
    options: dict[str, Any] = {"program": str(python.with_name("job-engine")), "environ": {"PATH": with_compose}}
    folder = tmp_path / "data"
    with running(folder, **options) as up:
        scene = Scene(up)
        old, new = scene.ran("noop")["id"], scene.ran("noop")["id"]
        queued = scene.job("noop", **{"execution-mode": "pull"})
        _stop(up)
    with sqlite3.connect(folder / "record.db") as record:
        record.execute("update job set created = '2020-01-01T00:00:00.000Z' where id in (?, ?)", (old, queued))
    with running(folder, "--actions", ACTIONS, **options) as up:
        scene = Scene(up)
        ran = scene.ran("cleanup_jobs")
        assert ran["status-message"] == "Cleanup of completed jobs finished. Removed 1 jobs."
        found = {job.id for job in scene.api.search("job").resources}
        assert found == {new, queued, ran["id"]}


def _stop(up: Up) -> None:
    assert up.stop() == 0


def test_upstreams_dummy_takes_its_time(scene: Scene, dummy: tuple[str, float]) -> None:
    id_, began = dummy
    while scene.get(id_)["state"] not in FINAL and time.monotonic() < began + LONGEST:
        scene.api.operation(scene.api.get(id_), "wait")
    ran = scene.get(id_)
    assert (ran["state"], ran["return-code"]) == ("SUCCESS", 0)
    assert ran["duration"] >= 2  # ours with the same name is interruptible, and not the one that was meant

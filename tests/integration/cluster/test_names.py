"""Executors as people see them: under one name everywhere, and no longer than they are there."""

from tests.integration.cluster.processes import Cluster
from tests.integration.engine_processes import KILL, TERM


def test_one_name_is_in_all_lists(cluster: Cluster) -> None:
    cluster.executor().ready()
    job = cluster.submit("patient")
    cluster.note("begin")
    (executor,) = cluster.client.executors()
    header, row = cluster.command("executors").splitlines()
    assert header.split()[:2] == ["name", "member"]
    assert row.split()[:2] == ["executor-0", executor.member]
    taken = next(line for line in cluster.command("queue").splitlines() if job.id in line)
    assert f"executor-0 ({executor.member})" in taken
    summary = job.explain().summary
    assert summary.startswith("It runs on executor executor-0 ")
    assert executor.member in summary
    cluster.go()


def test_who_stops_is_gone_at_once_and_jobs_wait_for_another(cluster: Cluster) -> None:
    executor = cluster.executor().ready()
    cluster.submit("noted").wait(20)
    executor.signal(TERM)
    assert executor.stopped() == 0
    assert cluster.client.executors() == []
    summary = cluster.submit("noted").explain().summary
    assert "It waits for an executor that has the action noted (no executor of ours is alive" in summary


def test_who_is_replaced_is_gone_at_once(cluster: Cluster) -> None:
    folder = str(cluster.folder / "run")
    dead = cluster.executor("--run-dir", folder).ready()
    cluster.submit("noted").wait(20)
    dead.signal(KILL)
    cluster.executor("--run-dir", folder).ready()
    cluster.submit("noted").wait(20)
    assert [one.name for one in cluster.client.executors()] == ["executor-1"]

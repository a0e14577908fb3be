"""Executors that take from ZooKeeper, without accidents."""

import signal

import pytest

from job_engine.client.handle import JobCanceled
from tests.integration.cluster.processes import Cluster
from tests.integration.engine_processes import until


def test_jobs_run_once_each_in_two_executors(cluster: Cluster) -> None:
    for _ in range(2):
        cluster.executor().ready()
    jobs = cluster.client.submit_many("noted", [{"folder": str(cluster.folder)}] * 2000)
    until(lambda: cluster.client.count("state='SUCCESS'") == 2000, "the jobs to end")
    assert sorted(line.split()[1] for line in cluster.notes("ran")) == sorted(job.id for job in jobs)
    with cluster.look() as children:
        until(lambda: not children("entries"), "an empty queue")
        assert children("taken") == []


def test_cancel_reaches_a_running_action(cluster: Cluster) -> None:
    cluster.executor().ready()
    job = cluster.submit("patient")
    cluster.note("begin")
    job.cancel()
    cluster.note("interrupted 1 canceled")
    with pytest.raises(JobCanceled):
        job.wait(5)
    cluster.submit("noted").wait(5)


def test_a_stop_lets_jobs_finish_and_leaves_nothing(cluster: Cluster) -> None:
    executor = cluster.executor().ready()
    job = cluster.submit("patient")
    cluster.note("begin")
    executor.signal(signal.SIGTERM)
    executor.wait_for_log("stops when its 1 running jobs have ended")
    cluster.go()
    assert job.wait(10) == "attempt 1"
    assert executor.stopped() == 0


def test_a_second_signal_gives_jobs_back_at_once(cluster: Cluster) -> None:
    executor = cluster.executor().ready()
    job = cluster.submit("patient")
    cluster.note("begin 1")
    executor.signal(signal.SIGTERM)
    executor.wait_for_log("stops when its 1 running jobs have ended")
    executor.signal(signal.SIGTERM)
    assert executor.stopped() == 0
    cluster.executor().ready()
    cluster.note("begin 2")
    cluster.go()
    assert job.wait(10) == "attempt 2"
    assert "stopped" in cluster.kinds(job)

"""Worker processes, supervisors, ZooKeeper and the API that die, freeze or are cut off, in a cluster."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from tests import zookeeper
from tests.integration.cluster.processes import Cluster
from tests.integration.engine_processes import CONT, KILL, STOP, alive


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cluster]:
    """With a ZooKeeper of its own, to be broken."""
    with zookeeper.server(extra="maxSessionTimeout=60000") as server:
        cluster = Cluster(tmp_path, server.host, "/own")
        cluster.own_zookeeper = server
        yield cluster
        cluster.close()


def test_a_killed_worker_process_gives_its_job_back(cluster: Cluster) -> None:
    cluster.executor().ready()
    job = cluster.submit("patient")
    os.kill(int(cluster.note("begin 1")[-1]), KILL)
    cluster.note("begin 2 True")
    cluster.go()
    assert job.wait(10) == "attempt 2"
    assert "died" in cluster.kinds(job)


def test_an_action_that_holds_the_interpreter_costs_no_hold(cluster: Cluster) -> None:
    executor = cluster.executor("--processes", "2", "--threads", "1", "--session-timeout", "1500ms").ready()
    job = cluster.submit("hog", seconds=1.8)
    cluster.note("begin hog")
    others = [cluster.submit("noted") for _ in range(5)]
    for other in others:
        other.wait(10)
    job.wait(60)
    assert job.attempt == 1
    assert "has not answered" not in executor.log


def test_a_killed_supervisor_is_followed_at_once_in_its_run_folder(own: Cluster) -> None:
    folder = str(own.folder / "run")
    first = own.executor("--run-dir", folder, "--session-timeout", "60s").ready()  # nobody here waits for that
    job = own.submit("patient")
    worker = int(own.note("begin 1")[-1])
    first.signal(KILL)
    own.executor("--run-dir", folder).ready()
    own.note("begin 2")
    assert not alive(worker)
    own.go()
    assert job.wait(10) == "attempt 2"


def test_a_killed_supervisors_jobs_run_again_after_its_session(cluster: Cluster) -> None:
    first = cluster.executor().ready()
    job = cluster.submit("patient")
    cluster.note("begin 1")
    cluster.executor().ready()
    first.signal(KILL)
    cluster.note("begin 2")
    cluster.go()
    assert job.wait(10) == "attempt 2"
    assert "lost" in cluster.kinds(job)


def test_a_frozen_supervisor_comes_back_too_late(cluster: Cluster) -> None:
    frozen = cluster.executor().ready()
    job, deaf = cluster.submit("patient"), cluster.submit("deaf")
    worker = int(cluster.note("begin 1", 2)[-1])
    frozen.signal(STOP)
    cluster.executor().ready()
    cluster.note("begin 2", 2)
    assert cluster.notes("interrupted 1"), "the time that workers share ended it before the job could run again"
    assert not alive(worker), "and the watchdog what does not look at it"
    frozen.signal(CONT)
    frozen.wait_for_log("has not answered for too long")
    cluster.submit("noted").wait(20)
    cluster.go()
    assert job.wait(10) == "attempt 2"
    deaf.wait(10)
    assert {job.attempt, deaf.attempt} == {2}
    cluster.executors[1].signal(KILL)  # and it takes jobs again
    cluster.submit("noted").wait(20)


def test_zookeeper_is_restarted_and_nothing_is_lost(own: Cluster) -> None:
    for _ in range(2):
        own.executor().ready()
    job = own.submit("patient")
    own.note("begin 1")
    own.own_zookeeper.kill()
    waiting = own.client.submit_many("noted", [{"folder": str(own.folder)}] * 50)
    own.own_zookeeper.start()
    for other in waiting:
        other.wait(30)
    own.go()
    job.wait(30)
    assert sorted(line.split()[1] for line in own.notes("ran")) == sorted(other.id for other in waiting)


def test_an_executor_that_is_cut_off_from_zookeeper_gives_its_jobs_up(cluster: Cluster) -> None:
    proxy = cluster.proxy(int(cluster.host.rpartition(":")[2]))
    cut_off = cluster.executor(zookeeper=proxy.host).ready()
    job = cluster.submit("patient")
    cluster.note("begin 1")
    proxy.set(up="hold", down="hold")
    cluster.note("interrupted 1 lost")
    assert "ZooKeeper at" in next(line for line in cut_off.log.splitlines() if "has not answered for too long" in line)
    cluster.executor().ready()
    cluster.note("begin 2")
    proxy.set(up="pass", down="pass")
    proxy.cut()
    cluster.go()
    assert job.wait(20) == "attempt 2"
    assert "died" not in cluster.kinds(job)
    assert "lost" in cluster.kinds(job)
    cluster.executors[1].signal(KILL)  # and it takes jobs again
    cluster.submit("noted").wait(20)


def test_a_session_that_somebody_ends_is_followed_by_another(own: Cluster) -> None:
    folder, proxy = own.folder / "run", own.proxy(own.port)
    own.executor("--run-dir", str(folder), "--session-timeout", "60s", api=f"http://{proxy.host}").ready()
    own.submit("patient")
    own.note("begin 1")
    number, password = (folder / "zookeeper-session").read_text().split()
    proxy.set(up="hold")  # so that the record cannot tell it either, and its deadline is far away
    thief = KazooClient(own.host, client_id=(int(number), bytes.fromhex(password)))
    thief.start()
    thief.stop()
    thief.close()
    own.note("interrupted 1 lost")
    proxy.set(up="pass")
    own.note("begin 2")
    own.go()


def test_an_api_that_is_away_costs_time(cluster: Cluster) -> None:
    proxy = cluster.proxy(cluster.port)
    executor = cluster.executor(api=f"http://{proxy.host}").ready()
    job = cluster.submit("patient")
    cluster.note("begin 1")
    proxy.set(up="hold")  # it hangs, for longer than a heartbeat of ZooKeeper may
    executor.wait_for_log("trying again")
    cluster.kill_server()
    cluster.go()
    proxy.set(up="pass")
    proxy.cut()
    cluster.start_server()
    assert job.wait(20) == "attempt 1"
    assert cluster.notes("interrupted") == []
    cluster.submit("noted").wait(20)


def test_an_executor_that_is_cut_off_from_the_api_lets_others_run_its_jobs(cluster: Cluster) -> None:
    proxy = cluster.proxy(cluster.port)
    executor = cluster.executor("--api-grace", "1s", api=f"http://{proxy.host}").ready()
    job = cluster.submit("patient")
    cluster.note("begin 1")
    proxy.set(refuse=True)
    proxy.cut()
    cluster.note("interrupted 1 lost")
    executor.wait_for_log("a new ZooKeeper session")
    cluster.executor().ready()
    cluster.note("begin 2")
    cluster.go()
    assert job.wait(10) == "attempt 2"
    proxy.set(refuse=False)
    executor.wait_for_log("answers again")
    cluster.executors[1].signal(KILL)  # and it takes jobs again
    cluster.submit("noted").wait(20)

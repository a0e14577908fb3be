"""Executors that are started wrongly or too early, and what they say."""

from pathlib import Path

from tests.integration.cluster.processes import PROGRAM, Cluster
from tests.integration.engine_processes import TERM, Engine, Executor, until
from tests.integration.running import clean
from tests.zookeeper import free_port


def test_a_zookeeper_that_is_away_is_told_once_and_again_when_it_is_back(cluster: Cluster) -> None:
    proxy = cluster.proxy(int(cluster.host.rpartition(":")[2]))
    proxy.set(refuse=True)
    executor = cluster.executor(zookeeper=proxy.host).ready()
    executor.wait_for_log(f"ZooKeeper at {proxy.host} is unreachable")
    proxy.set(refuse=False)
    executor.wait_for_log(f"connected to ZooKeeper at {proxy.host} again")
    cluster.submit("noted").wait(20)
    assert executor.log.count("WARNING") == 1 + executor.log.count("Anybody who reaches ZooKeeper")
    proxy.set(refuse=True)
    proxy.cut()
    executor.wait_for_log(f"no session any more with ZooKeeper at {proxy.host}")
    proxy.set(refuse=False)
    executor.wait_for_log(f"connected to ZooKeeper at {proxy.host} again", 2)
    cluster.submit("noted").wait(20)


def test_a_stop_ends_the_search_for_zookeeper(cluster: Cluster) -> None:
    executor = cluster.executor(zookeeper=f"127.0.0.1:{free_port()}").ready()
    executor.wait_for_log("trying again")
    executor.signal(TERM)
    assert executor.stopped() == 0
    assert cluster.client.executors() == [], "nobody has heard of it"


def test_an_executor_without_zookeeper_is_told_to_use_it(cluster: Cluster) -> None:
    executor = cluster.executor(zookeeper=None)
    assert executor.stopped() == 2
    (line,) = executor.log.splitlines()[-1:]
    assert "ERROR" in line
    assert "this server's jobs are in the queue of ZooKeeper: start the executor with --zk-hosts" in line


def test_an_executor_with_zookeeper_is_told_to_use_none(tmp_path: Path, host: str) -> None:
    engine = Engine(tmp_path)
    command = [
        PROGRAM, "executor", "--api-url", engine.url, "--api-user", engine.admin["username"], "--api-pass",
        engine.admin["password"], "--zk-hosts", host, "--zk-path", "/nobodys",
    ]  # fmt: skip
    executor = Executor(tmp_path / "executor.log", command, env=clean())
    engine.executors.append(executor)
    assert executor.stopped() == 2
    assert "this server uses no ZooKeeper" in executor.log.splitlines()[-1]
    engine.close()


def test_an_executor_that_looks_elsewhere_hears_where_the_queue_is(cluster: Cluster) -> None:
    elsewhere = cluster.executor(zookeeper=f"{cluster.host}/chroot").ready()
    elsewhere.wait_for_log(f"is at {cluster.path} in ZooKeeper, and we look at /chroot{cluster.path},")
    here = cluster.executor().ready()
    cluster.submit("noted").wait(20)
    assert "and we look at" not in here.log


def test_doctor_finds_an_executor_that_is_elsewhere_and_asks_the_server_where_zookeeper_is(cluster: Cluster) -> None:
    cluster.executor().ready()
    well = cluster.doctor()
    assert well["zk write"][0] == "ok"
    assert "members" not in well
    assert well["entries"][1].endswith("members: 1 executor, 1 relay")
    elsewhere = cluster.executor(zookeeper=f"{cluster.host}/chroot").ready()
    outcome, detail = until(lambda: cluster.doctor().get("members"), "the executor being missed")
    assert outcome == "fail"
    assert "executor-1 on " in detail
    assert "executor-0" not in detail
    assert f"not at {cluster.path} in the server's ZooKeeper ({cluster.host})" in detail
    elsewhere.signal(TERM)
    assert elsewhere.stopped() == 0
    until(lambda: "members" not in cluster.doctor(), "it being gone")

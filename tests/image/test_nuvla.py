"""The images under Nuvla's own command lines, with a ZooKeeper and a server of ours."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from job_engine.client import Client
from tests.image.conftest import Make
from tests.image.container import WITHIN, eventually
from tests.integration.running import start
from tests.zookeeper import free_port

ADMIN = ("--api-insecure", "--api-authn-header", "group/nuvla-admin")

ROOT = Path(__file__).parents[2]
TABLE = set(re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "upstream-actions.md").read_text(), re.MULTILINE))
"""The names of Nuvla's actions."""


@contextlib.contextmanager
def serving(folder: Path, zk: str) -> Iterator[tuple[str, Client]]:
    """A server on this machine that believes the header; its address, and a client."""
    url = f"http://127.0.0.1:{free_port()}"
    log = folder / "server.log"
    process = start(
        log, "server", "--data", str(folder / "data"), "--port", url.rpartition(":")[2], "--zk-hosts", zk,
        "--zk-path", "/image", "--trust-authn-header", "127.0.0.1/32",
    )  # fmt: skip
    try:
        eventually(lambda: "listening on" in log.read_text())
        with Client(data=folder / "data", environ={}) as client:
            yield url, client
    finally:
        process.terminate()
        process.wait(WITHIN)


@pytest.mark.parametrize(("target", "of_nuvla"), [("job", 49), ("job-lite", 22)])
def test_the_executor_has_nuvlas_actions_and_runs_one(
    target: str, of_nuvla: int, make: Make, zk: str, tmp_path: Path
) -> None:
    container = make(target)
    with serving(tmp_path, zk) as (url, client):
        started = container.start(
            "--", "/app/job_executor.py", "--api-url", url, *ADMIN, "--zk-hosts", zk, "--zk-path", "/image"
        )
        [executor] = eventually(lambda: [each for each in client.executors() if each.actions])
        assert executor.failed_imports == {}
        assert len(TABLE & set(executor.actions)) == of_nuvla
        assert container.well()
        if target == "job":
            assert client.submit("dummy_test_action").wait(WITHIN) is None
        assert started.stop() == 0, started.said()
        eventually(lambda: client.executors() == [])


def test_an_edge_runs_its_one_job(make: Make, zk: str, tmp_path: Path) -> None:
    container = make("job-lite")
    with serving(tmp_path, zk) as (url, client):
        job = client.submit("coe_resource_actions", payload={}, mode="pull")
        started = container.start("--", "/app/job_executor.py", "--api-url", url, *ADMIN, "--job-id", job.id)
        assert started.process.wait(WITHIN) == 0, started.said()
        assert job.wait(WITHIN) is None


def test_the_distributor_has_nuvlas_distributions(make: Make, zk: str, tmp_path: Path) -> None:
    container = make("job")
    with serving(tmp_path, zk) as (url, client):
        started = container.start(
            "--", "/app/job_distributor.py", "--api-url", url, *ADMIN, "--zk-hosts", zk, "--zk-path", "/image"
        )
        started.until("makes jobs for")
        made = eventually(lambda: [each["name"] for each in client.distributions()])
        assert len(made) == 14, made
        assert container.well()
        assert started.stop() == 0, started.said()

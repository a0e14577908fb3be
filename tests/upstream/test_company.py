"""One distribution, distributed by upstream's own distributor process and by ours: one leader among all."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.engine_processes import until
from tests.upstream.peers import Cluster
from tests.zookeeper import Server, server

pytestmark = pytest.mark.timeout(300)

NAME = "cleanup_jobs"
TICKS = 3
"""Ticks, a second each, that a leader is watched for."""
PATIENCE = 60.0
"""Seconds for another to lead: kazoo's sessions last 10 s after a kill."""


@pytest.fixture
def zookeeper() -> Iterator[Server]:
    with server() as one:
        yield one


@pytest.fixture
def cluster(python: Path, zookeeper: Server, tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, python, zookeeper.host)
    try:
        yield cluster
    finally:
        cluster.close()


def test_upstreams_distributor_and_ours_lead_one_after_the_other(cluster: Cluster) -> None:
    theirs = cluster.upstreams_distributor(NAME)
    until(lambda: _made(cluster)[1] >= 1, "upstream's first job", PATIENCE)
    ours = cluster.our_distributor(NAME)
    until(lambda: len(_state(cluster).get("contenders", ())) == 2, "both contending", PATIENCE)
    leader = _state(cluster)["leader"]
    _watch(cluster, theirs=True)
    assert _state(cluster)["leader"] == leader

    theirs.send_signal(signal.SIGKILL)
    theirs.wait()
    until(lambda: _state(cluster).get("leader") not in (None, leader), "ours leading", PATIENCE)
    again = cluster.upstreams_distributor(NAME)
    until(lambda: len(_state(cluster).get("contenders", ())) == 2, "both contending again", PATIENCE)
    _watch(cluster, theirs=False)

    ours.send_signal(signal.SIGKILL)
    ours.wait()
    before = _made(cluster)[1]
    until(lambda: _made(cluster)[1] > before, "upstream leading again", PATIENCE)
    assert again.poll() is None


def _watch(cluster: Cluster, *, theirs: bool) -> None:
    """A few ticks are made by these, and none by the others."""
    ours_before, theirs_before = _made(cluster)
    if theirs:
        until(lambda: _made(cluster)[1] >= theirs_before + TICKS, "ticks of upstream's", PATIENCE)
        assert _made(cluster)[0] == ours_before
    else:
        until(lambda: _made(cluster)[0] >= ours_before + TICKS, "ticks of ours", PATIENCE)
        assert _made(cluster)[1] == theirs_before


def _state(cluster: Cluster) -> dict[str, Any]:
    found = cluster.api.search("distribution", filter=f'name="{NAME}"').resources
    return dict(found[0].data) if found else {}


def _made(cluster: Cluster) -> tuple[int, int]:
    """Jobs made by ours, which the record counts in the tick's own transaction, and by upstream's: all others."""
    while True:
        ours = _state(cluster).get("jobs-made", 0)
        total = cluster.api.search("job", filter=f'action="{NAME}"', last=0).count
        if _state(cluster).get("jobs-made", 0) == ours:
            return ours, total - ours

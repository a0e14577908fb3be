"""Throw-away ZooKeeper servers. The tests share one, each with a path of its own there, unless they break theirs."""

from collections.abc import Iterator

import pytest

from tests import zookeeper


@pytest.fixture(scope="session")
def zk() -> Iterator[zookeeper.Server]:
    """A server that nobody breaks."""
    with zookeeper.server() as server:
        yield server


@pytest.fixture(scope="session")
def host(zk: zookeeper.Server) -> str:
    """Its host and port."""
    return zk.host


@pytest.fixture
def proxy(zk: zookeeper.Server) -> Iterator[zookeeper.Proxy]:
    """A way to it that can be broken."""
    proxy = zookeeper.Proxy(zk.port)
    yield proxy
    proxy.close()


@pytest.fixture
def server() -> Iterator[zookeeper.Server]:
    """A server of one's own, to kill, pause and wipe."""
    with zookeeper.server() as server:
        yield server

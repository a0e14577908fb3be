"""Throw-away ZooKeeper servers. The tests share one, each with a path of its own there, unless they break theirs."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests import zookeeper

ON_BOTH = ("tests/integration/queue/", "tests/integration/relay/", "tests/integration/sources/")
"""Whose tests run on each version of ZooKeeper that is supported: all that speak to it. The others are of the rest."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each version for the suites that speak to ZooKeeper, if the test has a server at all."""
    if "version" in metafunc.fixturenames and metafunc.definition.nodeid.startswith(ON_BOTH):
        metafunc.parametrize("version", [zookeeper.NEW, zookeeper.OLD], indirect=True, scope="session")


@pytest.fixture(scope="session")
def version(request: pytest.FixtureRequest) -> str:
    """Of the servers."""
    return str(getattr(request, "param", zookeeper.NEW))


@pytest.fixture(scope="session")
def shared() -> Iterator[Callable[[str], zookeeper.Server]]:
    """The server of a version that nobody breaks, started when it is first asked for."""
    with contextlib.ExitStack() as stack:
        started: dict[str, zookeeper.Server] = {}

        def of(version: str) -> zookeeper.Server:
            if version not in started:
                started[version] = stack.enter_context(zookeeper.server(version=version))
            return started[version]

        yield of


@pytest.fixture(scope="session")
def zk(shared: Callable[[str], zookeeper.Server], version: str) -> zookeeper.Server:
    """A server that nobody breaks."""
    return shared(version)


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
def server(version: str) -> Iterator[zookeeper.Server]:
    """A server of one's own, to kill, pause and wipe."""
    with zookeeper.server(version=version) as server:
        yield server

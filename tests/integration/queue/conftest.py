from collections.abc import Iterator

import pytest

from tests import zookeeper


@pytest.fixture(scope="session", autouse=True)
def _needs_zookeeper() -> None:
    if not zookeeper.available():
        pytest.fail("needs Java and Debian's package libzookeeper-java: ./dev test installs both")


@pytest.fixture(scope="session")
def host() -> Iterator[str]:
    """A server that nobody breaks."""
    with zookeeper.server() as server:
        yield server.host


@pytest.fixture
def proxy(host: str) -> Iterator[zookeeper.Proxy]:
    """A way to the shared server that can be broken."""
    proxy = zookeeper.Proxy(int(host.rpartition(":")[2]))
    yield proxy
    proxy.close()


@pytest.fixture
def server() -> Iterator[zookeeper.Server]:
    """A server of one's own, to kill, pause and wipe."""
    with zookeeper.server() as server:
        yield server

"""What `./dev image` has built. Without it there is nothing to test here: `./dev test` builds no images."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import zookeeper
from tests.image.container import Container

collect_ignore_glob = [] if os.environ.get("JOB_ENGINE_TEST_IMAGE") else ["test_*.py"]

Make = Callable[[str], Container]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes containers of a target."""
    made: list[Container] = []

    def make(target: str) -> Container:
        folder = tmp_path / f"container-{len(made)}"
        folder.mkdir()
        made.append(Container(target, folder))
        return made[-1]

    yield make
    for container in made:
        container.remove()


@pytest.fixture(scope="session")
def zk() -> Iterator[str]:
    """The address of a ZooKeeper."""
    with zookeeper.server() as server:
        yield server.host

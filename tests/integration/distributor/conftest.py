"""Each test has a record, and a part of ZooKeeper, of its own."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests import zookeeper
from tests.integration.distributor.scene import NuvlaEngine, Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Without ZooKeeper."""
    with closing(Place(tmp_path)) as here:
        yield here


@pytest.fixture
def cluster(tmp_path: Path, zk: zookeeper.Server) -> Iterator[Place]:
    """With ZooKeeper."""
    with closing(Place(tmp_path, zk.port)) as here:
        yield here


@pytest.fixture
def beside(tmp_path: Path, zk: zookeeper.Server) -> Iterator[Place]:
    """With ZooKeeper, beside a Nuvla server."""
    with closing(Place(tmp_path, zk.port, NuvlaEngine)) as here:
        yield here

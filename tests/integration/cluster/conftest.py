import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cluster.processes import Cluster

_numbers = itertools.count()


@pytest.fixture
def cluster(tmp_path: Path, host: str) -> Iterator[Cluster]:
    """A server, with a queue of its own; no executor yet."""
    cluster = Cluster(tmp_path, host, f"/cluster-{next(_numbers)}")
    yield cluster
    cluster.close()

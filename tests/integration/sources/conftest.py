"""The places where the tests of the port are played."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import zookeeper
from tests.integration.nuvla.place import NuvlaPlace
from tests.integration.sources.places import ClusterPlace, Place
from tests.integration.sources.playing import Play, played_in

VERSIONS = (zookeeper.NEW, zookeeper.OLD)


@pytest.fixture(params=["api", *(f"{kind} on {version}" for kind in ("cluster", "nuvla") for version in VERSIONS)])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """Plays a scene in each kind of place."""
    return played_in(_place(request, tmp_path))


@pytest.fixture(params=["api", *(f"cluster on {version}" for version in VERSIONS)])
def play_holds(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """Plays a scene in each kind of place whose record keeps holds."""
    return played_in(_place(request, tmp_path))


def _place(request: pytest.FixtureRequest, folder: Path) -> Callable[[], Place]:
    kind, _, version = request.param.partition(" on ")
    if kind == "api":
        return lambda: Place(folder)
    host = request.getfixturevalue("shared")(version).host
    return lambda: (NuvlaPlace if kind == "nuvla" else ClusterPlace)(folder, host)


@pytest.fixture
def play_cluster(host: str, tmp_path: Path) -> Play:
    """Plays a scene in a cluster."""
    return played_in(lambda: ClusterPlace(tmp_path, host))

"""The places where the tests of the port are played."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.nuvla.place import NuvlaPlace
from tests.integration.sources.places import ClusterPlace, Place
from tests.integration.sources.playing import Play, played_in


@pytest.fixture(params=["api", "cluster", "nuvla"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """Plays a scene in each kind of place."""
    return played_in(_place(request, tmp_path))


@pytest.fixture(params=["api", "cluster"])
def play_holds(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """Plays a scene in each kind of place whose record keeps holds."""
    return played_in(_place(request, tmp_path))


def _place(request: pytest.FixtureRequest, folder: Path) -> Callable[[], Place]:
    if request.param == "api":
        return lambda: Place(folder)
    host = request.getfixturevalue("host")
    return lambda: (NuvlaPlace if request.param == "nuvla" else ClusterPlace)(folder, host)


@pytest.fixture
def play_cluster(host: str, tmp_path: Path) -> Play:
    """Plays a scene in a cluster."""
    return played_in(lambda: ClusterPlace(tmp_path, host))

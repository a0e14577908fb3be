"""Which other servers live, by what ZooKeeper's servers say of their heartbeats; one of these may lag."""

from types import SimpleNamespace
from typing import Any

from job_engine.relay.other_servers import RelayServer
from job_engine.relay.ownership import Ownership


def peer(beats: int, record: str = "a") -> RelayServer:
    return RelayServer("member", "host, pid 1", "other", record, beats)


def test_a_server_of_the_same_record_lives_only_once_it_was_heard_twice() -> None:
    """The last beat of one that has died, which a lagging server of ZooKeeper did not have yet, is none."""
    session: Any = SimpleNamespace(settings=SimpleNamespace(path="/job"))
    ownership = Ownership(None, session, "a", "this")  # type: ignore[arg-type]
    assert [ownership._is_copied([peer(beats)]) for beats in (7, 7, 8, 8)] == [False] * 4
    assert not ownership._is_copied([peer(20, record="b")])
    assert ownership._is_copied([peer(9)])
    assert ownership._is_copied([]), "for as long as this process lives"
    assert "is the queue of a server of the same record" in ownership.trouble

"""In the company of upstream's distributors: kazoo's election, and one leader among all."""

import threading
from contextlib import contextmanager

from tests.integration.engine_processes import until


@contextmanager
def stranger(client):
    """Somebody who contends as upstream does, until told to go; yields what tells that it leads."""
    leads, go = threading.Event(), threading.Event()

    def work():
        leads.set()
        go.wait(60)

    thread = threading.Thread(target=client.Election("/election/often", "theirs").run, args=(work,), daemon=True)
    thread.start()
    try:
        yield leads
    finally:
        go.set()
        thread.join(30)


def test_while_a_stranger_leads_ours_makes_nothing_and_then_it_leads(cluster):
    with cluster.kazoo() as client:
        with stranger(client) as leads:
            assert leads.wait(30)
            (ours,) = cluster.start("--distributions", cluster.often())
            until(lambda: cluster.document().get("contenders") == ["theirs", ours.name], "both in the record")
            assert cluster.document()["leader"] == "theirs"
            assert cluster.calls() == []
        cluster.more()
        cluster.check()
        until(lambda: cluster.document()["leader"] == ours.name, "ours as leader in the record")
        with stranger(client) as leads:
            until(lambda: len(client.get_children("/election/often")) == 2, "the stranger as contender")
            assert not leads.is_set()
            assert ours.stop() == 0
            assert leads.wait(30)

"""The move from nuvla/job 5.1.4 to ours and back, beside a server that looks like Nuvla's."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.engine_processes import until
from tests.integration.nuvla.processes import APP, NuvlaServer, Program, program
from tests.integration.running import eventually
from tests.zookeeper import server as zookeeper

pytestmark = pytest.mark.timeout(600)

QUICK = "cancel_children_jobs"
"""Upstream's, and quick."""
JOBS = 20
LONGEST = 120.0
"""Seconds for all jobs of a phase."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NuvlaServer]:
    with zookeeper() as one:
        server = NuvlaServer(tmp_path, one.host)
        yield server
        server.close()


def test_nothing_is_lost_or_run_twice_on_the_way_there_and_back(server: NuvlaServer, python: Path) -> None:
    flags = ["--zk-hosts", server.host, "--api-insecure", *server.credentials]
    jobs: list[str] = []

    def add() -> None:
        jobs.extend(server.add(QUICK, target_resource={"href": "job/none"}).id for _ in range(JOBS))

    def done() -> None:
        until(lambda: not server.entries(), "an empty queue", LONGEST)

    with ExitStack() as stack:

        def theirs() -> Program:
            one = program(server.folder, str(python), "-m", "nuvla.scripts.job_executor", *flags)
            started = stack.enter_context(one)
            started.says("I am executor")
            return started

        def ours() -> Program:
            one = program(server.folder, str(python), str(APP / "job_executor.py"), *flags)
            started = stack.enter_context(one)
            started.says(" runs ")
            return started

        def end(one: Program) -> None:
            one.process.terminate()
            assert one.code() == 0, one.said

        old = [theirs(), theirs()]
        add()
        new = ours()
        add()
        eventually(lambda: ran(server, new))
        for one in old:  # their jobs and ours go on meanwhile
            end(one)
        add()
        done()
        back = theirs()
        add()
        end(new)
        add()
        done()
        end(back)
    states = Counter(server.client.document(id_)["state"] for id_ in jobs)
    assert states == {"SUCCESS": 5 * JOBS}
    begun = Counter(path for path, body in server.like.edits if body.get("state") == "RUNNING")
    assert begun == dict.fromkeys(jobs, 1)


def ran(server: NuvlaServer, one: Program) -> bool:
    """Whether an executor has run something: it has been seen to take while the others do too."""
    return one.process.poll() is None and any(body.get("state") == "SUCCESS" for _, body in server.like.edits)

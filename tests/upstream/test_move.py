"""The move from nuvla/job 5.1.4 to ours and back, beside a server that looks like Nuvla's."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest

from tests.integration.engine_processes import until
from tests.integration.nuvla.processes import APP, NuvlaServer, Program, program
from tests.integration.running import eventually
from tests.upstream.test_distributions import INTERVALS
from tests.zookeeper import NEW, OLD
from tests.zookeeper import TICK as SHORT
from tests.zookeeper import server as zookeeper

pytestmark = pytest.mark.timeout(600)

QUICK = "cancel_children_jobs"
"""Upstream's, and quick."""
JOBS = 10
LONGEST = 120.0
"""Seconds for what a phase waits for."""
DISTRIBUTION = "cleanup_jobs"
EVERY = 2
TICKS = 2
"""Ticks, of `EVERY` seconds, that a leader is watched for."""
TICK = 2000
"""Milliseconds, ZooKeeper's own default: sessions last as long as where Nuvla runs. With `SHORT` they last 4 s."""


@pytest.fixture
def tick() -> int:
    return TICK


@pytest.fixture(params=[NEW, OLD])
def server(request: pytest.FixtureRequest, tick: int, tmp_path: Path) -> Iterator[NuvlaServer]:
    with zookeeper(version=request.param, tick=tick) as one:
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
    # RUNNING may be written twice: ours writes it before a slot is free, and gives what has not begun back at its stop.
    ended = Counter(path for path, body in server.like.edits if body.get("state") in ("SUCCESS", "FAILED"))
    assert ended == dict.fromkeys(jobs, 1), _told(server, [job for job, times in ended.items() if times > 1])


def ran(server: NuvlaServer, one: Program) -> bool:
    """Whether an executor has run something: it has been seen to take while the others do too."""
    return one.process.poll() is None and any(body.get("state") == "SUCCESS" for _, body in server.like.edits)


@pytest.mark.parametrize("tick", [SHORT])  # a killed one's session ends soon
def test_each_distribution_has_one_leader_on_the_way_there_and_back(server: NuvlaServer, python: Path) -> None:
    flags = ["--zk-hosts", server.host, "--api-insecure", *server.credentials]
    flags += ["--distribution-interval", f"{DISTRIBUTION}:{EVERY}"]
    flags += ["--distribution-exclude", *(name for name in INTERVALS if name != DISTRIBUTION)]
    with ExitStack() as stack:

        def contend(contenders: int, *command: str) -> Program:
            one = stack.enter_context(program(server.folder, str(python), *command, *flags))
            until(lambda: _contenders(server) == contenders, f"{contenders} contending", LONGEST)
            return one

        def leads(one: Program) -> None:
            before = len(_made(one))
            until(lambda: len(_made(one)) >= before + TICKS, "ticks of who leads", LONGEST)

        old = contend(1, "-m", "nuvla.scripts.job_distributor")
        leads(old)
        new = contend(2, str(APP / "job_distributor.py"))
        leads(old)
        assert _made(new) == []
        old.close()
        leads(new)
        back = contend(2, "-m", "nuvla.scripts.job_distributor")
        leads(new)
        assert _made(back) == []
        new.process.terminate()
        assert new.code() == 0, new.said
        leads(back)
        back.close()
    ours = _made(new)
    assert "were missed" in new.said or _seconds(ours) == [_seconds(ours)[0] + EVERY * n for n in range(len(ours))]
    assert len(set(ours)) == len(ours)
    added = server.client.count(f"action='{DISTRIBUTION}'")
    told = len(_made(old)) + len(ours) + len(_made(back))
    assert told - 2 <= added <= told  # theirs tells it before it adds, and two of theirs were killed


def _told(server: NuvlaServer, jobs: list[str]) -> str:
    """What was edited of some jobs, and what the programs say of them."""
    edits = [f"{path} {body}" for path, body in server.like.edits if path in jobs]
    logs = [f"{log.name} {line}" for log in server.folder.glob("*.log") for line in log.read_text().splitlines()]
    return "\n".join([*edits, *(line for line in logs if any(job in line for job in jobs))])


def _contenders(server: NuvlaServer) -> int:
    path = f"/election/{DISTRIBUTION}"
    return len(server.kazoo.get_children(path)) if server.kazoo.exists(path) else 0


def _made(one: Program) -> list[str]:
    """What a distributor says of each tick that it made: ours when it was due."""
    return re.findall(r"Distribute job: .*|the tick of (\S+) made 1 jobs", one.said)


def _seconds(ticks: list[str]) -> list[float]:
    return [datetime.fromisoformat(tick).timestamp() for tick in ticks]

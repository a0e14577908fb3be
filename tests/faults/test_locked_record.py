"""Another process keeps the record locked: everybody hears so at once, and nobody loses a hold."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from job_engine.cli.checks import engine as checks_engine
from job_engine.cli.checks.machine import FAIL
from job_engine.job.times import epoch
from tests.faults.short_up import Http, engine
from tests.integration.running import eventually

PERIOD = 4.0
"""Seconds: short, and longer than the executor's patience needs to be."""
LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
connection.execute("begin immediate")
print("locked", flush=True)
sys.stdin.readline()
"""


@contextmanager
def locked(record: Path) -> Iterator[int]:
    """Another process has begun a transaction; its pid."""
    command = [sys.executable, "-c", LOCKER, str(record)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        try:
            assert other.stdout.readline() == b"locked\n"
            yield other.pid
        finally:
            other.stdin.close()
            other.wait()


def test_holds_outlast_the_transaction_of_another_process_which_is_named(tmp_path: Path) -> None:
    with engine(tmp_path, "--processes", "1", "--threads", "3", period=PERIOD) as up, up.client() as client:
        running = [client.submit("patient", payload=up.payload(talks=True)).id for _ in range(3)]
        eventually(lambda: len(up.notes("begin")) == 3)
        http = Http(up.admin)
        with locked(up.data / "record.db") as pid:
            named = f"(pid {pid}) has locked it"
            for _ in range(3):
                status, answer = http.call("POST", "job", {"action": "quick"})
                assert (status, named in answer["message"]) == (503, True), answer
            assert named in client.status().trouble
            finding = checks_engine._write(client)
            assert (finding.outcome, named in finding.detail) == (FAIL, True)
            later_than = epoch(client.status().now) + 2 * PERIOD
            eventually(lambda: epoch(client.status().now) > later_than)
            assert not up.notes("interrupted"), "who is heard of keeps its holds"
            up.go()
            eventually(lambda: len(up.notes("end")) == 3)
            assert {client.document(id_)["state"] for id_ in running} == {"RUNNING"}
        eventually(lambda: client.count("state='SUCCESS'") == 3)
        assert {client.document(id_)["attempt"] for id_ in running} == {1}
        eventually(lambda: not client.status().trouble)
        http.close()

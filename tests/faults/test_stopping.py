"""A stop in the middle of work loses nothing and repeats nothing."""

import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.history import check
from tests.faults.short_up import engine
from tests.integration.running import WITHIN, eventually

PARTS = ("--processes", "2", "--threads", "2")
SLOTS = 4


@pytest.mark.parametrize("signals", [1, 2])
def test_a_stop_under_load(tmp_path: Path, signals: int) -> None:
    with engine(tmp_path, *PARTS) as busy, busy.client() as client:
        held = client.submit("patient", payload=busy.payload(), priority=1)
        jobs = [held, *client.submit_many("quick", [busy.payload(seconds=0.02)] * 300)]
        eventually(lambda: len(busy.notes("begin")) > 60)
        busy.up.process.send_signal(signal.SIGTERM)
        eventually(lambda: "stopping" in busy.up.said())
        if signals == 1:
            eventually(lambda: len(busy.notes("begin")) == len(busy.notes("end")) + 1)  # all but one have ended
            busy.go()
        else:
            busy.up.process.send_signal(signal.SIGTERM)
        assert busy.up.process.wait(WITHIN) == 0
        assert len(busy.notes("begin")) < len(jobs), "it was stopped in the middle"
        begun = {note[1] for note in busy.notes("begin")}

        busy.go()
        busy.start()
        eventually(lambda: client.count("state='SUCCESS'") == len(jobs))
        times = Counter(note[1] for note in busy.notes("begin"))
        assert times.keys() == {job.id for job in jobs}, "nothing is lost"
        again = {id_ for id_, count in times.items() if count > 1}
        if signals == 1:
            assert not again, "whatever had begun was let finish"
        else:
            assert held.id in again <= begun
            assert len(again) <= SLOTS, "only what ran at that moment runs again"
        for job in map(client.job, times):
            found = check(job.document, job.events(), [note for note in busy.notes() if note[1] == job.id])
            assert {attempt.end for attempt in found} <= {"success", "unstarted", "stopped"}, "a stop is no death"

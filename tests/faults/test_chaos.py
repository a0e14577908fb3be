"""Everything at once: hundreds of jobs, while each part of the engine is killed or frozen again and again."""

import os
import random
import signal
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from job_engine.client import JobHandle
from tests.faults.history import check, poisoned
from tests.faults.short_up import Engine, engine
from tests.integration.running import alive, eventually

FAULTS = ["worker"] * 5 + ["supervisor"] * 2 + ["server"] * 3 + ["up"] * 2 + ["frozen"] * 2
MIX = {"quick": 14, "steps": 8, "flaky": 4, "hopeless": 2, "suicide": 1}
POISONED = 4
"""Jobs in all that kill each process that runs them."""
RIGHT = {"hopeless": "FAILED", "poison": "FAILED"}


@pytest.mark.timeout(180)
def test_every_job_ends_once_and_rightly_whatever_is_killed(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(10**6)))
    print(f"CHAOS_SEED={seed}")
    dice = random.Random(seed)
    faults = dice.sample(FAULTS, len(FAULTS))
    kinds: dict[str, str] = {}
    with engine(tmp_path, "--processes", "2", "--threads", "2") as chaos, chaos.client() as client:
        beside = chaos.executor("--processes", "1", "--threads", "2", "--name", "beside")
        eventually(lambda: len(client.executors()) == 2)
        for number, fault in enumerate(faults):
            begun = len(chaos.notes("begin"))
            jobs = submitted(chaos, client, dice, poison=number < POISONED)
            kinds |= jobs
            target = begun + dice.randint(5, len(jobs) // 2)
            eventually(lambda target=target: len(chaos.notes("begin")) >= target)
            print("then", fault)
            inflict(fault, chaos, client, dice, beside.pid)
        eventually(lambda: client.count("state='QUEUED' or state='RUNNING'") == 0)
        assert client.count() == len(kinds), "none is lost, none is there twice"
        judge(chaos, [client.job(id_) for id_ in kinds], kinds)
        beside.terminate()
        assert beside.wait(30) == 0
        assert chaos.up.stop() == 0


def submitted(chaos: Engine, client: Any, dice: random.Random, poison: bool) -> dict[str, str]:
    """Adds a batch; the kind of each of its jobs."""
    found: dict[str, str] = {}
    wanted = [kind for kind, count in MIX.items() for _ in range(count)] + ["poison"] * poison
    dice.shuffle(wanted)
    for kind in wanted:
        action, more = ("suicide", {"times": 99}) if kind == "poison" else (kind, {})
        job = client.submit(action, payload=chaos.payload(**more), priority=dice.choice((50, 100)))
        assert job.id not in found
        found[job.id] = kind
    return found


def inflict(fault: str, chaos: Engine, client: Any, dice: random.Random, beside: int) -> None:
    if fault == "up":
        chaos.up.process.kill()
        chaos.up.process.wait()
        chaos.start()
    elif fault == "server":
        os.kill(chaos.pid("server"), signal.SIGKILL)
    elif fault == "supervisor":
        os.kill(chaos.pid("executor"), signal.SIGKILL)
    elif fault == "worker":
        supervisor = dice.choice((chaos.pid("executor"), beside))
        os.kill(dice.choice(eventually(lambda: chaos.workers(supervisor))), signal.SIGKILL)
    else:
        supervisor = chaos.pid("executor")
        eventually(lambda: any(executor.pid == supervisor for executor in client.executors()))
        os.kill(supervisor, signal.SIGSTOP)
        try:
            eventually(lambda: all(executor.pid != supervisor for executor in client.executors()))
        finally:
            os.kill(supervisor, signal.SIGCONT)
        assert alive(supervisor)


def judge(chaos: Engine, jobs: list[JobHandle], kinds: dict[str, str]) -> None:
    notes: dict[str, list[list[str]]] = defaultdict(list)
    for note in chaos.notes():
        notes[note[1]].append(note)
    assert notes.keys() == kinds.keys(), "every job has begun, and no other"
    unlucky, ends = 0, Counter[str]()
    for job in jobs:
        found = check(job.document, job.events(), notes[job.id])
        ends.update(attempt.end for attempt in found)
        given_up = poisoned(found, job.document)
        if given_up and kinds[job.id] != "poison":
            unlucky += 1  # its processes were killed three times in a row, by us or by a job beside it
            continue
        assert job.document["state"] == RIGHT.get(kinds[job.id], "SUCCESS"), (job.document, job.events())
        assert given_up == (kinds[job.id] == "poison"), (job.document, job.events())
        if kinds[job.id] == "steps":
            goes_on(notes[job.id])
    print(dict(ends), f"{unlucky} unlucky")
    assert unlucky < len(jobs) / 20
    assert ends["died"] + ends["lost"] > len(jobs) / 20, "the faults were felt"


def goes_on(notes: list[list[str]]) -> None:
    """Each attempt begins where the checkpoints of earlier ones are."""
    at = 0
    for _, _, attempt, _, saved, by in (note for note in notes if note[0] == "begin"):
        assert int(by) < int(attempt), notes
        assert int(saved) >= at, notes
        at = int(saved)

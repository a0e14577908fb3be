"""Priorities, with all slots busy and hundreds of jobs waiting."""

import json
import random
import time
from pathlib import Path

from job_engine.job.times import epoch
from tests.faults.history import attempts
from tests.faults.short_up import Engine, Http, engine
from tests.integration.running import WITHIN, eventually

SLOTS = 2


def held(full: Engine, client) -> None:
    """Occupy all slots until ``go``."""
    for _ in range(SLOTS):
        client.submit("patient", payload=full.payload(), priority=0)
    eventually(lambda: len(full.notes("begin")) == SLOTS)


def test_what_waits_is_taken_by_priority_and_then_in_the_order_of_adds(tmp_path: Path) -> None:
    with engine(tmp_path, "--processes", "1", "--threads", str(SLOTS)) as full, full.client() as client:
        held(full, client)
        http, dice = Http(full.admin), random.Random(7)
        order = []
        job = {"action": "quick", "payload": json.dumps(full.payload())}
        for number in range(300):
            priority = dice.choice((10, 100, 100, 999))
            status, answer = http.call("POST", "job", {**job, "priority": priority})
            assert status == 201
            order.append((priority, number, answer["resource-id"]))
        http.close()
        full.go()
        eventually(lambda: client.count("state='SUCCESS'") == SLOTS + len(order))
        claims = [attempts(client.events(id_))[-1].claimed for _, _, id_ in sorted(order)]
        assert claims == sorted(claims)


def test_a_better_job_is_next_although_hundreds_wait(tmp_path: Path) -> None:
    with engine(tmp_path, "--processes", "1", "--threads", str(SLOTS)) as full, full.client() as client:
        held(full, client)
        slow = full.payload(seconds=0.06)  # longer than what an executor would keep for itself
        client.submit_many("quick", [slow] * 300)
        better = client.submit("quick", payload=full.payload(), priority=20)
        full.go()
        eventually(lambda: len(full.notes("begin")) > 40)
        best = client.submit("quick", payload=full.payload(), priority=10)
        answered = time.time()
        best.wait(WITHIN)
        begun = len(full.notes("begin"))
        eventually(lambda: len(full.notes("begin")) > begun + 2 * SLOTS)  # the starts before it are told by now
        assert client.count("state='QUEUED'") > 100
        found = client.jobs("state='SUCCESS'", select=["id", "started"], last=10_000)
        began = {job.id: epoch(job.document["started"]) for job in found}
        claimed = {id_: epoch(attempts(client.events(id_))[-1].claimed) for id_ in began}
        order = sorted(began, key=lambda id_: began[id_])
        assert better.id in order[: 2 * SLOTS], "next, in one of the slots that became free together"
        sooner = [id_ for id_ in order if answered < began[id_] < began[best.id]]
        assert len(sooner) <= SLOTS
        assert not [id_ for id_ in sooner if claimed[id_] > answered], "others were taken before it"

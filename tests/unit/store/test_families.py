"""Bulk jobs that wait for their children, on a real store."""

import asyncio
import contextlib
import json
import time
from pathlib import Path
from typing import Any

import pytest

from job_engine.job.bulk import BulkResult
from job_engine.job.document import NewJob, new_job
from job_engine.job.errors import Conflict
from job_engine.store import jobs
from job_engine.store.cancellation import Cancellation
from job_engine.store.database import Store
from job_engine.store.families import Families

PATIENCE = 20


def job(**attributes: Any) -> NewJob:
    sent = {"action": "noop", **{name.replace("_", "-"): value for name, value in attributes.items()}}
    return new_job(sent, created_by="user/jane", acl={"owners": ["user/jane"]}, now=time.time())


class Scene:
    def __init__(self, path: Path) -> None:
        self.store = Store(path / "record.db")
        self._untagged: list[str] = []

    async def __aenter__(self) -> "Scene":
        self.store.start()
        self.families = Families(self.store)
        await self.families.start()
        self.cancellation = Cancellation(self.store)
        await self.cancellation.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.families.stop()
        self.cancellation.stop()
        await self.store.close()

    async def bulk(self, own: BulkResult) -> str:
        """A bulk job that has done its part: RUNNING, held by nobody.

        It is tagged when something is waited for: by then, as in life, its children are there.
        """
        (id_,) = await self.store.write(jobs.add, [job(action="bulk-x")])
        await self.edit(id_, state="RUNNING", **{"status-message": own.text()})
        self._untagged.append(id_)
        return id_

    async def _tag(self) -> None:
        while self._untagged:
            with contextlib.suppress(Conflict):  # it has been canceled
                await self.edit(self._untagged.pop(), tags=["monitor"])

    async def child(self, parent: str, target: str) -> str:
        (id_,) = await self.store.write(jobs.add, [job(parent_job=parent, target_resource={"href": target})])
        return id_

    async def edit(self, id_: str, **changes: Any) -> None:
        (seq,) = await self.look("seq", id_)
        await self.store.write(jobs.edit, seq, changes)

    async def look(self, columns: str, id_: str) -> tuple[Any, ...]:
        query = f"select {columns} from job where id = ?"
        return await self.store.read(lambda connection: connection.execute(query, (id_,)).fetchone())

    async def becomes(self, id_: str, state: str) -> None:
        await self._tag()
        async with asyncio.timeout(PATIENCE):
            while (await self.look("state", id_))[0] != state:  # noqa: ASYNC110  # what is looked at has no event
                await asyncio.sleep(0.01)

    async def result(self, id_: str, **wanted: Any) -> dict[str, Any]:
        """The result once it has these values."""
        await self._tag()
        async with asyncio.timeout(PATIENCE):
            while True:
                said = json.loads((await self.look("message", id_))[0])
                if all(said.get(name) == value for name, value in wanted.items()):
                    return said
                await asyncio.sleep(0.01)


def own(**counts: int) -> BulkResult:
    result = BulkResult(total=counts.pop("total"))
    for n in range(counts.get("success", 0)):
        result.succeeded(f"module/own-{n}")
    for n in range(counts.get("failed", 0)):
        result.failed("broken", f"module/bad-{n}")
    for n in range(counts.get("queued", 0)):
        result.queue(f"module/{n}")
    return result


async def test_progress_and_result_follow_the_children_and_the_end_says_success(tmp_path: Path) -> None:
    async with Scene(tmp_path) as scene:
        parent = await scene.bulk(own(total=4, success=2, queued=2))
        first, second = [await scene.child(parent, f"module/{n}") for n in range(2)]
        said = await scene.result(parent, queued=[first, second])
        assert (said["success_count"], said["jobs_count"]) == (2, 2)
        await scene.edit(first, state="RUNNING")
        await scene.result(parent, running=[first], queued=[second])
        await scene.edit(first, state="SUCCESS")
        await scene.result(parent, success_count=3)
        assert await scene.look("state, progress", parent) == ("RUNNING", 75)
        await scene.edit(second, state="SUCCESS")
        said = await scene.result(parent, success_count=4)
        assert said["success"] == ["module/own-0", "module/own-1", "module/0", "module/1"]
        assert await scene.look("state, progress, return_code", parent) == ("SUCCESS", 100, 0)


@pytest.mark.parametrize("end", ["FAILED", "CANCELED"])
async def test_a_child_that_did_not_succeed_makes_the_family_fail(tmp_path: Path, end: str) -> None:
    async with Scene(tmp_path) as scene:
        parent = await scene.bulk(own(total=2, queued=2))
        good, bad = [await scene.child(parent, f"module/{n}") for n in range(2)]
        await scene.edit(bad, state=end)
        await scene.edit(good, state="SUCCESS")
        said = await scene.result(parent, failed_count=1, success_count=1)
        assert [(reason["reason"], reason["category"]) for reason in said["error_reasons"]] == [
            (f"Job {end.lower()}", "failed")
        ]
        assert await scene.look("state, return_code", parent) == ("FAILED", 1)


async def test_what_a_child_says_is_the_reason(tmp_path: Path) -> None:
    async with Scene(tmp_path) as scene:
        parent = await scene.bulk(own(total=2, failed=1, queued=1))
        child = await scene.child(parent, "module/0")
        await scene.edit(child, **{"status-message": "broken\nat line 3"})
        await scene.edit(child, state="FAILED")
        said = await scene.result(parent, failed_count=2)
        assert said["error_reasons"] == [
            {
                "reason": "broken",
                "count": 2,
                "category": "failed",
                "data": [{"id": "module/bad-0", "count": 1}, {"id": "module/0", "count": 1}],
            }
        ]


async def test_a_family_without_children_ends_at_once(tmp_path: Path) -> None:
    async with Scene(tmp_path) as scene:
        parent = await scene.bulk(own(total=0))
        await scene.becomes(parent, "SUCCESS")


async def test_a_restarted_server_counts_on_and_nothing_twice(tmp_path: Path) -> None:
    async with Scene(tmp_path) as scene:
        parent = await scene.bulk(own(total=3, success=1, queued=2))
        children = [await scene.child(parent, f"module/{n}") for n in range(2)]
        await scene.edit(children[0], state="SUCCESS")
        await scene.result(parent, success_count=2, queued=[children[1]])
    async with Scene(tmp_path) as scene:
        await scene.edit(children[1], state="SUCCESS")
        await scene.result(parent, success_count=3)
        assert await scene.look("state", parent) == ("SUCCESS",)


async def test_a_canceled_family_is_left_alone(tmp_path: Path) -> None:
    async with Scene(tmp_path) as scene:
        parent = await scene.bulk(own(total=1, queued=1))
        child = await scene.child(parent, "module/0")
        await scene.result(parent, queued=[child])
        await scene.edit(child, state="SUCCESS")
        await scene.edit(parent, state="CANCELED")
        async with asyncio.timeout(PATIENCE):
            while scene.families._parents:  # noqa: ASYNC110  # what is looked at has no event
                await asyncio.sleep(0.01)
        assert await scene.look("state", parent) == ("CANCELED",)


async def test_a_family_is_canceled_whole_and_the_families_in_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("job_engine.store.cancellation.MANY", 2)

    async with Scene(tmp_path) as scene:
        parent = await scene.bulk(own(total=6, queued=6))
        children = [await scene.child(parent, f"module/{n}") for n in range(5)]
        (inner,) = await scene.store.write(jobs.add, [job(action="bulk-inner", parent_job=parent)])
        grandchild = await scene.child(inner, "module/9")
        (other,) = await scene.store.write(jobs.add, [job(parent_job="job/other")])
        await scene.edit(children[0], state="SUCCESS")
        await scene.edit(children[1], state="RUNNING")
        await scene.edit(parent, state="CANCELED")
        await scene.becomes(grandchild, "CANCELED")
        states = [(await scene.look("state", id_))[0] for id_ in (parent, *children, inner, other)]
        assert states == ["CANCELED", "SUCCESS", *["CANCELED"] * 5, "QUEUED"]


async def test_what_a_server_left_of_a_canceled_family_is_canceled_at_the_next_start(tmp_path: Path) -> None:
    async with Scene(tmp_path) as scene:
        parent = await scene.bulk(own(total=1, queued=1))
        child = await scene.child(parent, "module/0")
        (plain,) = await scene.store.write(jobs.add, [job()])
        (other,) = await scene.store.write(jobs.add, [job(parent_job=plain)])
        scene.store.after_commit.remove(scene.cancellation._told)  # as if it was killed right after the commit
        for id_ in (parent, plain):
            await scene.edit(id_, state="CANCELED")
    async with Scene(tmp_path) as scene:
        await scene.becomes(child, "CANCELED")
        assert await scene.look("state", other) == ("QUEUED",)


async def test_a_family_that_says_something_else_is_known_by_its_children(tmp_path: Path) -> None:
    async with Scene(tmp_path) as scene:
        strange = await scene.bulk(own(total=1, queued=1))
        await scene.edit(strange, **{"status-message": '{"total_actions": 1, "error_reasons": [{"count": "x"}]}'})
        child = await scene.child(strange, "module/0")
        plain = await scene.bulk(own(total=1, queued=1))
        await scene.edit(await scene.child(plain, "module/1"), state="SUCCESS")
        await scene.becomes(plain, "SUCCESS")
        await scene.edit(child, state="SUCCESS")
        await scene.becomes(strange, "SUCCESS")
        assert json.loads((await scene.look("message", strange))[0])["success"] == ["module/0"]


async def test_who_waits_for_a_family_is_told_in_a_sentence(tmp_path: Path) -> None:
    async with Scene(tmp_path) as scene:
        parent = await scene.bulk(own(total=1, queued=1))
        (waiting,) = await scene.store.write(jobs.add, [job(after=[parent])])
        await scene.edit(await scene.child(parent, "module/0"), state="FAILED")
        await scene.becomes(waiting, "FAILED")
        (message,) = await scene.look("message", waiting)
        assert message == f"{parent}, which it waits for, has FAILED: 0 of 1 done, 1 failed: Job failed"

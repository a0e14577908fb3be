"""Executors and the record on a real store: what is parked, who takes over from whom, and actions that nobody has."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from job_engine.job.attend import Answer, Attend, Claim, Finished, Granted, Hello
from job_engine.job.document import NewJob, new_job
from job_engine.job.errors import Conflict, Unavailable
from job_engine.job.times import iso
from job_engine.store import jobs, unknown_actions
from job_engine.store.database import Store
from job_engine.store.executors import Executors
from job_engine.store.transaction import Transaction


def hello(*actions: str, replaces: str | None = None, failed: dict[str, str] | None = None) -> Hello:
    return Hello(
        name="x", host="x", pid=1, version="0", processes=1, slots=4, actions=list(actions), replaces=replaces,
        failed_imports=failed or {},
    )  # fmt: skip


def job(**attributes: Any) -> NewJob:
    sent = {"action": "noop", **{name.replace("_", "-"): value for name, value in attributes.items()}}
    return new_job(sent, created_by="user/jane", acl={"owners": ["user/jane"]}, now=time.time())


class Scene:
    """A store with its executors, and what each of them says next."""

    def __init__(self, store: Store, **settings: float) -> None:
        self.store = store
        self.executors = Executors(store, **settings)
        self.n = 0

    async def says(self, id_: str, **said: Any) -> Answer:
        self.n += 1
        return await self.executors.attend(id_, Attend(n=self.n, **said))

    async def parks(self, id_: str, **said: Any) -> "asyncio.Task[Answer]":
        """An attend that is parked; its answer comes later."""
        parking = asyncio.ensure_future(self.says(id_, free=4, wait=3.0, **said))
        await self.until(lambda: parking.done() or id_ in self.executors._exchanges._parked)
        return parking

    async def becomes(self, id_: str, state: str) -> None:
        while (await self.state(id_))[0] != state:  # noqa: ASYNC110  # the same
            await asyncio.sleep(0.005)

    async def state(self, id_: str) -> tuple[Any, ...]:
        query = "select state, holder, message from job where id = ?"
        return await self.store.read(lambda connection: connection.execute(query, (id_,)).fetchone())

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110  # what is looked at has no event
                await asyncio.sleep(0.005)


def play(path: Path, scenario: Callable[[Scene], Awaitable[None]], **settings: float) -> None:
    async def main() -> None:
        store = Store(path / "record.db")
        store.start()
        scene = Scene(store, **settings)
        await scene.executors.start()
        try:
            await asyncio.wait_for(scenario(scene), 30)
        finally:
            scene.executors.stop()
            await store.close()

    asyncio.run(main())


def test_who_says_goodbye_is_gone_at_once_and_without_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(scene: Scene) -> None:
        (id_,) = await scene.store.write(jobs.add, [job()])
        parked = await scene.parks("alice", hello=hello("noop"))  # granted, and she does not hear it
        await parked
        assert [granted.id for granted in (await scene.says("alice", leaving=True)).jobs] == [id_]
        assert scene.executors.present == []
        assert scene.executors.actions == {"noop"}, "her successor may be about to come"
        await scene.becomes(id_, "QUEUED")  # nor does she say anything to that
        assert scene.executors.alive == {}
        assert caplog.text == ""

    play(tmp_path, scenario, period=0.3)


def test_a_parked_attend_is_answered_by_the_add_that_it_serves(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        parked = await scene.parks("alice", hello=hello("noop"))
        (id_,) = await scene.store.write(jobs.add, [job()])
        assert [granted.id for granted in (await parked).jobs] == [id_]

    play(tmp_path, scenario)


def test_nothing_is_granted_to_an_executor_whose_successor_has_taken_over(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        dead = await scene.parks("dead", hello=hello("noop"))
        await scene.says("heir", hello=hello("noop", replaces="dead"))
        (id_,) = await scene.store.write(jobs.add, [job()])
        assert (await dead).jobs == []
        assert [granted.id for granted in (await scene.says("heir", free=1)).jobs] == [id_]

    play(tmp_path, scenario)


def test_nothing_is_granted_to_an_executor_whose_connection_is_gone(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        parked = await scene.parks("gone", hello=hello("noop"))
        scene.executors.leave("gone")
        assert await parked == Answer()
        (id_,) = await scene.store.write(jobs.add, [job()])
        assert (await scene.state(id_))[:2] == ("QUEUED", None)

    play(tmp_path, scenario)


def test_a_newer_attend_ends_the_parked_one_even_if_its_transaction_is_spoilt(tmp_path: Path) -> None:
    def spoils(tx: Transaction) -> None:
        tx.execute("insert into setting (name, value) values ('half', '')")
        raise Conflict("no")

    async def scenario(scene: Scene) -> None:
        parked = await scene.parks("alice", hello=hello("noop"))
        bad, answer = await asyncio.gather(scene.store.write(spoils), scene.says("alice"), return_exceptions=True)
        assert isinstance(bad, Conflict)
        assert isinstance(answer, Answer)
        await scene.until(parked.done)

    play(tmp_path, scenario)


def test_a_takeover_that_could_not_be_recorded_leaves_the_dead_one_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.says("dead", hello=hello("noop"))
        (id_,) = await scene.store.write(jobs.add, [job()])
        await scene.says("dead", free=1)
        with monkeypatch.context() as broken:

            def full(*_: object) -> None:
                raise Unavailable("the record cannot be written: the disk is full")

            broken.setattr(jobs, "end_holds", full)
            with pytest.raises(Unavailable):
                await scene.says("heir", hello=hello("noop", replaces="dead"))
        await scene.becomes(id_, "QUEUED")

    play(tmp_path, scenario, period=0.3)


def test_an_action_that_nobody_has_fails_but_not_while_those_who_had_it_may_come_back(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        (mine,) = await scene.store.write(jobs.add, [job(action="theirs")])
        (nobodys,) = await scene.store.write(jobs.add, [job(action="nobodys")])
        await scene.says("first", hello=hello("noop"))
        await scene.says("second", hello=hello("theirs"))  # heard a little later after a start of the server
        await scene.becomes(nobodys, "FAILED")
        assert (await scene.state(nobodys))[2] == "Not implemented action ID: nobodys"
        assert (await scene.state(mine))[0] == "QUEUED"

    play(tmp_path, scenario, period=3.0, unknown_action_grace=0.0)


def test_a_grace_counts_from_when_this_action_was_last_missed(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.says("first", hello=hello("noop"))
        (early,) = await scene.store.write(jobs.add, [job(action="rare")])
        unknown = scene.executors._unknown
        await scene.until(lambda: "rare" in unknown._since)
        await scene.store.write(jobs.cancel, [1])
        unknown.look()
        await scene.until(lambda: "rare" not in unknown._since)
        assert (await scene.state(early))[0] == "CANCELED"

    play(tmp_path, scenario, period=0.3, unknown_action_grace=60.0)


def test_a_job_added_while_others_of_its_action_fail_has_a_grace_of_its_own(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        held, go_on = threading.Event(), threading.Event()

        def hold_up(tx: Transaction) -> None:
            held.set()
            go_on.wait(20)

        await scene.says("alice", hello=hello("noop"))
        (early,) = await scene.store.write(jobs.add, [job(action="rare")])
        await scene.until(lambda: "rare" in scene.executors._unknown._since)
        held_up = scene.store.write(hold_up)
        await scene.until(held.is_set)
        await scene.until(lambda: scene.store._queue.qsize() == 1)  # the end of the early one: its grace is over
        adding = scene.store.write(jobs.add, [job(action="rare")])
        go_on.set()
        await held_up
        (late,) = await adding
        assert (await scene.state(late))[0] == "QUEUED", "it is another one's grace that is over"
        await scene.becomes(early, "FAILED")
        await scene.becomes(late, "FAILED")

    play(tmp_path, scenario, period=3.0, unknown_action_grace=1.2)


def test_a_job_of_an_action_that_was_waited_for_before_is_not_overlooked_by_a_look_under_way(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        read, go_on = threading.Event(), threading.Event()
        quickly = unknown_actions._waiting_actions

        def slowly(connection: sqlite3.Connection) -> set[str]:
            found = quickly(connection)
            read.set()
            go_on.wait(20)
            return found

        await scene.says("alice", hello=hello("noop"))
        await scene.store.write(jobs.add, [job(action="rare")])
        await scene.until(lambda: "rare" in scene.executors._unknown._since)
        await scene.store.write(jobs.cancel, [1])
        with pytest.MonkeyPatch.context() as slow:
            slow.setattr(unknown_actions, "_waiting_actions", slowly)
            scene.executors._unknown.look()
            await scene.until(read.is_set)
            (late,) = await scene.store.write(jobs.add, [job(action="rare")])
            go_on.set()
            await scene.becomes(late, "FAILED")

    play(tmp_path, scenario, period=3.0, unknown_action_grace=0.5)


def test_nobodys_job_fails_while_a_module_does_not_load_that_may_have_its_action(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.says("alice", hello=hello("noop", failed={"reports.py": "ImportError: no pandas"}))
        (id_,) = await scene.store.write(jobs.add, [job(action="report")])
        await scene.says("bob", hello=hello("noop"))  # who is looked at together with her
        await scene.until(lambda: "reports.py does not load: ImportError: no pandas" in caplog.text)
        assert scene.executors.fails_at("report") is None
        await scene.says("alice", hello=hello("noop", "report"))
        assert [granted.id for granted in (await scene.says("alice", free=1)).jobs] == [id_]
        (nobodys,) = await scene.store.write(jobs.add, [job(action="nobodys")])
        await scene.becomes(nobodys, "FAILED")
        assert caplog.text.count("does not load") == 1

    play(tmp_path, scenario, period=3.0, unknown_action_grace=0.0)


def test_a_module_that_stops_loading_during_a_grace_begins_it_anew(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        (first, second) = await scene.store.write(jobs.add, [job(action="report"), job(action="nobodys")])
        await scene.says("alice", hello=hello("noop"))
        await scene.until(lambda: scene.executors.fails_at("report") is not None)
        await scene.says("alice", hello=hello("noop", failed={"reports.py": "SyntaxError"}))
        await scene.until(lambda: scene.executors.fails_at("report") is None)
        await scene.says("alice", hello=hello("noop", "report"))
        await scene.becomes(second, "FAILED")
        assert (await scene.state(first))[0] == "QUEUED"

    play(tmp_path, scenario, period=3.0, unknown_action_grace=1.0)


def test_a_not_before_in_the_far_future_stops_nobody(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.store.write(jobs.add, [job(not_before="9999-01-01T00:00:00Z")])
        await scene.store.write(jobs.add, [job(not_before=iso(time.time() + 0.05))])
        await scene.says("alice", hello=hello("noop"))
        assert len((await (await scene.parks("alice"))).jobs) == 1

    play(tmp_path, scenario)
    play(tmp_path, lambda scene: scene.store.write(jobs.add, [job()]))  # also after a restart


@pytest.mark.parametrize("member", ["", "executor-00000000000000aa"], ids=["embedded", "cluster"])
def test_who_was_away_over_the_restore_of_a_backup_ends_nobody_elses_job(tmp_path: Path, member: str) -> None:
    """The numbers of jobs and of attempts come back with it, by whatever means it is put back."""
    path, backup = tmp_path / "record.db", tmp_path / "backup.db"
    granted: list[Granted] = []
    said: dict[str, Any] = {"member": member} if member else {}

    async def gets(scene: Scene, executor: str, id_: str, **more: Any) -> Answer:
        asks = {"claims": [Claim(f"entry-999-{executor}", id_)]} if member else {"free": 1}
        answer = await scene.says(executor, **more, **asks)
        assert [job.id for job in answer.jobs] == [id_]
        granted.append(answer.jobs[0])
        return answer

    async def before(scene: Scene) -> None:
        (waiting,) = await scene.store.write(jobs.add, [job()])
        connection = sqlite3.connect(path)
        connection.execute("vacuum into ?", (str(backup),))
        connection.close()
        (later,) = await scene.store.write(jobs.add, [job(priority=1)])
        await scene.says("alice", hello=hello("noop"), **said)
        await gets(scene, "alice", later, **said)
        await gets(scene, "alice", waiting, **said, holds=[(granted[0].seq, granted[0].claim)])

    async def after(scene: Scene) -> None:
        bobs: dict[str, Any] = {"member": "executor-00000000000000bb"} if member else {}
        (other,) = await scene.store.write(jobs.add, [job(priority=1)])
        await scene.says("bob", hello=hello("noop"), **bobs)
        await gets(scene, "bob", other, **bobs)
        if member:
            await gets(scene, "bob", granted[1].id, holds=[(granted[2].seq, granted[2].claim)], **bobs)
        else:  # by who had it before
            await gets(scene, "alice", granted[1].id, hello=hello("noop"))
        assert [(hold.seq, hold.attempt) for hold in granted] == [(2, 1), (1, 1), (2, 1), (1, 1)]
        lost = [(hold.seq, hold.claim) for hold in granted[:2]]
        ends = [Finished(*key, "SUCCESS", 1.0, 2.0) for key in lost]
        answer = await scene.says("alice", holds=lost, finished=ends, **said)
        assert [(seq, claim) for seq, claim, _ in answer.interrupt] == lost
        states = await scene.store.read(lambda c: c.execute("select distinct state from job").fetchall())
        assert states == [("RUNNING",)]

    play(tmp_path, before, cluster=bool(member))
    for left in ("-wal", "-shm"):
        Path(f"{path}{left}").unlink(missing_ok=True)
    path.write_bytes(backup.read_bytes())
    play(tmp_path, after, cluster=bool(member))

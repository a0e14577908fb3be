"""Each kind of repair, on a real ZooKeeper."""

import asyncio
import logging
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from job_engine.queue import inspection
from job_engine.relay.relay import Relay
from job_engine.store.transaction import Transaction
from tests.integration.relay.scene import Scene, play, until

UNKNOWN = "job/00000000-0000-0000-0000-000000000000"


def test_an_entry_that_was_put_and_not_noted_is_adopted(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        await s.ask("ensure_path", "entries")
        (job,) = await s.add()
        name = await s.put(job)
        relay = await s.running()
        assert await s.published(job) == name
        assert list(await s.queue()) == [name]
        assert relay.journal.counts["adopt"] == 1
        assert relay.journal.last[-1].job == job

    play(scene, host, tmp_path)


def test_an_entry_that_vanished_is_put_anew(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running()
        (job,) = await s.add()
        name = await s.published(job)
        await s.remove(name)
        await s.repaired(relay, "republish")
        assert await s.published(job) != name

    play(scene, host, tmp_path)


def test_who_consumes_without_a_word_is_met_with_patience(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running()
        (job,) = await s.add()
        for _ in range(2):
            await s.remove(await s.published(job))
        await s.repaired(relay, "republish", 2)
        await s.remove(await s.published(job))
        await until(lambda: relay._reconciler._backoff.due() is not None, "the next republication being put off")
        assert relay._reconciler._backoff.due() > relay._loop.time()
        await s.repaired(relay, "republish", 3)  # but not for ever

    play(scene, host, tmp_path)


def test_a_name_that_now_holds_another_job_counts_as_vanished(host: str, tmp_path: Path) -> None:
    """After a wipe names come back: what counts is the job that is in the entry."""

    async def scene(s: Scene) -> None:
        first, second = await s.add(2)
        relay = await s.relay()
        one = await s.put(second)
        await s.store.write(_note, {first: one})
        s.run(relay)
        assert await s.published(first) != one
        assert await s.published(second) == one

    play(scene, host, tmp_path)


def test_entries_that_name_nothing_runnable_go(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running()
        done, other, pulled = await s.add(3)
        entry = await s.published(other)
        name = await s.published(done)
        waiting = await s.published(pulled)
        await s.idle(relay)
        await s.cancel(done)  # nobody has it taken, nothing happens in ZooKeeper
        await s.gone(name)
        await s.repaired(relay, "remove-final")
        await s.edit(pulled, execution_mode="pull")
        await s.gone(waiting)
        await s.repaired(relay, "remove-waiting")
        assert await s.entry(pulled) is None
        twin = await s.put(other)
        await s.gone(twin)
        await s.repaired(relay, "remove-other")
        (unknown,) = await relay._queue.put_many([(UNKNOWN, 1)], relay._ownership.record)  # its job was deleted
        await s.gone(unknown)
        await s.repaired(relay, "remove-unknown")
        assert await s.queue() == {entry: other}
        assert await s.children("taken") == []

    play(scene, host, tmp_path)


def test_what_is_removed_is_looked_at_once_more_with_the_entry_taken(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running()
        (job,) = await s.add()
        entry = await s.published(job)
        take_names = relay._queue.take_names

        async def meanwhile(names: Any) -> Any:
            takes = await take_names(names)
            relay._queue.take_names = take_names
            await s.store.write(_note, {job: names[0]})  # e.g. another relay adopted it
            return takes

        relay._queue.take_names = meanwhile
        twin = await s.put(job)
        await until(lambda: _is(s.entry(job), twin), "the other relay")
        await s.gone(entry)
        assert await s.queue() == {twin: job}
        assert await s.children("taken") == []
        assert relay.journal.counts["remove-other"] == 1

    play(scene, host, tmp_path)


def test_strays_are_left_alone_and_named_once(host: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running()
        await s.ask("create", "entries/readme", b"hello")
        note = await s.put("no job at all")
        await s.repaired(relay, "stray", 2)
        (job,) = await s.add()
        await s.remove(await s.published(job))  # a further comparison or two
        await s.published(job)
        assert {"readme", note} < set(await s.children("entries"))
        assert relay.journal.counts["stray"] == 2

    with caplog.at_level(logging.WARNING, "job_engine.relay"):
        play(scene, host, tmp_path)
    assert sum("left alone" in record.message for record in caplog.records) == 2


def test_a_take_whose_answer_was_lost_is_no_end_of_its_job(host: str, tmp_path: Path) -> None:
    """kazoo forgets such a take; its taken node lives as long as its session."""

    async def scene(s: Scene) -> None:
        relay = await s.running()
        (job,) = await s.add()
        name = await s.published(job)
        stranger = await s.kazoo()
        taken = f"{s.path}/taken/{name}"
        await asyncio.to_thread(stranger.create, taken, b"0" * 32, ephemeral=True)
        await s.repaired(relay, "ghost")
        again = await s.published(job)
        assert again != name
        assert name in await s.queue(), "what a living session has taken is not removed"
        member = await s.member()
        (ours,) = await member.queue.take(1)
        assert (ours.name, ours.job) == (again, job)
        assert await s.claim(member.session.name, again, job) == (1, None)
        assert await s.claim("executor-0000000000000001", name, job) == (None, "gone"), "the slow taker, were it one"
        await asyncio.to_thread(stranger.delete, taken)
        await s.gone(name)
        await s.repaired(relay, "remove-other")

    play(scene, host, tmp_path)


def test_a_take_that_is_claimed_or_given_back_is_no_ghost(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running(ghost=3.0)
        foreign, ours = await s.add(2)
        stranger = await s.kazoo()
        name = await s.published(foreign)
        await asyncio.to_thread(stranger.create, f"{s.path}/taken/{name}", b"0" * 32, ephemeral=True)
        await s.edit(foreign, state="RUNNING")
        member = await s.member()
        (taken,) = await member.queue.take(1)
        await s.claim(member.session.name, taken.name, ours)
        (ghost,) = await s.add()
        last = await s.published(ghost)
        await asyncio.to_thread(stranger.create, f"{s.path}/taken/{last}", b"0" * 32, ephemeral=True)
        await s.repaired(relay, "ghost")  # the time for one has passed
        assert relay.journal.counts["ghost"] == 1
        assert await s.entry(foreign) == name
        assert await s.entry(ours) == taken.name

    play(scene, host, tmp_path)


def test_a_taker_has_time_to_claim(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running(ghost=30.0)
        (job,) = await s.add()
        name = await s.published(job)
        stranger = await s.kazoo()
        await asyncio.to_thread(stranger.create, f"{s.path}/taken/{name}", b"0" * 32, ephemeral=True)
        await until(lambda: relay._reconciler._unclaimed.due() is not None, "the take being seen")
        await s.edit(job, state="RUNNING")
        (other,) = await s.add()
        await s.published(other)
        assert await s.entry(job) == name
        assert relay.journal.counts["ghost"] == 0

    play(scene, host, tmp_path)


def test_a_detached_job_whose_entry_vanished_is_put_anew_unless_it_is_monitored(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        await s.running()
        foreign, bulk = await s.add(2)
        name, monitored = await s.published(foreign), await s.published(bulk)
        for job in (foreign, bulk):
            await s.edit(job, state="RUNNING")
        await s.edit(bulk, tags=["monitor"])
        await s.remove(monitored)
        await s.remove(name)
        assert await s.published(foreign) != name
        assert (await s.row(foreign, "state, holder")) == ("RUNNING", None)
        assert bulk not in (await s.queue()).values()

    play(scene, host, tmp_path)


def test_the_holds_of_a_member_that_is_gone_end(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running()
        started, fresh = await s.add(2)
        dead, alive = await s.member(), await s.member()
        await s.published(fresh)
        takes = {taken.job: taken for taken in await dead.queue.take_names(list(await s.queue()))}
        for job in (started, fresh):
            assert await s.claim(dead.session.name, takes[job].name, job) == (1, None)
        await s.store.write(_begin, started, 0)
        await until(lambda: _waited(relay), "the wait after the connect")
        await dead.session.close()
        await s.repaired(relay, "end-hold", 2)
        assert await s.row(started, "state, holder, deaths, entry") == ("QUEUED", None, 0, takes[started].name)
        assert await s.row(fresh, "state, holder, deaths, entry") == ("QUEUED", None, 0, takes[fresh].name)
        again = await alive.queue.take_names([takes[started].name])
        assert await s.claim(alive.session.name, again[0].name, started) == (2, None)
        assert await s.row(started, "holder") == (alive.session.name,)

    play(scene, host, tmp_path)


def test_the_entry_of_a_job_that_is_not_run_again_goes(host: str, tmp_path: Path) -> None:
    """The end of its hold makes it FAILED after its entry has come free: nothing more happens in ZooKeeper."""

    async def scene(s: Scene) -> None:
        relay = await s.running()
        (job,) = await s.add()
        name = await s.published(job)
        await until(lambda: _waited(relay), "the wait after the connect")
        await until(lambda: not relay._judge and not relay._listing.members_fired, "the members being known")
        await s.store.write(_begin_with_the_claim, job)
        await s.claim("executor-00000000000000ff", name, job)
        await s.repaired(relay, "end-hold")
        assert await s.row(job, "state, deaths") == ("FAILED", 3)
        await s.gone(name)

    play(scene, host, tmp_path)


def test_a_claim_that_arrives_after_the_end_of_its_member_ends_too(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running()
        (job,) = await s.add()
        name = await s.published(job)
        await until(lambda: _waited(relay), "the wait after the connect")
        await until(lambda: not relay._judge and not relay._listing.members_fired, "the members being known")
        assert await s.claim("executor-00000000000000ff", name, job) == (1, None)  # nothing happens in ZooKeeper
        await s.repaired(relay, "end-hold")
        assert await s.row(job, "state, entry") == ("QUEUED", name)

    play(scene, host, tmp_path)


def test_members_are_not_judged_before_executors_can_know(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        s.longest_session = 3600.0
        relay = await s.relay()
        (job,) = await s.add()
        s.run(relay)
        name = await s.published(job)
        await s.claim("executor-00000000000000ff", name, job)
        assert relay._until_judging() > 3000
        await s.remove(name)  # more than one comparison
        (other,) = await s.add()
        await s.remove(await s.published(other))
        await s.repaired(relay, "republish")
        (third,) = await s.add()
        await s.published(third)  # whatever was due before is done
        assert await s.row(job, "state") == ("RUNNING",)
        s.longest_session = 0.0
        (last,) = await s.add()  # wakes it
        await s.published(last)
        await s.repaired(relay, "end-hold")

    play(scene, host, tmp_path)


def test_a_hold_is_ended_as_it_was_read(host: str, tmp_path: Path) -> None:
    """Between the look at the members and the end of the hold, the job may have got another holder."""

    async def scene(s: Scene) -> None:
        relay = await s.running()
        (job,) = await s.add()
        name = await s.published(job)
        await until(lambda: _waited(relay), "the wait after the connect")
        alive = await s.member()
        members = relay._listing.list_members
        switched = asyncio.Event()

        async def meanwhile() -> set[str]:
            found = await members()
            if (await s.row(job, "holder"))[0] == "executor-00000000000000ff":
                await s.release(job, "lost")
                assert await s.claim(alive.session.name, name, job) == (2, None)
                switched.set()
            return found

        relay._listing.list_members = meanwhile
        await s.claim("executor-00000000000000ff", name, job)
        await switched.wait()
        (other,) = await s.add()
        await s.published(other)
        assert await s.row(job, "holder, attempt") == (alive.session.name, 2)
        assert alive.session.name in await inspection.members(relay._session)

    play(scene, host, tmp_path)


def _note(tx: Transaction, entries: dict[str, str]) -> None:
    for job, name in entries.items():
        tx.execute("update job set entry = ? where id = ?", (name, job))


def _begin(tx: Transaction, job: str, deaths: int) -> None:
    tx.execute("update job set begun = attempt, deaths = ? where id = ?", (deaths, job))


def _begin_with_the_claim(tx: Transaction, job: str) -> None:
    """Its next attempt counts as started at once: the hold may end before anybody could say so."""
    tx.execute("update job set begun = attempt + 1, deaths = 3 where id = ?", (job,))


async def _is(value: Awaitable[object], wanted: object) -> bool:
    return await value == wanted


def _waited(relay: Relay) -> bool:
    return relay._until_judging() <= 0

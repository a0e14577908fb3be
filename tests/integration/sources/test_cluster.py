"""The source of a cluster: the verdicts on claims, the session, and what is left behind."""

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import to_builtins

from job_engine.executor.sources import pending_claims
from job_engine.job.attend import HELD, MISSING, Attend, Claim, Hello
from job_engine.queue import Taken, inspection
from tests.integration.sources.places import TIMEOUT, ClusterPlace, attempt_of, until
from tests.integration.sources.playing import Play
from tests.integration.sources.test_conformance import is_in
from tests.zookeeper import Proxy

STRANGER = "executor-00000000000000ab"
HELLO = Hello(name="s", host="s", pid=1, version="0", processes=1, slots=1, actions=["noop"])


def zookeeper_proxy(place: ClusterPlace) -> Proxy:
    proxy = Proxy(int(place.zookeeper.hosts.rpartition(":")[2]))
    place.callback(proxy.close)
    return proxy


async def claim_as_stranger(place: ClusterPlace, job: str, entry: str, n: int = 1) -> None:
    """A member that never was, at least not in this ZooKeeper, holds the job."""
    said = Attend(n=n, hello=HELLO, member=STRANGER, claims=[Claim(entry, job)])
    answer = await place.call("POST", "/api/executor/stranger/attend", to_builtins(said))
    assert len(answer["jobs"]) == 1, answer


UNKNOWN = "job/00000000-0000-0000-0000-000000000000"


def test_entries_of_final_jobs_are_removed_and_those_of_nobody_left_alone(
    play_cluster: Play, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(pending_claims.DISBELIEF_SECONDS, MISSING, 0.3)

    async def scene(place: ClusterPlace) -> None:
        executor = await place.executor()
        (id_,) = await place.add(1)
        executor.finish(*await executor.grant())
        await executor.told()
        await place.queue.put(id_, 100)  # final
        left = [await place.queue.put(job, 100) for job in (UNKNOWN, "what is this")]  # another system's, perhaps

        async def settled() -> bool:
            return await place.children("entries") == left and not await place.taken()

        await until(lambda: f"{UNKNOWN}, of which the queue has" in caplog.text, "the end of the patience")
        await until(settled, "a queue that holds what is not ours to remove")
        assert len(executor.granted_) == 1
        assert "holds no job id but 'what is this'" in caplog.text

    play_cluster(scene)


def test_a_job_that_comes_after_its_entry_is_waited_for(play_cluster: Play) -> None:
    async def scene(place: ClusterPlace) -> None:
        executor = await place.executor()
        id_ = "job/01a2108f-abf7-7388-9909-72d3f43c6606"
        entry = await place.queue.put(id_, 100)
        await until(lambda: executor.source._claims._claimed.get(entry), "the first claim")
        await until(lambda: executor.source._claims._claimed[entry].verdict == MISSING, "its verdict")
        (other,) = await place.add(1)  # and holds up nobody
        (held,) = await executor.grant()
        assert held.id == other
        assert entry in await place.taken()

    play_cluster(scene)


def test_a_job_that_another_holds_is_given_back_after_a_while(
    play_cluster: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(place: ClusterPlace) -> None:
        executor = await place.executor(room=0)
        (id_,) = await place.add(1)
        (entry,) = await place.children("entries")
        await claim_as_stranger(place, id_, entry)
        released: list[Taken] = []
        giving_back = executor.source._entries.release

        def release(takes: list[Taken], **more: bool) -> None:
            released.extend(takes)
            giving_back(takes, **more)

        monkeypatch.setattr(executor.source._entries, "release", release)
        executor.room = 1
        executor.exchanges.speak()
        await until(lambda: released, "giving it back")
        assert [taken.name for taken in released] == [entry]
        assert executor.granted_ == []
        assert await is_in(place, id_, "RUNNING", 1)()

    play_cluster(scene)


def test_a_job_whose_holder_ends_is_granted_within_the_wait(
    play_cluster: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pending_claims.DISBELIEF_SECONDS, HELD, 20.0)

    async def scene(place: ClusterPlace) -> None:
        executor = await place.executor(room=0)
        (id_,) = await place.add(1)
        (entry,) = await place.children("entries")
        await claim_as_stranger(place, id_, entry)
        job = (await place.call("POST", "/api/executor/stranger/attend", {"n": 2, "member": STRANGER}))["jobs"][0]
        executor.room = 1
        executor.exchanges.speak()
        await until(lambda: executor.source._claims._claimed, "a claim")
        released = [[job[0], job[1], "stopped"]]
        await place.call("POST", "/api/executor/stranger/attend", {"n": 3, "member": STRANGER, "released": released})
        (held,) = await executor.grant()
        assert (held.id, attempt_of(held)) == (id_, 2)

    play_cluster(scene)


def test_a_grant_that_comes_too_late_is_given_back(play_cluster: Play) -> None:
    async def scene(place: ClusterPlace) -> None:
        executor = await place.executor(room=0)
        (id_,) = await place.add(1)
        (entry,) = await place.children("entries")
        member = executor.source._entries.member
        late = {"n": 1, "member": member, "claims": [[entry, id_]], "hello": {
            "name": "s", "host": "s", "pid": 1, "version": "0", "processes": 1, "slots": 1, "actions": ["noop"],
        }}  # fmt: skip
        await place.call(
            "POST", "/api/executor/late/attend", late
        )  # as if it were ours, from the time before an outage
        executor.exchanges.speak()
        await until(is_in(place, id_, "QUEUED", 1), "giving it back")
        assert executor.granted_ == []
        executor.room = 1
        executor.exchanges.speak()
        (held,) = await executor.grant()
        assert attempt_of(held) == 2

    play_cluster(scene)


def test_what_was_taken_and_not_claimed_is_free_when_the_server_is_away(play_cluster: Play) -> None:
    async def scene(place: ClusterPlace) -> None:
        executor = await place.executor()
        executor.proxy.set(up="hold")  # the server does not hear the claim
        await place.add(1)
        await until(lambda: any(one.asked for one in executor.source._claims._claimed.values()), "a claim")
        executor.proxy.set(refuse=True)
        executor.proxy.cut()

        async def free() -> bool:
            return not await place.taken()

        await until(free, "the entry being free")
        assert len(await place.children("entries")) == 1
        assert executor.source._entries._room == 0, "and no more is taken"

    play_cluster(scene)


def test_at_the_deadline_the_record_hears_before_the_session_is_renewed(play_cluster: Play) -> None:
    async def scene(place: ClusterPlace) -> None:
        proxy = zookeeper_proxy(place)
        executor = await place.executor(host=proxy.host)
        (id_,) = await place.add(1)
        (held,) = await executor.grant()
        proxy.set(up="hold")  # ZooKeeper hears no heartbeat any more
        await until(lambda: executor.lapses, "the lapse")
        await until(is_in(place, id_, "QUEUED", 1), "the release")
        assert executor.source.good_until == 0.0
        proxy.set(up="pass")
        proxy.cut()
        (again,) = await executor.grant()
        assert (again.id, attempt_of(again)) == (id_, 2)
        assert again is not held
        executor.finish(again)
        await executor.told()
        await until(place.clean, "a clean queue")

    play_cluster(scene)


def test_a_session_that_is_over_is_followed_by_another(play_cluster: Play) -> None:
    async def scene(place: ClusterPlace) -> None:
        executor = await place.executor()
        (id_,) = await place.add(1)
        await executor.grant()
        member = executor.source._entries.member
        await place.expire(executor)
        await until(lambda: executor.lapses, "the lapse")
        (again,) = await executor.grant()
        assert (again.id, attempt_of(again)) == (id_, 2)
        assert executor.source._entries.member not in (member, "")
        assert await inspection.members(place.queue.session) >= {executor.source._entries.member}

    play_cluster(scene)


def test_the_deadline_moves_on_by_itself(play_cluster: Play) -> None:
    async def scene(place: ClusterPlace) -> None:
        executor = await place.executor()
        first = executor.source.good_until
        loop = asyncio.get_running_loop()
        assert loop.time() < first <= loop.time() + TIMEOUT * 2 / 3
        executor.proxy.set(up="hold", refuse=True)  # the server is away, and that is no matter here
        await until(lambda: executor.moves > 3, "heartbeats")
        assert executor.source.good_until > first + TIMEOUT / 5
        assert executor.lapses == 0

    play_cluster(scene)


def test_the_record_knows_member_and_session_timeout(play_cluster: Play) -> None:
    async def scene(place: ClusterPlace) -> None:
        executor = await place.executor()
        hello = executor.exchanges._greeting
        assert hello is not None
        assert hello.session_timeout == TIMEOUT
        executor.source._told_timeout = 0.0  # as after a session with another one
        executor.exchanges.speak()
        await until(lambda: executor.source._told_timeout == TIMEOUT, "another hello")

    play_cluster(scene)


def test_jobs_that_were_given_up_are_let_go_with_the_session(play_cluster: Play) -> None:
    async def scene(place: ClusterPlace) -> None:
        executor = await place.executor()
        (id_,) = await place.add(1)
        await executor.grant()
        member = executor.source._entries.member
        executor.proxy.set(refuse=True)
        executor.proxy.cut()
        await until(lambda: executor.exchanges.away_since, "the loop noticing")
        executor.source.let_go()
        await until(lambda: executor.lapses, "the jobs given up")

        async def gone() -> bool:
            return member not in await inspection.members(place.queue.session)

        await until(gone, "the end of its session")
        assert await place.taken() == []
        executor.proxy.set(refuse=False)
        (again,) = await executor.grant()
        assert attempt_of(again) == 2
        assert await is_in(place, id_, "RUNNING", 2)()

    play_cluster(scene)


def test_a_successor_ends_the_session_of_the_dead_one(play_cluster: Play, tmp_path: Path) -> None:
    async def scene(place: ClusterPlace) -> None:
        note = tmp_path / "note"
        dead = await place.executor(note=note)
        await place.add(1)
        await dead.grant()
        saved = note.read_bytes()
        dead._task.cancel()  # it says nothing any more, but its session lives
        dead.source._entries.listener = None
        (member,) = {name for name in await inspection.members(place.queue.session) if name.startswith("executor")}
        note.write_bytes(saved)
        successor = await place.executor(note=note)
        members = await inspection.members(place.queue.session)
        assert successor.source._entries.member in members
        assert member not in members
        assert note.read_bytes() != saved

    play_cluster(scene)


def test_a_stop_does_not_wait_for_a_zookeeper_that_is_away(play_cluster: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("job_engine.executor.sources.entries.SETTLE_SECONDS", 0.2)

    async def scene(place: ClusterPlace) -> None:
        proxy = zookeeper_proxy(place)
        executor = await place.executor(host=proxy.host)
        await place.add(1)
        (held,) = await executor.grant()
        proxy.set(up="hold", refuse=True)
        executor.finish(held)
        await executor.told()
        async with asyncio.timeout(TIMEOUT * 4):
            await executor.close()
        assert await is_in(place, held.id, "SUCCESS", 1)()

    play_cluster(scene)


def test_the_session_is_not_renewed_before_the_record_has_heard(play_cluster: Play) -> None:
    async def scene(place: ClusterPlace) -> None:
        executor = await place.executor()
        await place.add(1)
        await executor.grant()
        order: list[str] = []
        entries = executor.source._entries
        renewed = asyncio.Event()
        telling, renewing = executor._given_up, entries.on_session_renewed

        async def given_up() -> None:
            await telling()
            order.append("heard")

        def renew(link: object) -> None:
            order.append("renewed")
            renewed.set()
            renewing(link)

        executor._given_up = given_up  # type: ignore[method-assign]
        entries.on_session_renewed = renew
        executor.proxy.set(up="hold")
        await place.expire(executor)
        await until(lambda: executor.lapses, "the lapse")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT / 4):  # in vain
                await renewed.wait()
        executor.proxy.set(up="pass")
        await renewed.wait()
        assert order == ["heard", "renewed"]

    play_cluster(scene)


def test_a_stop_consumes_what_is_finished(play_cluster: Play) -> None:
    async def scene(place: ClusterPlace) -> None:
        proxy = zookeeper_proxy(place)
        place.zookeeper = replace(place.zookeeper, session_timeout=2 * TIMEOUT)
        executor = await place.executor(room=50, host=proxy.host)
        await place.add(50)
        jobs = await executor.grant(50)
        proxy.set(refuse=True)
        proxy.cut()  # not for so long that the session is over
        executor.finish(*jobs)
        await executor.told()
        assert executor.source._entries._endings._task, "there is something to settle"
        closing = asyncio.create_task(executor.close())
        await until(lambda: executor.source._entries.listener is None, "the close beginning")
        proxy.set(refuse=False)
        await closing
        assert await place.clean()

    play_cluster(scene)

"""The election: one leader, through the ends of sessions, and among kazoo's contenders."""

import asyncio
import threading

import pytest

from job_engine.queue import Election, Session, SessionLost, ZooKeeper, boottime, wire
from job_engine.queue.election import UNNAMED_CONTENDER
from tests.integration.queue.candidates import candidate, nodes
from tests.integration.queue.scene import TIMEOUT, Stage, play, until


def test_the_first_leads_and_hands_over_when_it_stops(host):
    async def scene(stage: Stage) -> None:
        first, second = await candidate(stage, "first"), await candidate(stage, "second")
        await until(lambda: first.election.leading)
        assert await second.election.contenders() == ["first", "second"]
        assert not second.terms
        first.task.cancel()
        await until(lambda: second.election.leading)
        await asyncio.wait([first.task])
        assert (first.ended, first.terms[0].valid) == (1, False)
        assert await second.election.contenders() == ["second"]
        assert first.session.good, "handed over, long before the session ends"

    play(scene, host)


def test_a_node_is_what_kazoo_makes_and_work_that_returns_or_fails_hands_over(host):
    async def scene(stage: Stage) -> None:
        ours = await candidate(stage, "ours", run=False)
        seen = []

        async def look(lead):
            (name,) = await nodes(stage)
            data, stat = await stage.ask("get", f"collect/{name}")
            seen.append((data, stat.ephemeralOwner == ours.session.current.session, lead.valid))
            prefix, mark, digits = name[:32], name[32:40], name[40:]
            assert (int(prefix, 16) >= 0, mark, len(digits), digits.isdecimal()) == (True, "__lock__", 10, True)

        await ours.election.run(look)
        assert seen == [(b"ours", True, True)]
        assert await nodes(stage) == []

        async def fail(lead):
            raise ValueError("on purpose")

        with pytest.raises(ValueError, match="on purpose"):
            await ours.election.run(fail)
        assert await nodes(stage) == []
        async with ours.election.lead() as lead:
            assert lead.valid
            with pytest.raises(RuntimeError, match="once at a time"):
                await ours.election.run(look)
        assert not lead.valid
        assert await nodes(stage) == []

    play(scene, host)


def test_kazoo_waits_for_us_and_we_wait_for_kazoo(host):
    """Guard: the names, and their order by the digits alone."""

    async def scene(stage: Stage) -> None:
        client = await stage.kazoo()
        ours = [await candidate(stage, "first")]
        leads, go = threading.Event(), threading.Event()
        theirs = client.Election(f"{stage.path}/collect", "kazoo's")

        def lead():
            leads.set()
            go.wait()

        running = asyncio.create_task(asyncio.to_thread(theirs.run, lead))
        stage.callback(go.set)

        async def two() -> bool:
            return len(await nodes(stage)) == 2

        await until(two, "kazoo contending")
        ours.append(await candidate(stage, "last"))
        assert await asyncio.to_thread(theirs.contenders) == ["first", "kazoo's", "last"]
        assert await ours[0].election.contenders() == ["first", "kazoo's", "last"]
        path = f"{stage.path}/collect/{'0' * 32}__lock__"  # as kazoo contends for who gives no name
        silent = await asyncio.to_thread(client.create, path, b"", ephemeral=True, sequence=True)
        assert await ours[0].election.contenders() == ["first", "kazoo's", "last", UNNAMED_CONTENDER]
        await asyncio.to_thread(client.delete, silent)
        assert not leads.is_set()
        ours[0].task.cancel()
        await until(leads.is_set, "kazoo leading")
        assert not ours[1].terms
        go.set()
        await running
        await until(lambda: ours[1].election.leading)

    play(scene, host)


def test_who_waits_watches_the_one_before_it_only(server):
    """Guard: no herd. The end of one wakes one."""

    async def scene(stage: Stage) -> None:
        candidates = [await candidate(stage, str(n), timeout=4.0) for n in range(5)]

        def watchers() -> dict[str, int]:
            """How many sessions watch each contender."""
            found, path = {}, ""
            for line in server.ask("wchp").splitlines():
                if line.startswith("/"):
                    path = line
                elif line.strip() and "/collect/" in path:
                    found[path] = found.get(path, 0) + 1
            return found

        async def settled(expected: list[int]) -> bool:
            found = await asyncio.to_thread(watchers)
            return [found.get(f"{stage.path}/collect/{name}", 0) for name in await nodes(stage)] == expected

        await until(lambda: settled([2, 1, 1, 1, 0]), "the leader watching itself, and each the one before it")
        await candidates[2].session.close()  # one in the middle goes: the next watches the one before that
        await until(lambda: settled([2, 1, 1, 0]))
        assert [bool(one.terms) for one in candidates] == [True, False, False, False, False]

    play(scene, server.host)


def test_with_the_session_the_lead_ends_and_a_new_session_contends_anew(host):
    """Guard (e1_two_leaders): kazoo's leader leads on."""

    async def scene(stage: Stage) -> None:
        ours = await candidate(stage, "ours")
        await until(lambda: ours.election.leading)
        other = await candidate(stage, "other")
        before = await nodes(stage)
        await stage.expire(ours)
        await until(lambda: other.election.leading)
        await until(lambda: not ours.terms[0].valid)

        async def anew() -> bool:
            names = await nodes(stage)
            return len(names) == 2 and names[0] == before[1] and names[1][:32] != before[0][:32]

        await until(anew, "contending anew, with another node")
        assert (ours.ended, len(ours.terms)) == (1, 1)

    play(scene, host)


def test_a_leader_whose_node_somebody_deletes_is_none(host):
    async def scene(stage: Stage) -> None:
        ours = await candidate(stage, "ours")
        await until(lambda: ours.election.leading)
        other = await candidate(stage, "other")
        lead = ours.terms[0]
        guarded = wire.multi([wire.check(lead.node), wire.write(ours.session.member, b"guarded")])
        assert (await ours.session.current.call(guarded)).done
        await stage.ask("delete", f"collect/{(await nodes(stage))[0]}")
        await until(lambda: other.election.leading)
        await until(lambda: ours.ended == 1)
        assert not lead.valid
        assert not (await ours.session.current.call(guarded)).done, "a zombie's write that checks the node is refused"

        async def again() -> bool:
            return await other.election.contenders() == ["other", "ours"]

        await until(again)

    play(scene, host)


def test_a_leader_that_was_stopped_knows_at_once_that_its_time_is_over(host):
    """Guard (e2_sigstop): by the clock, before anything has been received."""

    async def scene(stage: Stage) -> None:
        ahead = 0.0
        ours = await candidate(stage, "ours", clock=lambda: boottime() + ahead)
        await until(lambda: ours.election.leading)
        ahead = TIMEOUT
        assert not ours.terms[0].valid
        ahead = 0.0

    play(scene, host)


def test_closing_the_session_ends_the_work_first(host):
    async def scene(stage: Stage) -> None:
        ours = await candidate(stage, "ours")
        await until(lambda: ours.election.leading)
        other = await candidate(stage, "other")
        led_meanwhile = []

        async def stop():
            led_meanwhile.append(bool(other.terms) or len(await nodes(stage)) < 2)

        ours.witness.at_lapse = stop
        await ours.session.close()
        assert (led_meanwhile, ours.ended, ours.terms[0].valid) == ([False], 1, False)
        await until(lambda: other.election.leading)

    play(scene, host)


def test_work_that_hears_of_the_lost_session_first_is_a_lead_lost(host):
    async def scene(stage: Stage) -> None:
        ours = await candidate(stage, "ours", run=False)
        terms = []

        async def work(lead):
            terms.append(lead)
            if len(terms) == 1:
                raise SessionLost

        await ours.election.run(work)
        assert len(terms) == 2

    play(scene, host)


def test_one_session_carries_many_elections(host):
    async def scene(stage: Stage) -> None:
        settings = ZooKeeper(hosts=stage.host, path=f"{stage.path}/job", session_timeout=TIMEOUT)
        session = Session(settings, kind="distributor")
        elections = [Election(session, f"distribution-{n}", b"one", path=stage.path) for n in range(20)]
        await session.start()
        stage.push_async_callback(session.close)
        leading = set()

        async def work(lead):
            leading.add(lead)
            await lead.lost.wait()

        tasks = [asyncio.create_task(election.run(work)) for election in elections]
        await until(lambda: len(leading) == 20)
        client = session.current._client
        await asyncio.to_thread(client._connection._socket.shutdown, 2)
        await until(lambda: not session.good)
        await until(lambda: session.good)
        assert all(election.leading for election in elections)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert {len(await stage.children(f"distribution-{n}")) for n in range(20)} == {0}

    play(scene, host)


def test_an_election_of_a_session_that_has_started_is_refused(host):
    async def scene(stage: Stage) -> None:
        ours = await candidate(stage, "ours", run=False)
        with pytest.raises(RuntimeError, match="before its Session starts"):
            Election(ours.session, "late")

    play(scene, host)

"""The election when the network fails: lost answers, deadlines, short outages, and leaving meanwhile."""

import asyncio

from job_engine.queue import wire
from tests.integration.queue.candidates import candidate, nodes
from tests.integration.queue.scene import Stage, lost_answer, play, until


def test_a_contender_whose_create_was_not_answered_is_found_again(host, proxy):
    """Guard: by the prefix. Two nodes of one contender would make it wait for itself."""

    async def scene(stage: Stage) -> None:
        ours = await candidate(stage, "ours", proxy.host, run=False)
        await stage.ask("create", "collect", makepath=True)
        enter = ours.election._enter

        async def entering(link):
            async with lost_answer(proxy, lambda: stage.children("collect")):
                task = asyncio.ensure_future(enter(link))
            await task

        ours.election._enter = entering
        async with ours.election.lead() as lead:
            assert len(await nodes(stage)) == 1
            assert lead.valid
        assert await nodes(stage) == []
        assert ours.witness.told == ["renewed", "returned"]

    play(scene, host)


def test_a_leader_stops_at_its_deadline_before_another_leads(host, proxy):
    """Guard: the deadline ends the term; its work is awaited, then the session may be renewed."""

    async def scene(stage: Stage) -> None:
        order = []
        ours = await candidate(stage, "ours", proxy.host, timeout=4.0, run=False)
        stopping, stopped = asyncio.Event(), asyncio.Event()

        async def work(lead):
            order.append("ours")
            try:
                await lead.lost.wait()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                stopping.set()
                await stopped.wait()
                order.append("ours ended")
                raise

        task = asyncio.create_task(ours.election.run(work))
        stage.callback(task.cancel)
        await until(lambda: ours.election.leading)
        other = await candidate(stage, "other")
        lead = ours.election._lead
        proxy.set(up="hold", down="hold")
        await stopping.wait()
        assert not lead.valid
        assert len(await nodes(stage)) == 2, "the server has not ended the session yet"
        assert not other.terms
        until_then = ours.session.until
        proxy.set(up="pass", down="pass")
        link = ours.session.current
        await until(lambda: link.connected, "kazoo's reconnect")
        for _ in range(5):  # a heartbeat would long have been sent and answered
            await link.call(wire.exists(b"/"))
        assert ours.session.until == until_then, "nothing is renewed while the work is being stopped"
        stopped.set()
        await until(lambda: order == ["ours", "ours ended", "ours"], "a second term of ours: our node was kept")
        assert not other.terms
        assert ours.witness.told == ["renewed", "lapsed", "returned"]
        assert ours.session.good

    play(scene, host)


def test_a_leader_that_does_not_come_back_is_followed(host, proxy):
    async def scene(stage: Stage) -> None:
        ours = await candidate(stage, "ours", proxy.host)
        await until(lambda: ours.election.leading)
        other = await candidate(stage, "other")
        proxy.set(up="hold", down="hold")
        await until(lambda: other.election.leading)
        assert (ours.ended, ours.terms[0].valid) == (1, False)
        proxy.set(up="pass", down="pass")
        await until(lambda: ours.witness.told[-1] == "renewed" and len(ours.witness.told) > 1, "a new session")

        async def behind() -> bool:
            return await other.election.contenders() == ["other", "ours"]

        await until(behind, "contending anew")
        assert len(ours.terms) == 1

    play(scene, host)


def test_a_short_outage_changes_nothing(host, proxy):
    """Guard: SUSPENDED is a hint only, and our node after a reconnect in the same session is kept."""

    async def scene(stage: Stage) -> None:
        ours = await candidate(stage, "ours", proxy.host, timeout=4.0)
        await until(lambda: ours.election.leading)
        other = await candidate(stage, "other")
        before = await nodes(stage)
        proxy.set(refuse=True)
        proxy.cut()
        await until(lambda: not ours.session.good)
        assert ours.election.leading
        proxy.set(refuse=False)
        await until(lambda: "returned" in ours.witness.told and ours.session.good)
        assert ours.election.leading
        assert (await nodes(stage), len(ours.terms), other.terms) == (before, 1, [])
        first = before[0]
        await stage.ask("delete", f"collect/{first}")
        await until(lambda: not ours.terms[0].valid, "the watch on our own node, set again after the reconnect")

    play(scene, host)


def test_a_candidate_that_waits_sees_the_end_of_the_leader_after_a_reconnect(host, proxy):
    """Guard: watches are gone after a reconnect."""

    async def scene(stage: Stage) -> None:
        first = await candidate(stage, "first")
        ours = await candidate(stage, "ours", proxy.host)
        proxy.set(refuse=True)
        proxy.cut()
        await until(lambda: not ours.session.good)
        first.task.cancel()
        await asyncio.wait([first.task])
        proxy.set(refuse=False)
        await until(lambda: ours.election.leading)
        assert ours.witness.told == ["renewed", "returned"]

    play(scene, host)


def test_who_leaves_while_the_server_is_away_hands_over_as_soon_as_it_is_back(host, proxy):
    """Guard (e3_cancel): kazoo's blocks; ours returns, and the node goes at the reconnect, not with the session."""

    async def scene(stage: Stage) -> None:
        ours = await candidate(stage, "ours", proxy.host, timeout=4.0)
        await until(lambda: ours.election.leading)
        other = await candidate(stage, "other")
        proxy.set(refuse=True)
        proxy.cut()
        await until(lambda: not ours.session.good)
        ours.task.cancel()
        await asyncio.wait([ours.task])
        assert ours.ended == 1
        assert not other.terms
        proxy.set(refuse=False)
        await until(lambda: other.election.leading)
        assert ours.witness.told == ["renewed", "returned"], "in the same session"

    play(scene, host)

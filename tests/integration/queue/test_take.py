"""Take, consume and release, and the guards of each."""

import asyncio

import pytest

from job_engine.job.errors import Invalid
from job_engine.queue import EndOutcome, inspection
from job_engine.queue.take import Taken
from tests.integration.queue.scene import Stage, lost_answer, play, until

DONE, REFUSED, UNKNOWN = EndOutcome.DONE, EndOutcome.REFUSED, EndOutcome.UNKNOWN


def test_best_first_then_first_in_first_out(host):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        await ours.queue.put_many([("job/late", 500), ("job/a", 10), ("job/b", 10), ("job/best", 0)])
        taken = await ours.queue.take(3)
        assert [t.job for t in taken] == ["job/best", "job/a", "job/b"]
        assert await ours.queue.consume(taken) == [DONE] * 3
        (last,) = await ours.queue.take(3)
        assert last.job == "job/late"
        assert await stage.children("entries") == [last.name]
        assert await ours.queue.release([last]) == [DONE]
        assert await stage.children("taken") == []

    play(scene, host)


def test_a_take_ends_once(host):
    async def scene(stage: Stage) -> None:
        ours, other = await stage.member(), await stage.member()
        await ours.queue.put("job/1")
        (taken,) = await ours.queue.take(1)
        both = await asyncio.gather(ours.queue.release([taken]), ours.queue.consume([taken]))
        assert both == [[DONE], [REFUSED]]
        (theirs,) = await other.queue.take(1)
        assert await ours.queue.consume([taken]) == [REFUSED], "a late consume after our release, in the same session"
        assert await stage.children("taken") == [theirs.name]

    play(scene, host)


def test_while_a_take_is_being_released_nothing_else_ends_it(host, proxy):
    """Guard: the next one's taken node has the same version, and our member lives."""

    async def scene(stage: Stage) -> None:
        ours, other = await stage.member(proxy.host, timeout=4.0), await stage.member()
        name = await ours.queue.put("job/1")
        taken = await ours.queue.take(1)
        proxy.set(down="hold")
        releasing = asyncio.create_task(ours.queue.release(taken))
        theirs = []
        while not theirs:
            theirs = await other.queue.take_names([name])
        consuming = asyncio.create_task(ours.queue.consume(taken))
        proxy.set(down="pass")
        assert (await releasing, await consuming) == ([DONE], [REFUSED])
        assert await stage.children("entries") == await stage.children("taken") == [name]
        assert await other.queue.consume(theirs) == [DONE]

    play(scene, host)


def test_one_conflict_costs_one_entry(host):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        names = await ours.queue.put_many([(f"job/{n}", 1) for n in range(5)])
        await stage.ask("create", f"taken/{names[2]}", b"a stranger", ephemeral=True)
        taken = await ours.queue.take_names(names)
        assert [t.job for t in taken] == ["job/0", "job/1", "job/3", "job/4"]

    play(scene, host)


def test_an_entry_that_does_not_exist_is_not_taken(host):
    """Guard: the take checks the entry. kazoo's writes the taken node first, and an old view can hold any name."""

    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        made = []
        await stage.ask("get_children", "taken", watch=made.append)
        assert await ours.queue.take_names(["entry-001-0000000007"]) == []
        await ours.queue.take_names(["entry-001-0000000008"])
        assert not made, "a taken node was there for a moment"

    play(scene, host)


def test_a_taken_node_is_written_once(host):
    """Guard: version 1 tells our takes from kazoo's."""

    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        name = await ours.queue.put("job/1")
        await ours.queue.take(1)
        _, stat = await stage.ask("get", f"taken/{name}")
        assert (stat.version, stat.ephemeralOwner) == (1, ours.session.current.session)

    play(scene, host)


@pytest.mark.parametrize("verb", ["consume", "release"])
def test_a_stranger_that_holds_the_entry_now_is_left_alone(host, verb):
    """Guard: the taken node is deleted at version 1, kazoo's has 0."""

    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        name = await ours.queue.put("job/1")
        taken = await ours.queue.take(1)
        await stage.ask("delete", f"taken/{name}")
        await stage.ask("create", f"taken/{name}", b"a stranger", ephemeral=True)
        assert await getattr(ours.queue, verb)(taken) == [REFUSED]
        assert await stage.children("entries") == await stage.children("taken") == [name]

    play(scene, host)


@pytest.mark.parametrize("verb", ["take", "consume", "release"])
def test_without_its_member_a_session_changes_nothing(host, verb):
    """Guard: each multi checks the member node. Nothing else tells a zombie from the living one that took after it."""

    async def scene(stage: Stage) -> None:
        ours = await stage.member(timeout=4.0)
        name = await ours.queue.put("job/1")
        taken = await ours.queue.take(1)
        if verb == "take":
            await ours.queue.release(taken)
        await stage.ask("delete", f"members/{ours.session.name}")
        if verb == "take":
            assert await asyncio.wait_for(ours.queue._takes._take(ours.session.current, [name]), 10) == []
        else:
            assert await getattr(ours.queue, verb)(taken) != [DONE]
        assert await stage.children("entries") == [name]

    play(scene, host)


def test_an_entry_that_a_stranger_removed_is_consumed_without_it(host):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        names = await ours.queue.put_many([("job/1", 1), ("job/2", 1)])
        taken = await ours.queue.take(2)
        await stage.ask("delete", f"entries/{names[0]}")
        assert await ours.queue.consume(taken) == [DONE, DONE]
        assert await stage.children("taken") == await stage.children("entries") == []

    play(scene, host)


def test_a_take_whose_answer_is_lost_is_given_back(host, proxy):
    async def scene(stage: Stage) -> None:
        ours, other = await stage.member(proxy.host), await stage.member()
        name = await other.queue.put("job/1")
        async with lost_answer(proxy, lambda: stage.children("taken")):
            waiting = asyncio.create_task(ours.queue.take_names([name]))
        assert await waiting == []
        assert await stage.children("taken") == []
        assert ours.witness.told == ["renewed", "returned"], "in the same session"
        assert [t.name for t in await other.queue.take_names([name])] == [name]

    play(scene, host)


@pytest.mark.parametrize("verb", ["consume", "release"])
def test_what_was_done_without_an_answer_is_done(host, proxy, verb):
    async def scene(stage: Stage) -> None:
        ours = await stage.member(proxy.host)
        await ours.queue.put("job/1")
        taken = await ours.queue.take(1)

        async def applied() -> bool:
            return await stage.children("taken") == []

        async with lost_answer(proxy, applied):
            waiting = asyncio.create_task(getattr(ours.queue, verb)(taken))
        assert await waiting == [DONE]

    play(scene, host)


@pytest.mark.parametrize("verb", ["consume", "release"])
def test_what_did_not_arrive_is_sent_again(host, proxy, verb):
    async def scene(stage: Stage) -> None:
        ours = await stage.member(proxy.host)
        await ours.queue.put("job/1")
        taken = await ours.queue.take(1)
        proxy.set(up="eat")
        waiting = asyncio.create_task(getattr(ours.queue, verb)(taken))
        await until(lambda: any(taken[0].name.encode() in data for data in proxy.seen), "the request being eaten")
        proxy.set(up="pass")
        proxy.cut()
        assert await waiting == [DONE]
        assert await stage.children("taken") == []
        assert len(await stage.children("entries")) == (verb == "release")

    play(scene, host)


def test_a_release_is_not_repeated_against_who_took_the_entry_since(host, proxy):
    """Guard: after a lost answer the taken node is read; another of ours has the same version."""

    async def scene(stage: Stage) -> None:
        ours, other = await stage.member(proxy.host), await stage.member()
        name = await ours.queue.put("job/1")
        taken = await ours.queue.take(1)
        proxy.set(down="eat")
        waiting = asyncio.create_task(ours.queue.release(taken))
        theirs = []
        while not theirs:
            theirs = await other.queue.take_names([name])
        proxy.set(down="pass")
        proxy.cut()
        assert await waiting == [DONE]
        assert await stage.children("taken") == [name]
        assert await other.queue.consume(theirs) == [DONE]

    play(scene, host)


def test_a_taken_node_of_our_session_with_another_mark_is_not_this_take(host):
    """Guard: owner *and* mark."""

    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        await ours.queue.put("job/1")
        (taken,) = await ours.queue.take(1)
        older = Taken(taken.name, taken.job, b"an older mark", taken.member)
        link = ours.session.current
        assert await ours.queue._takes._still_ours(link, [taken, older]) == [taken]

    play(scene, host)


def test_what_vanished_while_we_were_away_is_forgotten(host, proxy):
    async def scene(stage: Stage) -> None:
        ours = await stage.member(proxy.host)
        names = await ours.queue.put_many([("job/1", 1), ("job/2", 1)])
        await ours.queue.take(2)
        await stage.ask("delete", f"taken/{names[0]}")
        proxy.cut()
        await until(lambda: "returned" in ours.witness.told)
        assert [t.name for t in ours.queue.held] == names[1:]

    play(scene, host)


def test_a_reconnect_releases_nothing_of_others(host, proxy):
    """Guard: ours is what our session owns."""

    async def scene(stage: Stage) -> None:
        ours, other = await stage.member(proxy.host), await stage.member()
        name = await ours.queue.put("job/1")
        theirs = await other.queue.take(1)
        proxy.cut()
        await until(lambda: "returned" in ours.witness.told and ours.session.good)
        assert await stage.children("taken") == [name]
        assert await other.queue.consume(theirs) == [DONE]

    play(scene, host)


def test_a_cancelled_take_gives_back_what_it_took(host, proxy):
    async def scene(stage: Stage) -> None:
        ours = await stage.member(proxy.host)
        name = await ours.queue.put("job/1")
        proxy.set(down="hold")
        waiting = asyncio.create_task(ours.queue.take_names([name]))
        await until(lambda: stage.children("taken"), "the take arriving")
        waiting.cancel()
        proxy.set(down="pass")

        async def given_back() -> bool:
            return await stage.children("taken") == [] and ours.queue.held == []

        await until(given_back)

    play(scene, host)


def test_multis_are_cut_and_what_is_too_large_is_an_error_before_it_is_sent(host):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        with pytest.raises(Invalid, match="too large"):
            await ours.queue.put("x" * 1_100_000)
        with pytest.raises(Invalid, match="priority"):
            await ours.queue.put_many([("job/1", 1), ("job/2", 1000)])
        names = await ours.queue.put_many([(f"job/{n:040d}", 5) for n in range(12_000)])
        assert names == await inspection.names(ours.session)
        taken = await ours.queue.take_names(names)
        assert [t.name for t in taken] == names
        assert set(await ours.queue.consume(taken)) == {DONE}
        assert await inspection.names(ours.session) == []
        assert ours.witness.told == ["renewed"], "the connection held"

    play(scene, host)


def test_a_look_tells_who_has_taken_what_and_since_when(host):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        names = await ours.queue.put_many([("job/1", 1), ("job/2", 2), ("job/3", 3)])
        await ours.queue.take_names(names[:1])
        await stage.ask("create", f"taken/{names[1]}", b"a stranger", ephemeral=True)
        await stage.ask("create", "entries/stray", b"?")
        assert await inspection.names(ours.session) == names
        assert await inspection.jobs_of(ours.session, names) == dict(
            zip(names, ("job/1", "job/2", "job/3"), strict=True)
        )
        holders = await inspection.holders(ours.session, names)
        one, two = holders[names[0]], holders[names[1]]
        assert (len(holders), one.member) == (2, ours.session.name)
        assert (two.member, two.mark) == (None, "a stranger")
        assert two.since >= one.since > 1_700_000_000
        assert await inspection.members(ours.session) == {ours.session.name}

    play(scene, host)

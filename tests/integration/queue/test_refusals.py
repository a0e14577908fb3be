"""Rights that we lack and folders that vanish: said or mended, and never asked for again and again."""

import asyncio
import contextlib

import pytest

from job_engine.job.errors import Forbidden
from job_engine.queue import Session, ZooKeeper, parse_acl, take
from tests.integration.queue.scene import TIMEOUT, Stage, lost_answer, play, until

ALL = parse_acl("world:anyone:cdrwa")
OWNER_ONLY = parse_acl("auth::cdrwa")


async def owner(stage: Stage):
    """A member that may do everything, and its client, which can take rights away from the others."""
    ours = await stage.member(settings={"auth": (("digest", "owner:secret"),)}, kind="other")
    return ours, ours.session.current._client


def test_a_member_node_that_we_may_not_write_is_an_error_that_says_so(host):
    async def scene(stage: Stage) -> None:
        rights = (parse_acl("world:anyone:crd"),)
        session = Session(ZooKeeper(hosts=host, path=stage.path, session_timeout=TIMEOUT, acl=rights))
        with pytest.raises(Forbidden):
            await session.start(within=3)

    play(scene, host)


def test_entries_that_we_may_not_list_are_told_to_the_taker(host):
    async def scene(stage: Stage) -> None:
        _, client = await owner(stage)
        entries = f"{stage.path}/entries"
        await asyncio.to_thread(client.set_acls, entries, [OWNER_ONLY, parse_acl("world:anyone:cdw")])
        ours = await stage.member()
        with pytest.raises(Forbidden):
            await ours.queue.take(1)
        assert ours.queue._view.listings == 1
        await asyncio.to_thread(client.set_acls, entries, [ALL])
        name = await ours.queue.put("job/1")
        assert [taken.name for taken in await ours.queue.take(1)] == [name]

    play(scene, host)


@pytest.mark.parametrize("folder", ["taken", "entries"])
def test_a_folder_that_somebody_deletes_is_made_anew(host, folder):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        await stage.ask("delete", folder)
        waiting = asyncio.create_task(ours.queue.take(1))
        await until(lambda: stage.ask("exists", folder), "the folder being made anew")
        await ours.queue.put("job/1")
        assert [taken.job for taken in await waiting] == ["job/1"]

    play(scene, host)


def test_without_the_folder_of_takes_a_session_comes_back(host):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        await stage.ask("delete", "taken")
        ours.session.current.cut()
        await until(lambda: ours.witness.told[1:] and ours.session.good, "the session being good again")
        assert ours.witness.told == ["renewed", "returned"]

    play(scene, host)


def test_an_entry_that_we_may_not_take_costs_none_of_the_others(host):
    """What was won beside it must be in somebody's hands: it is taken as long as the session lives."""

    async def scene(stage: Stage) -> None:
        theirs, client = await owner(stage)
        first, closed, last = await theirs.queue.put_many([(f"job/{n}", 1) for n in range(3)])
        await asyncio.to_thread(client.set_acls, f"{stage.path}/entries/{closed}", [OWNER_ONLY])
        ours = await stage.member()
        assert [taken.name for taken in await ours.queue.take(3)] == [first, last]
        assert await stage.children("taken") == [first, last]
        with pytest.raises(Forbidden):
            await ours.queue.take_names([closed])

    play(scene, host)


@pytest.mark.parametrize("folder", ["taken", "entries/{entry}"])
def test_rights_that_come_back_are_noticed_in_the_same_session(host, monkeypatch, folder):
    monkeypatch.setattr(take, "REFUSED_SECONDS", 0.3)

    async def scene(stage: Stage) -> None:
        theirs, client = await owner(stage)
        names = await theirs.queue.put_many([(f"job/{n}", 1) for n in range(3)])
        ours = await stage.member()
        for entry in names:
            path = f"{stage.path}/{folder.format(entry=entry)}"
            left = parse_acl("world:anyone:r" if folder == "taken" else "world:anyone:w")
            await asyncio.to_thread(client.set_acls, path, [OWNER_ONLY, left])
        with pytest.raises(Forbidden, match="take entries"):
            await ours.queue.take(3)
        waiting = asyncio.create_task(ours.queue.take(3))
        for entry in names:
            await asyncio.to_thread(client.set_acls, f"{stage.path}/{folder.format(entry=entry)}", [ALL])
        taken = []
        while len(taken) < 3:
            with contextlib.suppress(Forbidden):  # it was tried once more before that
                taken += await waiting
            waiting = asyncio.create_task(ours.queue.take(3))
        waiting.cancel()
        assert sorted(one.name for one in taken) == names
        assert ours.witness.told == ["renewed"]

    play(scene, host)


def test_what_could_not_be_given_back_after_an_outage_is_tried_again(host, proxy):
    """A take whose answer was lost: without the right to release it, it would be nobody's while the session lives."""

    async def scene(stage: Stage) -> None:
        theirs, client = await owner(stage)
        (name,) = await theirs.queue.put_many([("job/1", 1)])
        ours = await stage.member(proxy.host)
        async with lost_answer(proxy, lambda: _taken(stage)):
            lost = asyncio.create_task(ours.queue.take_names([name]))
            await until(lambda: _taken(stage), "the take arriving")
            taken = f"{stage.path}/taken"
            await asyncio.to_thread(client.set_acls, taken, [OWNER_ONLY, parse_acl("world:anyone:rc")])
        await until(lambda: ours.session.current.connections > 2, "another try")
        await asyncio.to_thread(client.set_acls, taken, [ALL])
        await until(lambda: _free(stage), "the entry being free")
        assert await lost == []
        assert [one.name for one in await ours.queue.take(1)] == [name]

    play(scene, host)


async def _taken(stage: Stage) -> list[str]:
    return await stage.children("taken")


async def _free(stage: Stage) -> bool:
    return not await stage.children("taken")

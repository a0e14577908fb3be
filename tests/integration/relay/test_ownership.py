"""Whose queue a path is: nothing is put or removed on one that is another's, and what is ours is made anew."""

from pathlib import Path

import pytest

from job_engine.queue.put import put_by
from job_engine.relay.other_servers import RELAY_KIND, OtherServers, description
from job_engine.relay.ownership import Ownership, PathNotOurs
from job_engine.store.transaction import Transaction
from tests.integration.queue.scene import Member
from tests.integration.relay.scene import Scene, play, until

THEIRS = "job/01a2108f-abf7-7388-9909-72d3f43c6606"


async def server(s: Scene, record: str, name: str) -> tuple[Member, Ownership]:
    """Another server: of this record (a copy), or of another one, which has no jobs."""
    member = await s.member(kind=RELAY_KIND, about=description(record, name).encode())
    return member, Ownership(s.store, member.session, record, name)


async def marked(s: Scene) -> str:
    return str((await s.ask("get", "record"))[0].decode())


def test_a_queue_that_another_system_fills_is_left_alone(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        await s.ask("ensure_path", "entries")
        names = [await s.put(THEIRS), await s.put("job/01a2108f-abf7-7388-9909-000000000000", 5)]
        relay = await s.relay()
        (job,) = await s.add()
        with pytest.raises(PathNotOurs):
            await relay.run()
        for says in (
            "another system",
            "2 of its entries",
            THEIRS.rpartition("/")[2][:8],
            "--zk-path of its own",
            s.path,
        ):
            assert says in relay._ownership.trouble
        assert sorted(await s.queue()) == sorted(names)
        assert await s.entry(job) is None
        assert not await s.ask("exists", "record")
        assert sum(relay.journal.counts.values()) == 0

        for name in names:  # its executors empty it
            await s.remove(name)
        assert await relay._ownership.inspect()
        assert relay._ownership.trouble == ""
        s.run(relay)
        await s.published(job)

    play(scene, host, tmp_path)


def test_what_another_system_puts_into_our_queue_stays(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running()
        (job,) = await s.add()
        entry = await s.published(job)
        theirs = await s.put(THEIRS)
        await s.repaired(relay, "stray")
        assert await s.queue() == {entry: job, theirs: THEIRS}
        assert relay.foreign == [(theirs, f"{THEIRS} is not in the record, and another system put it")]
        assert [(repair.kind, repair.entry) for repair in await relay.reconcile(dry_run=True)] == [("stray", theirs)]
        await s.remove(theirs)
        await s.idle(relay)
        assert relay.foreign == []

    play(scene, host, tmp_path)


def test_what_this_record_put_goes_though_its_job_is_deleted(host: str, tmp_path: Path) -> None:
    """As when an old copy of the disk comes back: entries know who put them, and kazoo's need not."""

    async def scene(s: Scene) -> None:
        relay = await s.running()
        deleted, final, kept = await s.add(3)
        names = [await s.published(job) for job in (deleted, final, kept)]
        assert await put_by(relay._session, names, relay._ownership.record) == set(names)
        assert await put_by(relay._session, names, "other") == set()
        theirs = await s.put(THEIRS)
        assert await put_by(relay._session, [theirs], relay._ownership.record) == set()

        def delete(tx: Transaction) -> None:
            tx.execute("delete from job where id = ?", (deleted,))

        await s.store.write(delete)
        await s.cancel(final)
        await relay.reconcile(dry_run=False)
        await s.gone(names[0])
        await s.gone(names[1])
        assert set(await s.queue()) == {names[2], theirs}

    play(scene, host, tmp_path)


def test_a_queue_that_an_older_version_filled_is_ours(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        await s.ask("ensure_path", "entries")
        (job,) = await s.add()
        name, orphan = await s.put(job), await s.put(THEIRS)  # without a mark, and without the name of who put them
        relay = await s.running()
        assert await s.published(job) == name
        assert await marked(s) == f"{relay._ownership.record} 1"
        await s.repaired(relay, "stray")
        assert orphan in await s.queue()

    play(scene, host, tmp_path)


def test_a_wiped_path_is_marked_and_filled_anew(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running()
        (job,) = await s.add()
        name = await s.published(job)
        await s.remove(name)
        await s.ask("delete", "record")
        assert await s.published(job) != name
        assert await marked(s) == f"{relay._ownership.record} 1"

    play(scene, host, tmp_path)


def test_the_path_of_another_record_is_free_once_its_server_and_its_jobs_are_gone(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        other, theirs = await server(s, "0a11", "2")
        assert await theirs.inspect()
        (entry,) = await other.queue.put_many([(THEIRS, 1)], theirs.record)
        relay = await s.relay()
        assert not await relay._ownership.inspect()
        assert other.session._about.decode() in relay._ownership.trouble
        await other.session.close()
        assert not await relay._ownership.inspect()
        assert "the queue of another record: 1 of its entries" in relay._ownership.trouble
        with pytest.raises(PathNotOurs):
            await relay.run()
        assert await s.queue() == {entry: THEIRS}
        await s.remove(entry)
        assert await relay._ownership.inspect()

    play(scene, host, tmp_path)


def test_a_copy_of_the_record_is_refused_for_as_long_as_it_runs(host: str, tmp_path: Path) -> None:
    """Two processes say that they serve one record, and both are heard: one serves a copy."""

    async def scene(s: Scene) -> None:
        relay = await s.running()
        (job,) = await s.add()
        await s.published(job)
        original = OtherServers(relay._session, relay._ownership.record, "1")
        copy, ownership = await server(s, relay._ownership.record, "2")
        copied = OtherServers(copy.session, ownership.record, "2")
        # the scene's relay does not say of which record it is, so here a member says it for it
        first, _ = await server(s, relay._ownership.record, "1")
        assert not await ownership.inspect()
        await until(lambda: _refused(ownership), "the owner being heard")
        assert "a server of the same record" in ownership.trouble
        assert "One of the two is a copy" in ownership.trouble
        await until(lambda: _heard(original), "the copy being heard")
        await until(lambda: _heard(copied), "the original being heard")
        assert "of a copy of this one" in original.trouble
        assert await marked(s) == f"{relay._ownership.record} 1"
        await first.session.close()
        assert not await ownership.inspect(), "the original may be back in a moment"

    play(scene, host, tmp_path)


def test_a_server_that_follows_a_dead_one_waits_for_the_end_of_its_session(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        _, after = await server(s, "5ec07d", "2")
        await s.ask("create", f"members/{RELAY_KIND}-1", description("5ec07d", "1").encode(), ephemeral=True)
        await s.ask("create", "record", b"5ec07d 1")
        for _ in range(3):
            assert not await after.inspect()
            assert after.trouble == "", "nothing is wrong"
        await s.ask("delete", f"members/{RELAY_KIND}-1")
        assert await after.inspect()
        assert await marked(s) == "5ec07d 2"

    play(scene, host, tmp_path)


async def _refused(ownership: Ownership) -> bool:
    assert not await ownership.inspect()
    return bool(ownership.trouble)


async def _heard(other_servers: OtherServers) -> bool:
    return bool(await other_servers.inspect())

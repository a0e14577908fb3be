"""How what was taken is ended when ZooKeeper refuses it for a while."""

import asyncio
import logging

import pytest

from job_engine.executor.sources import entry_endings
from job_engine.executor.sources.entry_endings import EntryEnd, EntryEndings
from job_engine.queue import parse_acl
from tests.integration.queue.scene import Stage, play, until


@pytest.mark.parametrize(
    ("way", "folder", "left"), [(EntryEnd.CONSUME, "entries", []), (EntryEnd.RELEASE, "taken", ["job/1"])]
)
def test_rights_that_come_back_are_used(
    host: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    way: int,
    folder: str,
    left: list[str],
) -> None:
    monkeypatch.setattr(entry_endings, "RETRY_SECONDS", 0.05)

    async def scene(stage: Stage) -> None:
        owner = await stage.member(settings={"auth": (("digest", "owner:secret"),)}, kind="other")
        assert owner.session.current
        client, path = owner.session.current._client, f"{stage.path}/{folder}"
        ours = await stage.member()
        await ours.queue.put("job/1", 1)
        taken = await ours.queue.take(1)
        rights = [parse_acl("auth::cdrwa"), parse_acl("world:anyone:cr")]
        await asyncio.to_thread(client.set_acls, path, rights)
        ending = EntryEndings(ours.queue)
        ending.add(way, taken)
        await until(lambda: len(ending._retries) == 1, "the refusal")
        said = len(caplog.records)
        await until(lambda: not ending._retries, "another try")
        assert len(caplog.records) == said, "the log says it once"
        await asyncio.to_thread(client.set_acls, path, [parse_acl("world:anyone:cdrwa")])
        await until(lambda: not ours.queue.held, "the end")
        assert await stage.children("taken") == []
        assert [(await stage.ask("get", f"entries/{n}"))[0].decode() for n in await stage.children("entries")] == left

    with caplog.at_level(logging.ERROR, "job_engine.executor"):
        play(scene, host)


def test_what_is_void_is_not_tried_again(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(stage: Stage) -> None:
        owner = await stage.member(settings={"auth": (("digest", "owner:secret"),)}, kind="other")
        assert owner.session.current
        client, path = owner.session.current._client, f"{stage.path}/entries"
        ours = await stage.member()
        await ours.queue.put("job/1", 1)
        taken = await ours.queue.take(1)
        await asyncio.to_thread(client.set_acls, path, [parse_acl("auth::cdrwa"), parse_acl("world:anyone:cr")])
        ending = EntryEndings(ours.queue)
        ending.add(EntryEnd.CONSUME, taken)
        await until(lambda: len(ending._retries) == 1, "the refusal")
        ending.forget()
        assert not ending._retries
        assert await ending.settle(1.0)

    play(scene, host)

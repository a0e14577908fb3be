"""What people are shown of the queue when something is wrong with it."""

from pathlib import Path

import pytest

from job_engine.job.errors import Unavailable
from job_engine.queue import Election, Session
from job_engine.relay.other_servers import OtherServers
from job_engine.relay.overview import Overview
from tests.integration.relay.scene import Scene, play


def test_folders_that_somebody_deleted_are_no_fault_of_the_server(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.relay()  # it does not run, so nobody mends them
        session = Session(relay._session.settings, kind="relay", about=b"test")
        election = Election(session, "relay")
        await session.start()
        s.push_async_callback(session.close)
        other_servers = OtherServers(relay._session, "", "")
        overview = Overview(s.store, relay._session, election, relay, other_servers, relay._ownership)
        (job,) = await s.add()
        name = await s.put(job)
        await s.ask("delete", "taken")
        shown = await overview.shown()
        assert (shown["published"], shown["taken"]) == (1, [])
        assert [repair["kind"] for repair in await overview.reconcile(dry_run=True)] == ["adopt"]
        await s.ask("create", f"taken/{name}", b"a stranger", makepath=True)
        await s.ask("delete", "members", recursive=True)
        with pytest.raises(Unavailable, match="NoNodeError"):
            await overview.shown()

    play(scene, host, tmp_path)

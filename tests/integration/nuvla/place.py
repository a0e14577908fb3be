"""A place where jobs come from a Nuvla server and a queue in ZooKeeper; the tests write the entries, as it would."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

from kazoo.client import KazooClient

from job_engine.api import ServerSettings, make_app
from job_engine.executor.sources.entries import Entries
from job_engine.executor.sources.nuvla import NuvlaSource
from job_engine.executor.sources.nuvla_api import NuvlaApi
from tests.integration.sources.places import ClusterPlace, Executor
from tests.nuvla import NuvlaLike
from tests.zookeeper import Proxy


class NuvlaPlace(ClusterPlace):
    """Beside a Nuvla server."""

    counts = False

    def __init__(self, folder: Path, host: str) -> None:
        super().__init__(folder, host)
        self.grace = 0.0
        self.nuvla: NuvlaLike

    def app(self) -> Any:
        settings = ServerSettings(database=self.folder / "record.db", admin_folder=self.folder)
        self.nuvla = NuvlaLike(make_app(settings))
        return self.nuvla

    def source(self, proxy: Proxy, host: str = "", note: Path | None = None) -> Any:
        entries = Entries(self.zookeeper, b"a test", note)
        return NuvlaSource(NuvlaApi(self.client(proxy.port)), str(uuid4()), entries, "1.2.3", self.grace)

    async def expire(self, executor: Executor) -> None:
        """End its session from outside: somebody with its number and password closes it."""
        thief = KazooClient(self.zookeeper.hosts, client_id=executor.source._entries.session.credentials)
        await asyncio.to_thread(thief.start)
        await asyncio.to_thread(thief.stop)
        thief.close()

    def edits(self, id_: str) -> list[dict[str, Any]]:
        """What was written of a job, in order."""
        return [body for path, body in self.nuvla.edits if path == id_]

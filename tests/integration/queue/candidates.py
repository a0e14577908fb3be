"""Who stands for an election in the tests."""

import asyncio

from job_engine.queue import Election, Session, ZooKeeper
from tests.integration.queue.scene import TIMEOUT, Stage, Witness, until


class Candidate:
    """A session, its election, and what became of it."""

    def __init__(self, stage: Stage, host: str, name: str, timeout: float, **more) -> None:
        settings = ZooKeeper(hosts=host or stage.host, path=f"{stage.path}/job", session_timeout=timeout)
        self.session = Session(settings, kind="distributor", **more)
        self.witness = Witness()
        self.session.add(self.witness)
        self.election = Election(self.session, "collect", name.encode(), path=stage.path)
        self.name = name
        self.terms = []
        self.ended = 0
        self.task: asyncio.Task[None] | None = None

    async def work(self, lead):
        self.terms.append(lead)
        try:
            await asyncio.Event().wait()
        finally:
            self.ended += 1


async def candidate(stage: Stage, name: str, host: str = "", timeout: float = TIMEOUT, run: bool = True, **more):
    """With ``run`` it contends until the end of the scene; its place in the election is certain then."""
    one = Candidate(stage, host, name, timeout, **more)
    await one.session.start()
    stage.push_async_callback(one.session.close)
    if run:
        before = len(await nodes(stage))
        one.task = asyncio.create_task(one.election.run(one.work))
        stage.callback(one.task.cancel)

        async def contends() -> bool:
            return len(await nodes(stage)) > before

        await until(contends, f"{name} contending")
    return one


async def nodes(stage: Stage) -> list[str]:
    """The contenders' nodes, in order; none without a folder."""
    if not await stage.ask("exists", "collect"):
        return []
    return sorted(await stage.children("collect"), key=lambda name: name[-10:])

"""The distributor: all of its distributions side by side, each contending in its own election, until it is stopped."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from job_engine.client import Client, kind
from job_engine.client.discovery import Found
from job_engine.client.wire import WireClient
from job_engine.distributor.distribution_state import DistributionState
from job_engine.distributor.leader import Leader
from job_engine.distributor.records import Record
from job_engine.distributor.records.engine import EngineRecord
from job_engine.distributor.registry import Distributions
from job_engine.distributor.repeated_error import RepeatedError
from job_engine.distributor.settings import DistributorSettings
from job_engine.job.errors import Invalid, Unavailable, Unreachable

if TYPE_CHECKING:
    from job_engine.distributor.contenders import Contenders
    from job_engine.queue import Election, Lead, Session

CONNECTIONS: Final = 8
"""Calls to it at a time: the parked report, and the ticks of those that are due together."""
RESTART_SECONDS: Final = 5.0
"""Seconds until a distribution goes on whose leader ended by a fault of ours."""
SILENT_SECONDS: Final = 5.0
"""Seconds after which an unreachable ZooKeeper is logged."""
CONNECT_SECONDS: Final = 15.0
"""Seconds of each further try to connect."""

log = logging.getLogger(__name__)


class Distributor:
    """One distributor.

    Args:
        name: how people know it; in an election too.
    """

    def __init__(self, settings: DistributorSettings, distributions: Distributions, name: str) -> None:
        self._settings = settings
        self._name = name
        self._distributions = distributions
        self._wire = WireClient(
            settings.api_url, credentials=settings.credentials, tls=settings.tls, connections=CONNECTIONS
        )
        self._client: Client | None = None
        self._telling = asyncio.Event()
        self.states = [DistributionState(distribution, self._telling) for distribution in distributions]
        self.leaders: list[Leader] = []

    async def run(self) -> None:
        """Make jobs until cancelled.

        Raises:
            Invalid: the server is Nuvla's, and there is no ZooKeeper.
            Forbidden: it does not accept the credentials, or ZooKeeper does not.
            Unreachable: it does not answer, and is not waited for.
        """
        try:
            ours = await kind.ask(self._wire, f"the distributor {self._name}", wait=self._settings.wait_for_api)
            if ours:
                self.states = [each for each in self.states if not each.distribution.beside_nuvla]
            if self._settings.zookeeper is None:
                if not ours:
                    raise Invalid(f"{self._wire.endpoint.url} is a Nuvla server: beside one, give --zk-hosts")
                for state in self.states:  # an election may have been held before
                    state.untold({"leader": None, "contenders": None})
                await self._work(EngineRecord(self._wire, self._name, self._telling), {})
            else:
                await self._in_elections(ours)
        finally:
            await self._wire.close()

    @property
    def hanging(self) -> int:
        """Calls of functions that have not ended."""
        return sum(leader.calls.running for leader in self.leaders)

    async def _in_elections(self, ours: bool) -> None:
        from job_engine.distributor.contenders import Contenders  # here: kazoo is for a cluster only
        from job_engine.queue import Election, Session

        assert self._settings.zookeeper is not None
        about = self._name.encode()
        session = Session(self._settings.zookeeper, kind="distributor", about=about)
        elections = {state.name: Election(session, state.name, about) for state in self.states}
        contenders = [Contenders(session, elections[state.name], state) for state in self.states]
        engine = EngineRecord(self._wire, self._name, self._telling)
        record = engine if ours else _nuvla(self._wire, self._name, session)
        try:
            await self._meet(session)
            await self._work(record, elections, contenders)
        finally:
            await session.close()

    async def _work(
        self, record: Record, elections: "Mapping[str, Election]", contenders: "Sequence[Contenders]" = ()
    ) -> None:
        self.leaders = [Leader(state, record, self._connect) for state in self.states]
        log.info(
            "distributor %s makes jobs for %s: %s",
            self._name, record.where, ", ".join(state.name for state in self.states) or "no distribution",
        )  # fmt: skip
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._always(lambda: record.run(self.states), "reporting"))
            for leader in self.leaders:
                election = elections.get(leader.state.name)
                tasks.create_task(self._always(_leading(leader, election, self._name), leader.state.name))
            for watched in contenders:
                tasks.create_task(self._always(watched.watch, "looking who contends"))

    async def _always(self, work: Callable[[], Awaitable[None]], what: str) -> None:
        """Do it anew whenever it ends: whatever happens to one distribution, the others go on."""
        problem = RepeatedError(log, f"distributor {self._name}: {what}")
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - boundary: between what stands alone
                problem.note(error, f"it begins anew every {RESTART_SECONDS:g} s")
            await asyncio.sleep(RESTART_SECONDS)

    def _connect(self) -> Client:
        """The client that ticks offer; made when the first wants it."""
        if self._client is None:
            settings = self._settings
            self._client = Client.of(Found(settings.api_url, settings.credentials, settings.tls))
        return self._client

    async def _meet(self, session: "Session") -> None:
        """Wait for ZooKeeper, as long as that takes; the log says so once, and when it is there."""
        within = SILENT_SECONDS
        while True:
            try:
                await session.start(within)
                break
            except (Unreachable, Unavailable) as error:
                if within == SILENT_SECONDS:
                    log.warning("distributor %s: %s It is waited for.", self._name, error)
                within = CONNECT_SECONDS
        if within == CONNECT_SECONDS:
            log.warning("distributor %s: ZooKeeper at %s answers", self._name, session.settings.hosts)


def _leading(leader: Leader, election: "Election | None", name: str) -> Callable[[], Awaitable[None]]:
    if election is None:
        return leader.lead

    async def term(lead: "Lead") -> None:
        log.info("distributor %s leads %s", name, leader.state.name)
        leader.state.tell(leader=name)
        await leader.lead(lead)

    return lambda: election.run(term)


def _nuvla(client: WireClient, name: str, session: "Session") -> Record:
    from job_engine.distributor.records.nuvla import NuvlaRecord

    return NuvlaRecord(client, name, session)

"""A Nuvla server: it knows no ticks, so a node of ZooKeeper remembers the last one of each distribution.

The leader notes a tick there before it adds the first job, in one transaction with a look at its own contender node: so
none is begun twice. A leader that dies in the middle leaves the rest of that tick undone, and an add whose answer is
lost is not repeated: nobody can tell there whether it was carried out.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from kazoo.exceptions import NoNodeError

from job_engine.client.endpoint import refusal
from job_engine.client.submission import EXTENSIONS
from job_engine.client.wire import WireClient
from job_engine.distributor.distribution_state import DistributionState
from job_engine.distributor.records import TickResult
from job_engine.job.entry_point import ENTRY_POINT
from job_engine.job.errors import UNREADABLE, Forbidden, Invalid, JobEngineError, Unavailable, Unreachable
from job_engine.job.schedule import FUTURE
from job_engine.queue import Lead, Session, SessionLost, Unanswered, wire, znodes

CALL_SECONDS: Final = 30.0
"""Seconds that the server may take to answer."""
BUSY_STATUS: Final = 503
"""The status of a server, or of a proxy before it, that does not take a request now: it was not carried out."""
MOST_DOCUMENTS: Final = 10_000
"""Documents that its searches answer at most."""
RETRY_SECONDS: Final = 1.0
"""Seconds until what the server certainly did not carry out is sent again."""
TICKS_FOLDER: Final = "ticks"
"""Below the queue's path: a node for each distribution."""
UNLESS_ACTIVE: Final = "unless-active"

log = logging.getLogger(__name__)


class _Found(msgspec.Struct):
    resources: list[dict[str, Any]]


class _Note(msgspec.Struct, omit_defaults=True):
    """The content of the node of a distribution."""

    due: int  # milliseconds since the epoch
    by: str  # the distributor
    mark: str  # names the attempt to write this
    jobs: int | None = None  # how many were made, once all were


class NuvlaRecord:
    """The adapter of `Record` for a Nuvla server."""

    def __init__(self, client: WireClient, distributor: str, session: Session) -> None:
        self.where = client.endpoint.url
        self._client = client
        self._distributor = distributor
        self._session = session

    async def run(self, states: Sequence[DistributionState]) -> None:
        """Do nothing until cancelled: such a server takes no reports."""
        await asyncio.Event().wait()

    async def begin(self, state: DistributionState, lead: Lead | None) -> int | None:
        """The due time of the newest tick that was made, at the start of a term; None: unknown."""
        note, _ = await self._read(state.name)
        if note is not None and note.jobs is None:
            log.warning(
                "distribution %s: %s may have left the tick of %d ms unfinished; it is not made again",
                state.name, note.by, note.due,
            )  # fmt: skip
        return None if note is None else note.due

    async def tick(
        self,
        state: DistributionState,
        due: int,
        jobs: list[bytes],
        after: int,
        lead: Lead | None,
        still: Callable[[], bool],
    ) -> TickResult:
        """Make a tick, at most once for each due time."""
        assert lead is not None
        documents = [msgspec.json.decode(job) for job in jobs]
        active = await self._active(documents)  # before the note: a server that is away costs no tick
        if not await self._claim(state.name, due, lead):
            return TickResult(0, repeated=True)
        added, refused, skipped = 0, list[tuple[int, str]](), 0
        for number, document in enumerate(documents):
            if not still():
                break
            unless_active = document.pop(UNLESS_ACTIVE, False)
            if unless_active and _what(document) in active:
                skipped += 1
                continue
            try:
                await self._add(document)
            except JobEngineError as error:
                refused.append((number, error.message))
            else:
                added += 1
                active.add(_what(document))
        return TickResult(added, tuple(refused), skipped)

    async def finish(self, state: DistributionState, due: int, made: TickResult, lead: Lead | None) -> None:
        """Note that all jobs of a tick are made."""
        assert lead is not None
        if made.repeated:
            return
        try:
            note, version = await self._read(state.name)
            if note is not None and note.due == due:
                note.jobs = made.jobs
                await self._write(state.name, note, version, lead)
        except JobEngineError as error:
            log.warning("distribution %s: that its tick is complete could not be noted: %s", state.name, error)

    async def _add(self, document: dict[str, Any]) -> None:
        lacking = sorted(EXTENSIONS & document.keys())
        if lacking:
            raise Invalid(f"a Nuvla server does not know {', '.join(lacking)}: leave it out")
        body = msgspec.json.encode(document)
        while True:
            try:
                status, answered = await self._client.request("POST", "/api/job", body, timeout=CALL_SECONDS)
            except Unreachable as error:
                if not isinstance(error.__cause__, ConnectionRefusedError):
                    raise Unreachable(f"{error.message}: whether it was added is not known") from error
            else:
                if status < 400:
                    return
                if status != BUSY_STATUS:
                    raise refusal(status, answered)
            await asyncio.sleep(RETRY_SECONDS)  # it did not arrive, or was turned away at the door

    async def _active(self, documents: Iterable[dict[str, Any]]) -> set[tuple[Any, Any]]:
        """What queued and running jobs do to what, of the actions for which that matters; one search."""
        actions = {str(document.get("action")) for document in documents if document.get(UNLESS_ACTIVE)}
        if not actions:
            await self._call("GET", f"/api/{ENTRY_POINT}", None)
            return set()
        named = " or ".join(f"action={msgspec.json.encode(action).decode()}" for action in sorted(actions))
        asked = {
            "filter": f"state=['QUEUED' 'RUNNING'] and ({named})",
            "select": "action,target-resource",
            "last": MOST_DOCUMENTS,
        }
        answered = await self._call("GET", f"/api/job?{urlencode(asked)}", None)
        try:
            found = msgspec.json.decode(answered, type=_Found)
        except UNREADABLE as error:
            raise Unavailable(f"what the server answers is no list of jobs: {error}") from None
        return {_what(job) for job in found.resources}

    async def _call(self, method: str, path: str, body: bytes | None) -> bytes:
        status, answered = await self._client.request(method, path, body, timeout=CALL_SECONDS)
        if status >= 400:
            raise refusal(status, answered)
        return answered

    # The node

    async def _read(self, name: str) -> tuple[_Note | None, int]:
        """What it says, and its version; -1 when there is none."""
        link = await self._session.usable()
        try:
            node = await link.call(wire.read(link.path(self._session.settings.path, TICKS_FOLDER, name)))
        except NoNodeError:
            return None, -1
        except (Unanswered, SessionLost):
            raise Unavailable(self._session.settings.unreachable("no answer in time")) from None
        try:
            return msgspec.json.decode(node.data, type=_Note), node.version
        except UNREADABLE:
            log.warning("distribution %s: its node in ZooKeeper is not ours to read; ticks count from now", name)
            return None, node.version

    async def _claim(self, name: str, due: int, lead: Lead) -> bool:
        """Note a tick that is about to be made; False when it, or a later one, was noted before.

        A note from a clock that was wrong, too far ahead of ours to be waited for, says nothing.
        """
        note, version = await self._read(name)
        if note is not None and due <= note.due <= time.time() * 1000 + FUTURE:
            return False
        ours = _Note(due, self._distributor, secrets.token_hex(8))
        if not await self._write(name, ours, version, lead):
            again, _ = await self._read(name)  # the answer was lost, or somebody else leads
            if again is None or again.mark != ours.mark:
                raise Unavailable("another distributor leads now")
        return True

    async def _write(self, name: str, note: _Note, version: int, lead: Lead) -> bool:
        """Write the node, as the leader that we are; whether it was certainly written."""
        link = await self._session.usable()
        folder = link.path(self._session.settings.path, TICKS_FOLDER)
        node, data = link.path(self._session.settings.path, TICKS_FOLDER, name), msgspec.json.encode(note)
        change = wire.create(node, data, link.acl) if version < 0 else wire.write(node, data, version)
        request = wire.multi([wire.check(lead.node), change])
        try:
            made = await link.call(request)
            if not made.done and version < 0 and wire.NODE_EXISTS not in made.codes and lead.valid:
                await znodes.create_missing(link, [folder])
                made = await link.call(request)
        except Unanswered:
            return False
        except SessionLost:
            raise Unavailable("the session in ZooKeeper is over") from None
        if wire.NO_AUTH in made.codes:
            raise Forbidden(f"ZooKeeper does not let us write {node.decode()}; check the rights.")
        return bool(made.done)


def _what(document: dict[str, Any]) -> tuple[Any, Any]:
    target = document.get("target-resource")
    return document.get("action"), target.get("href") if isinstance(target, dict) else None

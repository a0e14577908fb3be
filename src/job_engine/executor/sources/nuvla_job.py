"""One job beside a Nuvla server, from its entry to its end: one coroutine, so the order of things can be read.

Such a server keeps no holds. What an attempt may do is decided by who has taken the entry, and whether a write is
accepted only by whether the job is final.
"""

import asyncio
import contextlib
import logging
from collections.abc import Collection
from typing import Any, Final, Protocol

from msgspec import Raw

from job_engine.executor.sources.nuvla_api import NuvlaApi, document
from job_engine.executor.sources.nuvla_outcomes import (
    Changes,
    Do,
    detached,
    fallen_back,
    final_edits,
    known,
    verdict,
)
from job_engine.job.attend import Finished, Granted, Released, ReleaseReason, Write
from job_engine.job.errors import Conflict, JobEngineError, NotFound
from job_engine.job.states import State, is_final
from job_engine.queue import Taken

log = logging.getLogger(__name__)

MISSING_LOOKUPS: Final = 2
"""How often a job is looked for that does not exist: the server writes the entry before the job."""
MISSING_SECONDS: Final = 2.0
"""Seconds after each of these."""
CONFLICT_TRIES: Final = 3
"""How often a job is looked at anew whose state was changed by others just when it was to be changed here."""
SECONDS_BETWEEN_WRITES: Final = 0.5
"""Seconds between two edits that tell of progress: each is a write and a refresh of the server's index."""
FATAL_DEATHS: Final = 3
"""How many attempts in a row may die, with no progress, before the job is FAILED."""
GIVEN_UP_REASONS: Final[frozenset[ReleaseReason]] = frozenset({"unstarted", "stopped", "lost"})
"""Ends after which the job is left as it is, for whoever takes its entry next."""


class TakenJobOwner(Protocol):
    """The owner of taken jobs, as one job needs it."""

    @property
    def actions(self) -> Collection[str] | None:
        """The actions that can be run; None: not known yet."""

    @property
    def engine(self) -> str:
        """Our version, for messages."""

    @property
    def named(self) -> bool:
        """Whether the job was named to us, and not taken from the queue."""

    def offer(self, job: "TakenJob") -> None:
        """``job.granted`` is to be run."""

    def leaves(self, job: "TakenJob", document: dict[str, Any], why: str) -> bool:
        """Whether a job that cannot be run here is left to others for now."""

    def over(self, job: "TakenJob", key: tuple[int, int], why: str) -> None:
        """The attempt is to be interrupted: the job ended without it."""


class TakenJob:
    """A job whose entry was taken.

    Args:
        seq: our number for it.
    """

    def __init__(self, seq: int, taken: Taken, api: NuvlaApi, owner: TakenJobOwner) -> None:
        self.seq = seq
        self.id = taken.job
        self.taken = taken
        self.granted: Granted | None = None
        """The attempt that is to be run or runs: from the offer until its end is told."""
        self.begun = False  # it was offered once: its worker's slot is accounted for
        self.told = False  # how the attempt ended is known, and is being written
        self.resting = False  # the next attempt has to wait
        self._api = api
        self._owner = owner
        self._pending: Changes = {}  # what is to be written
        self._changed: Changes = {}  # all that was, for the next attempt
        self._checkpoint: Raw | None = None
        self._end: Finished | Released | None = None
        self._gone = False  # the job ended without us
        self._moved = False  # there was progress since the last death
        self._news = asyncio.Event()
        self._over = asyncio.Event()  # of the attempt

    # --- what is told of it

    def write(self, write: Write) -> None:
        """The attempt has changed attributes of the job."""
        if self._over.is_set():
            return
        changes = known(write.changes)
        self._moved = self._moved or "progress" in changes or write.checkpoint is not None
        self._checkpoint = write.checkpoint if write.checkpoint is not None else self._checkpoint
        self._changed |= changes
        # Where the job is to run next is written together with its state, or it could be left RUNNING for nobody.
        self._pending |= {name: value for name, value in changes.items() if name != "execution-mode"}
        self._news.set()

    def end(self, end: Finished | Released) -> None:
        """The attempt has ended."""
        if not self._over.is_set():
            self._end, self.granted, self.told = end, None, True
            self._over.set()
            self._news.set()

    @property
    def given_up(self) -> bool:
        """Whether the job goes back to the queue as it is."""
        return isinstance(self._end, Released) and self._end.why in GIVEN_UP_REASONS

    def gone(self, why: str) -> None:
        """The job was ended or deleted by others."""
        granted = self.granted
        if granted is None:  # its end is being written, which will show it
            return
        self._gone, self.granted, self.told = True, None, True
        self._owner.over(self, (granted.seq, granted.claim), why)
        self._over.set()
        self._news.set()

    # --- its way

    async def run(self) -> Do:
        """Run the job to its end; returns what to do with its entry."""
        try:
            begun = await self._begin()
            return begun if isinstance(begun, Do) else await self._stay(begun)
        except JobEngineError as error:
            log.warning("%s goes back to the queue: %s", self.id, error)
            if self.granted is not None:
                self.gone("lost")
            return Do.LATER

    async def _begin(self) -> "Do | tuple[bytes, dict[str, Any]]":
        misses = 0
        for look in range(CONFLICT_TRIES):
            body = None
            while body is None:
                try:
                    body = await self._api.get(self.id)
                except NotFound:
                    misses += 1
                    await asyncio.sleep(MISSING_SECONDS)
                    if misses == MISSING_LOOKUPS:
                        log.warning("%s, of which the queue has the entry %s, does not exist", self.id, self.taken.name)
                        return Do.CONSUME
            job = document(body)
            do, why = verdict(self.id, job, self._owner.actions, self._owner.engine, others=not self._owner.named)
            if do is Do.OTHERS:
                if self._owner.leaves(self, job, why):
                    return do
                do = Do.FAIL
            if do in (Do.CONSUME, Do.AVOID):
                log.warning("%s: its entry %s is %s", why, self.taken.name, "removed" if do is Do.CONSUME else "left")
                return do
            try:
                if do is Do.FAIL:
                    log.error("%s", why)
                    await self._api.edit(self.id, {"state": State.FAILED.value, "status-message": why})
                    return Do.CONSUME
                await self._api.edit(self.id, {"state": State.RUNNING.value})
                return body, job
            except (Conflict, NotFound):  # somebody was quicker: see what it is now
                if look == CONFLICT_TRIES - 1:
                    raise
        raise AssertionError  # the last look returns or raises

    async def _stay(self, begun: tuple[bytes, dict[str, Any]]) -> Do:
        body, job = begun
        attempt, failures, deaths, alone, resumed = 1, 0, 0, False, job.get("state") == State.RUNNING
        while True:
            self._end, self._moved = None, False
            self._over.clear()
            self.granted = Granted(
                self.seq, attempt, self.id, job["action"], Raw(body), resumed, failures, dict(self._changed),
                self._checkpoint, self.taken.name, alone, attempt,
            )  # fmt: skip
            self.begun = self.told = False
            self._owner.offer(self)
            end = await self._wait()
            if end is None:
                return Do.CONSUME
            if isinstance(end, Finished):
                return await self._finish(end)
            if end.why == "detached":
                await self._edit(detached(self._changed.get("tags", job.get("tags") or []), self._pending))
                return Do.CONSUME
            if end.why == "failed" and self._changed.get("execution-mode") == "pull":
                await self._edit(
                    fallen_back(end.detail, self._pending), lambda now: now.get("execution-mode") == "pull"
                )
                return Do.CONSUME
            if end.why in GIVEN_UP_REASONS:
                return await self._give_up(end)
            deaths = 0 if end.why == "failed" or self._moved else deaths
            deaths += end.why == "died" and not end.beside
            alone = alone or end.why == "died"
            if deaths == FATAL_DEATHS:
                return await self._finish(_died(end, deaths))
            failures += end.why == "failed"
            attempt, resumed = attempt + 1, True
            self.resting = True
            await asyncio.sleep(end.delay)
            self.resting = False

    async def _wait(self) -> Finished | Released | None:
        """Write what changes, until the attempt ends; None: the job has ended without it."""
        while not self._over.is_set():
            self._news.clear()
            if not self._pending:
                await self._news.wait()
                continue
            changes, self._pending = self._pending, {}
            await self._write(changes)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SECONDS_BETWEEN_WRITES):
                    await self._over.wait()
        return None if self._gone else self._end

    async def _write(self, changes: Changes) -> None:
        try:
            await self._api.edit(self.id, changes)
        except (Conflict, NotFound) as error:
            state = await self._api.state(self.id)
            if state is None or is_final(state):
                self.gone(why_gone(state))
            else:
                log.warning("%s: %s could not be changed: %s", self.id, ", ".join(changes), error)
        except JobEngineError as error:  # the job goes on: what it says of itself is not what it is for
            log.warning("%s: %s could not be changed: %s", self.id, ", ".join(changes), error)

    async def _give_up(self, end: Released) -> Do:
        if self._pending and end.why == "stopped":
            await self._write(self._pending)
        # A hold that was lost without the entry was lost to a refused edit: not to be tried again at once.
        return Do.LATER if end.why == "lost" else Do.RELEASE

    async def _finish(self, end: Finished) -> Do:
        refusal: JobEngineError | None = None
        for edit in final_edits(end, self._pending):
            try:
                await self._edit(edit)
            except (Conflict, NotFound):
                raise
            except JobEngineError as error:
                log.error("%s: the API server does not take how it ended: %s", self.id, error)
                refusal = error
            else:
                return Do.CONSUME
        assert refusal is not None
        raise refusal

    async def _edit(self, edit: Changes, done: Any = None) -> None:
        """The last edit of an attempt; well done, too, if the job is final already: then an answer was lost, or
        somebody has ended it."""
        try:
            await self._api.edit(self.id, edit, done)
        except (Conflict, NotFound):
            state = await self._api.state(self.id)
            if state is not None and not is_final(state):
                raise
            if state != edit.get("state"):
                log.warning("%s was %s meanwhile: how it ended here is not kept", self.id, state or "deleted")


def why_gone(state: str | None) -> str:
    """Why an attempt is interrupted whose job is in this final state, or does not exist any more."""
    if state is None:
        return "deleted"
    return "canceled" if state == State.CANCELED else "final"


def _died(end: Released, deaths: int) -> Finished:
    message = f"not run again: its process died {deaths} times in a row without progress (last: {end.detail})"
    return Finished(end.seq, end.claim, State.FAILED.value, 0.0, 0.0, message=message, output=end.output)

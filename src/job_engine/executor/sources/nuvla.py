"""Jobs from the locking queue in ZooKeeper, beside an API server without our extensions (Nuvla's).

The executor that has taken an entry may run its job; there is nothing to claim. `TakenJob` runs one job; the source
here has them all, takes more as there is room, and stops taking while the API is unreachable.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, Protocol

from job_engine.executor.holds import Key
from job_engine.executor.sources.nuvla_api import NuvlaApi
from job_engine.executor.sources.nuvla_job import TakenJob
from job_engine.executor.sources.nuvla_outcomes import Do
from job_engine.executor.sources.nuvla_unknown_actions import UnknownActionGrace
from job_engine.executor.sources.nuvla_watch import watch
from job_engine.executor.sources.zookeeper_source import TakenEntries, ZooKeeperSource
from job_engine.job.attend import Answer, Attend, Finished, Released
from job_engine.queue import Taken

log = logging.getLogger(__name__)
job_log = logging.getLogger("job_engine.job")
LEVELS: Final = logging.getLevelNamesMapping()

FIRST_DELAY_SECONDS: Final = 1.0
LONGEST_DELAY_SECONDS: Final = 60.0
"""Seconds that an entry is kept whose job could not be had or changed: released at once, it would come back at once.
They double each time, for each job."""
KEPT_ENTRIES: Final = 64
"""Entries that may be kept so beside those that there is room for: else a few bad jobs would keep all others out."""
REMEMBERED_JOBS: Final = 10_000
"""Jobs of which it is remembered how often they were kept, and what their ids are."""
LAST_WRITES_SECONDS: Final = 10.0
"""Seconds at a stop to write how the last jobs ended; those that cannot be told run again."""


class JobEntries(TakenEntries, Protocol):
    """The entries of the jobs to run; `entries.Entries` and `named_job.NamedJobEntry` implement it."""

    shared: bool
    """Whether others take what is released."""
    on_lapse: Callable[[], None]

    @property
    def fresh(self) -> bool: ...
    async def start(self) -> None: ...
    def ask(self, room: int) -> None: ...
    def collect(self) -> list[Taken]: ...
    def consume(self, takes: Sequence[Taken]) -> None: ...
    def release(self, takes: Sequence[Taken], *, avoid: bool = False) -> None: ...
    def leave(self, taken: Taken, seconds: float) -> None: ...
    async def close(self) -> None: ...


class NuvlaSource(ZooKeeperSource[JobEntries]):
    """The adapter of `Source` for an API server without our extensions.

    Args:
        engine: our version, for messages.
        grace: seconds for which a job is left to others whose action we lack.
    """

    def __init__(self, api: NuvlaApi, id_: str, entries: JobEntries, engine: str, grace: float = 0.0) -> None:
        self.id = id_
        self.engine = engine
        self.actions: Collection[str] | None = None
        """Those that we have; None: not known yet."""
        self._api = api
        super().__init__(entries)
        self._jobs: dict[int, TakenJob] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._kept: dict[int, TakenJob] = {}  # they wait to be released
        self._delays: Counter[str] = Counter()
        self._unknown_actions = UnknownActionGrace(grace)
        self._over: dict[Key, str] = {}  # attempts to be interrupted, and why
        self._ids: dict[int, str] = {}  # of the last jobs, by our number: an action may have last words
        self._count = 0
        self._newest = 0
        self._free = 0
        self._met = False  # the API has answered once
        self._news = False  # there is something to answer
        self._wake = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        entries.on_lapse = self._lapsed
        api.on_away = self._away

    # --- Source

    @property
    def where(self) -> str:
        """The server's address."""
        return self._api.where

    @property
    def heard(self) -> bool:
        """Whether an exchange may have reached the server."""
        return self._newest > 0

    @property
    def urgent(self) -> bool:
        """Whether a take, grant or interruption was not reported to the executor yet."""
        return self._news or self._entries.fresh

    async def attend(self, attend: Attend) -> Answer:
        """Make one exchange. Reports are accepted even while the API is unreachable, and written later."""
        await self._entries.start()
        self._newest += 1
        n = attend.n = self._newest
        self._hear(attend)
        self._wake.set()  # for who is parked
        if self._api.failure is not None or not self._met:
            self._entries.ask(0)
            await self._api.probe()
            self._met = True
        if attend.wait > 0 and not self.urgent:
            await self._park(n, attend.wait)
            if self._api.failure is not None:
                raise self._api.failure
        if n != self._newest:
            return Answer(period=self.period)
        self._free = attend.free
        return self._answer(attend)

    def let_go(self) -> None:
        """See `Source.let_go`. Those that run are released as they end; what has ended here stays to be told."""
        self._drop_unbegun()

    async def close(self) -> None:
        """Close the source, once the requests under way are answered."""
        last = [self._tasks[seq] for seq, job in self._jobs.items() if job.told and not job.resting]
        if last:
            _, late = await asyncio.wait(last, timeout=LAST_WRITES_SECONDS)
            if late:
                log.error("%s could not be told how %d jobs ended; they run again", self.where, len(late))
        tasks = list(self._tasks.values())
        if self._watching is not None:
            self._watching.cancel()
            tasks.append(self._watching)
        self._forget()
        if tasks:
            await asyncio.wait(tasks)
        await self._entries.close()
        await self._api.close()

    # --- nuvla_job.TakenJobOwner

    @property
    def named(self) -> bool:
        """Whether the job was named by its id, and not taken from the queue."""
        return not self._entries.shared

    def offer(self, job: TakenJob) -> None:
        """Have ``job.granted`` run."""
        self._tell()
        if self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(
                watch(self._api, self._begun), name="looking for canceled jobs"
            )

    def leaves(self, job: TakenJob, document: dict[str, Any], why: str) -> bool:
        """Whether a job that cannot be run here is left to other executors for now."""
        return self._unknown_actions.leaves(job.id, document, why)

    def over(self, job: TakenJob, key: Key, why: str) -> None:
        """Interrupt an attempt whose job has ended without it."""
        self._over[key] = why
        self._tell()

    # --- exchanges

    def _hear(self, attend: Attend) -> None:
        if attend.hello is not None:
            self.actions = frozenset(attend.hello.actions)
            self._unknown_actions.unloaded = attend.hello.failed_imports
        for write in attend.writes:
            for _, _, level, text in write.log:  # such a server keeps no logs
                job_log.log(LEVELS.get(level, logging.INFO), "%s: %s", self._ids.get(write.seq, "?"), text)
            job = self._running((write.seq, write.claim))
            if job is not None:
                job.write(write)
        ends: list[Finished | Released] = [*attend.finished, *attend.released]
        for end in ends:
            job = self._running((end.seq, end.claim))
            if job is not None:
                job.end(end)
                if job.given_up and self._api.failure is not None:
                    self._drop(job)

    def _running(self, key: Key) -> TakenJob | None:
        """The job whose attempt this is; None if that is over."""
        job = self._jobs.get(key[0])
        return job if job is not None and job.granted is not None and job.granted.claim == key[1] else None

    async def _park(self, n: int, wait: float) -> None:
        try:
            async with asyncio.timeout(wait):
                while n == self._newest and not self.urgent and self._api.failure is None:
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            return

    def _answer(self, attend: Attend) -> Answer:
        self._news = False
        for taken in self._entries.collect():
            self._begin(taken)
        answer, listed = Answer(period=self.period), set(attend.holds)
        for job in self._jobs.values():
            granted = job.granted
            if granted is not None and (granted.seq, granted.claim) not in listed:
                answer.jobs.append(granted)
                self._free -= not job.begun
                job.begun = True
        for key in listed:
            ending = self._jobs.get(key[0])
            if key in self._over or ending is None or (self._running(key) is None and not ending.told):
                answer.interrupt.append((*key, self._over.get(key, "lost")))
        self._over = {key: why for key, why in self._over.items() if key in listed}
        self._ask()
        return answer

    def _tell(self) -> None:
        self._news = True
        self._wake.set()
        if self._listener is not None:
            self._listener.on_news()

    # --- jobs

    def _ask(self) -> None:
        unsure = self.actions is None and self._entries.shared  # a worker would FAIL what is unknown to it
        if self._api.failure is not None or unsure:
            self._entries.ask(0)
            return
        coming = sum(1 for job in self._jobs.values() if not job.begun and not job.told)
        kept = max(0, len(self._kept) - KEPT_ENTRIES)
        self._entries.ask(max(0, self._free - coming - kept))

    def _begin(self, taken: Taken) -> None:
        self._count += 1
        self._ids[self._count] = taken.job
        self._ids.pop(self._count - REMEMBERED_JOBS, None)
        job = self._jobs[self._count] = TakenJob(self._count, taken, self._api, self)
        self._tasks[job.seq] = asyncio.get_running_loop().create_task(self._see_through(job), name=job.id)

    def _begun(self) -> list[TakenJob]:
        return [job for job in self._jobs.values() if job.begun and job.granted is not None]

    async def _see_through(self, job: TakenJob) -> None:
        try:
            # One that has two entries, as after upstream's restore script, does not run twice here.
            twice = any(other.id == job.id and other is not job for other in self._jobs.values())
            do = Do.LATER if twice else await job.run()
        except Exception:  # boundary: a fault of ours in one job must not end the executor, nor leave the job nowhere
            log.exception("%s: the engine failed", job.id)
            job.gone("lost")
            do = Do.LATER
        self._jobs.pop(job.seq, None)
        if do is Do.LATER:
            self._kept[job.seq] = job
            self._ask()
            await asyncio.sleep(self._delay(job.id))
            self._kept.pop(job.seq, None)
        else:
            self._delays.pop(job.id, None)
        self._tasks.pop(job.seq, None)
        if do is Do.CONSUME:
            self._entries.consume([job.taken])
        elif do is Do.OTHERS:
            self._entries.leave(job.taken, self._unknown_actions.grace)
        else:
            self._entries.release([job.taken], avoid=do is Do.AVOID)
        self._ask()

    def _delay(self, id_: str) -> float:
        if len(self._delays) >= REMEMBERED_JOBS:
            self._delays.clear()
        self._delays[id_] += 1
        return min(FIRST_DELAY_SECONDS * float(2 ** min(self._delays[id_] - 1, 10)), LONGEST_DELAY_SECONDS)

    def _drop(self, job: TakenJob) -> None:
        """Leave it as it is, and its entry to others."""
        self._jobs.pop(job.seq, None)
        task = self._tasks.pop(job.seq, None)
        if task is not None:
            task.cancel()
        self._entries.release([job.taken])

    def _lapsed(self) -> None:
        self._forget()
        self._tell()

    def _forget(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        for those in (self._jobs, self._tasks, self._kept, self._over):
            those.clear()

    def _away(self) -> None:
        self._entries.ask(0)
        for job in [job for job in self._jobs.values() if job.given_up]:
            self._drop(job)
        if self._entries.shared:  # somebody else may reach the API
            self._drop_unbegun()
        self._tell()

    def _drop_unbegun(self) -> None:
        for job in [job for job in self._jobs.values() if not job.begun and not job.told]:
            self._drop(job)

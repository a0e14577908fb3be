"""The supervisor: takes jobs from a source, has worker processes run them, and tells how they end.

No action runs in it, or is imported by it, so nothing that an action does can keep it from attending.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NoReturn

from job_engine.actions.interruption import LOST, STOPPED
from job_engine.actions.output import OutputPolicy
from job_engine.client.endpoint import Credentials
from job_engine.executor.deadline import Deadline
from job_engine.executor.exchange_loop import ExchangeLoop
from job_engine.executor.holds import Held, Holds
from job_engine.executor.messages import Loaded, Setup
from job_engine.executor.pool import Pool
from job_engine.executor.run_folder import RunFolder
from job_engine.executor.settings import ExecutorSettings
from job_engine.executor.sources import GOOD_SHARE_OF_PERIOD, Source
from job_engine.executor.stop import Stop, first
from job_engine.exit_codes import ORPHANED
from job_engine.job.attend import Hello
from job_engine.job.errors import Invalid

log = logging.getLogger(__name__)

STOP_GRACE: Final = 5.0
"""Seconds that interrupted actions have to end when the executor stops, before their processes are killed."""
KILLED: Final = 2.0
"""Seconds to wait for killed worker processes to be gone."""
LAST_WORDS: Final = 5.0
"""Seconds to tell what is left at the end; what is not told by then, the source finds out by our silence."""


class Supervisor:
    """One executor.

    Args:
        folder: its run folder; jobs of the predecessor there, which is dead, can run again at once.
        session: says the cookie of the executor's session at the server, for actions that get its credentials.
    """

    def __init__(
        self,
        settings: ExecutorSettings,
        source: Source,
        folder: RunFolder | None = None,
        session: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._source = source
        self._folder = folder
        self._name = settings.name or f"{socket.gethostname()}-{source.id[:4]}"
        self._holds = Holds()
        keep = () if folder is None else (folder.lock,)
        self._pool = Pool(self._holds, self, _setup(settings), settings.processes, keep)
        if settings.hands_out:
            self._pool.session = session
        self._exchanges = ExchangeLoop(source, self._holds, self._pool, self)
        self._deadline = Deadline(self._lose, self._pool.renew)
        self._stop = Stop(settings.parent_fd, self._orphaned)
        self._changed = asyncio.Event()
        self._progress = asyncio.Event()
        self._loaded: Loaded | None = None
        self._leaving = False
        self._grace: asyncio.TimerHandle | None = None
        source.listen(self)

    async def run(self) -> None:
        """Run until asked to stop, and everything is settled.

        Raises:
            Invalid: the actions cannot be loaded as named; or the source is for executors of another kind.
            Forbidden: the source lets nobody attend with these credentials.
        """
        self._pool.start()
        attending = asyncio.get_running_loop().create_task(self._exchanges.run())
        asked = asyncio.get_running_loop().create_task(self._stop.asked.wait())
        try:
            while not asked.done():
                self._changed.clear()
                changed = asyncio.get_running_loop().create_task(self._changed.wait())
                await asyncio.wait((attending, asked, changed), return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
                if attending.done():
                    await attending  # raises: it ends in no other way
                self._check()
                if self._loaded is not None and self._exchanges.answered.is_set():
                    break  # nothing to check any more
            await asyncio.wait((attending, asked), return_when=asyncio.FIRST_COMPLETED)
            if attending.done():
                await attending
            await self._drain()
        finally:
            attending.cancel()
            asked.cancel()
            self._pool.kill()
            await asyncio.wait((attending,))
        await self._end()

    def _check(self) -> None:
        if self._loaded is not None and self._loaded.wrong is not None:
            raise Invalid(self._loaded.wrong)
        refused = self._exchanges.refused
        if refused is not None and not self._exchanges.answered.is_set():
            raise type(refused)(f"the executor may not attend at {self._source.where}: {refused.message}")

    # --- stopping

    def leave(self) -> None:
        """Stop, as at a first signal."""
        self._stop.asked.set()

    async def _drain(self) -> None:
        """Let running jobs end, for the time there is; then have them end."""
        pool, urged = self._pool, self._stop.urged
        self._leaving = pool.closing = True
        pool.give_back()
        self._exchanges.speak()
        running = len(pool.jobs)
        log.info("executor %s stops%s", self._name, f" when its {running} running jobs have ended" if running else "")
        if await self._idle(self._settings.shutdown_timeout) or urged.is_set():
            return
        if pool.jobs:
            log.warning("executor %s: the time to stop is over; running jobs are interrupted and released", self._name)
            pool.interrupt(pool.jobs, STOPPED)
            await self._idle(STOP_GRACE)

    async def _idle(self, within: float) -> bool:
        end = time.monotonic() + within
        while not self._settled:
            self._changed.clear()
            left = end - time.monotonic()
            if left <= 0 or self._stop.urged.is_set() or not await first(self._changed, self._stop.urged, within=left):
                break
        return self._settled

    @property
    def _settled(self) -> bool:
        """Whether there is no job, and the record has heard how the last ones ended."""
        return self._pool.idle and not self._holds

    async def _end(self) -> None:
        """Tell what is left, once all worker processes are gone."""
        self._leaving = True
        end = time.monotonic() + KILLED
        while self._pool.alive and time.monotonic() < end:
            self._changed.clear()
            await first(self._changed, within=end - time.monotonic())
        try:
            async with asyncio.timeout(LAST_WORDS):
                await self._exchanges.last_words()
        except TimeoutError:
            if self._holds:
                log.error("executor %s could not tell how its last jobs ended; they run again", self._name)
        log.info("executor %s has stopped", self._name)

    def _orphaned(self) -> NoReturn:
        """The parent is gone: end like it, and at once, so that a successor can begin."""
        self._pool.kill()
        os._exit(ORPHANED)

    # --- the deadline

    def _lose(self) -> None:
        """The holds can no longer be trusted."""
        jobs = [held for held in self._pool.jobs if held.why is None]
        self._deadline.put_off(self._spare)
        if jobs:
            who = self._source.where if self._away_too_long else self._source.keeper
            log.error(
                "executor %s: %s has not answered for too long; %d running jobs are interrupted and released",
                self._name, who, len(jobs),
            )  # fmt: skip
            self._pool.interrupt(jobs, LOST)
        self._pool.give_back()

    @property
    def _spare(self) -> float:
        """Seconds from the deadline until the source gives us up: for stopping the jobs."""
        return self._source.period * (1 - GOOD_SHARE_OF_PERIOD)

    # --- sources.SourceListener

    def on_news(self) -> None:
        """Attend soon: the source has something to report itself."""
        self._exchanges.look()

    def on_holds_extended(self) -> None:
        """Move the deadline: the holds were extended without an exchange."""
        self.on_exchange()

    def on_holds_lapsed(self) -> Awaitable[None]:
        """Interrupt all jobs; done once they have ended."""
        self._deadline.give_up()
        return self._given_up([*self._holds.known, *self._pool.jobs])

    async def _given_up(self, jobs: Sequence[Held]) -> None:
        """Wait until all these have ended, and the source has heard it or is away for too long to wait for."""
        while True:
            running, untold = set(self._pool.jobs), set(self._holds.known)
            if not any(held in running or (held in untold and not self._away_too_long) for held in jobs):
                return
            self._progress.clear()
            await self._progress.wait()

    # --- exchange_loop.ExchangeListener

    def on_greeted(self) -> None:
        """The predecessor's run folder is ours."""
        if self._folder is not None:
            self._folder.take_over()

    def on_exchange(self) -> None:
        """See how long the holds are good."""
        away = self._exchanges.away_since is not None
        if away and self._grace is None:
            self._grace = asyncio.get_running_loop().call_later(self._settings.api_grace, self._look_at_grace)
        self._deadline.renew(self._source.good_until, self._spare)
        trusted = not away and self._source.good_until > time.monotonic()
        if trusted and self._pool.giving_back and not self._leaving:
            self._pool.take_again()
        self._changed.set()
        self._progress.set()

    def _look_at_grace(self) -> None:
        self._grace = None
        if self._away_too_long:
            self._deadline.give_up()
            self._source.let_go()

    @property
    def _away_too_long(self) -> bool:
        since = self._exchanges.away_since
        return since is not None and time.monotonic() - since >= self._settings.api_grace * 0.99

    # --- pool.PoolListener

    def on_loaded(self, loaded: Loaded) -> bool:
        """Say who we are, at the first of them; whether a later one has the same actions."""
        if self._loaded is not None:
            return self._like_the_others(loaded)
        self._loaded = loaded
        self._changed.set()
        if loaded.wrong is not None:
            return False
        settings = self._settings
        log.info(
            "executor %s (%s) runs %d actions in %d processes of %d slots, for %s",
            self._name, self._source.id, len(loaded.actions), settings.processes, settings.threads, self._source.where,
        )  # fmt: skip
        for source, error in loaded.failed.items():
            log.error("%s does not load: %s", source, error)
        for line in loaded.duplicates:
            log.warning("%s", line)
        hello = Hello(
            name=self._name, host=socket.gethostname(), pid=os.getpid(), version=settings.version,
            processes=settings.processes, slots=settings.slots, actions=loaded.actions,
            details=loaded.details, failed_imports=loaded.failed,
            replaces=None if self._folder is None else self._folder.predecessor,
        )  # fmt: skip
        self._exchanges.greet(hello)
        return True

    def _like_the_others(self, loaded: Loaded) -> bool:
        """Whether a worker process has all actions that were announced; what it has beyond them is never granted."""
        assert self._loaded is not None
        lacking = sorted(set(self._loaded.actions) - set(loaded.actions))
        if lacking:
            why = loaded.wrong or "; ".join(f"{source}: {error}" for source, error in loaded.failed.items())
            log.error("a new worker process lacks %s and is not used%s", ", ".join(lacking), why and f": {why}")
        return not lacking

    def on_change(self) -> None:
        """Attend, and see whether the stop is done."""
        self._exchanges.look()
        self._progress.set()
        if self._leaving:
            self._changed.set()


def _setup(settings: ExecutorSettings) -> Setup:
    credentials = settings.credentials if settings.hands_out else Credentials()
    return Setup(
        api_url=settings.api_url, tls=settings.tls, username=credentials.username,
        password=credentials.password, key=credentials.key, secret=credentials.secret, header=credentials.header,
        cookie=credentials.cookie, names_hold=settings.names_hold,
        hands_out=settings.hands_out,
        threads=settings.threads, actions=list(settings.actions), entry_points=settings.entry_points,
        needed=settings.needed,
        pull_mode_only=settings.pull_mode_only, nuvlaedge_fs=settings.nuvlaedge_fs, engine=settings.version,
        log_level=settings.log_level, api_grace=settings.api_grace, output=_output_policy(settings),
        masked=list(settings.masked),
    )  # fmt: skip


def _output_policy(settings: ExecutorSettings) -> OutputPolicy:
    if settings.logs_in_output:
        return OutputPolicy.EVERYTHING
    return OutputPolicy.PRINTED if settings.names_hold else OutputPolicy.NOTHING  # as upstream, beside Nuvla

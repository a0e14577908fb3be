"""A slot: a thread that runs one job at a time. The only slot of a process is its main thread."""

import logging
import queue
import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

import msgspec
from msgspec import Raw

from job_engine.actions.interruption import FINAL
from job_engine.actions.job import Job
from job_engine.actions.outcome import DETACHED, FINISHED, RETRY, Outcome
from job_engine.actions.output import OutputPolicy, clean
from job_engine.actions.registry import Actions
from job_engine.actions.run import run, time_limit
from job_engine.executor.alarm import Alarms
from job_engine.executor.attempt import Attempt, Surroundings
from job_engine.executor.board import SLOT_BROKEN, Board
from job_engine.executor.interrupter import Interrupter
from job_engine.executor.leftovers import Leftovers
from job_engine.executor.messages import RawReport
from job_engine.executor.report_sender import ReportSender
from job_engine.executor.service import here, service
from job_engine.job.attend import Finished, Granted, Released, is_given_back
from job_engine.job.attributes import shorten
from job_engine.job.foreign import described
from job_engine.job.states import State

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode


class Slots:
    """The slots of a worker process, and the inbox from which they take jobs in the order in which they came.

    Args:
        connect: makes the API client for a job id and claim.
        engine: the version that messages call the engine by; empty: the installed one.
        nuvlaedge_fs: the folder that a NuvlaEdge shares with its jobs.
        policy: what goes to the ``output`` of jobs.
        patterns: what is masked in the logs and messages of jobs.
    """

    def __init__(
        self,
        actions: Actions,
        board: Board,
        sender: ReportSender,
        connect: Callable[[str, int], Any],
        engine: str = "",
        nuvlaedge_fs: str | None = None,
        api_grace: float = 0.0,
        policy: OutputPolicy = OutputPolicy.PRINTED,
        patterns: Sequence[re.Pattern[str]] = (),
    ) -> None:
        self.running: dict[int, Attempt] = {}  # by handle
        self._inbox: queue.SimpleQueue[tuple[int, Granted]] = queue.SimpleQueue()
        self._unwanted: set[int] = set()  # handles that are not to begin, and a few that had just ended
        self._actions = actions
        self._board = board
        self._sender = sender
        self._surroundings = Surroundings(board, sender.touched, connect, nuvlaedge_fs, api_grace)
        self._engine = engine
        self._policy = policy
        self._patterns = patterns
        self._interrupter = Interrupter(self.running, board)
        self._alarms: Alarms | None = None
        self._leftovers = Leftovers()

    def start(self) -> None:
        """Begin to run jobs, in threads."""
        self._interrupter.start()
        for number in range(self._board.slots):
            service(f"slot-{number}", partial(self._run, number), self._board, SLOT_BROKEN)

    def serve(self) -> NoReturn:
        """Run jobs in this thread, the main one, where actions can set alarms and signal handlers: the only slot."""
        self._interrupter.start()
        self._alarms = Alarms(self._board)
        self._alarms.start()
        here(partial(self._run, 0), self._board, SLOT_BROKEN)

    @property
    def busy(self) -> bool:
        """Whether there are jobs."""
        return bool(self.running) or not self._inbox.empty()

    def add(self, jobs: list[tuple[int, Granted]]) -> None:
        """Run jobs as slots get free."""
        for job in jobs:
            self._inbox.put(job)

    def recall(self) -> None:
        """Report all that has not begun as given back."""
        handles = []
        try:
            while True:
                handles.append(self._inbox.get_nowait()[0])
        except queue.Empty:
            self._unwanted.difference_update(handles)
            self._sender.report(RawReport(unbegun=handles, recalled=True))

    def interrupt(self, handle: int, why: str) -> None:
        """Interrupt a job; one that has not begun does not begin."""
        self._unwanted.add(handle)  # before looking: a slot looks here after it is in `running`
        attempt = self.running.get(handle)
        if attempt is not None:
            self._unwanted.discard(handle)
            self._interrupter.interrupt(attempt, why)

    def recorded(self, handle: int) -> None:
        """The last checkpoint of a job is in the record."""
        attempt = self.running.get(handle)
        if attempt is not None:
            attempt.recorded()

    # --- in the slots' threads

    def _run(self, slot: int) -> NoReturn:
        while True:
            handle, granted = self._inbox.get()
            attempt = Attempt(handle, granted, self._surroundings)
            self.running[handle] = attempt
            if self._unwanted and handle in self._unwanted:
                self._unwanted.discard(handle)
                del self.running[handle]
                self._sender.report(RawReport(unbegun=[handle]))
                continue
            started = time.time()
            which, end = self._perform(slot, attempt, granted, started)
            left = self._leftovers.look(handle, self._handles)
            if self._alarms is not None:
                left += self._alarms.clear()
            for line in left:
                attempt.log("WARNING", line)
            attempt.interrupted.set(FINAL)  # for threads that the action left behind: nothing is kept any more
            del self.running[handle]
            self._unwanted.discard(handle)
            self._sender.ended(attempt, which, end)
            if attempt.interrupted.thrown or self._leftovers.spoilt:
                self._sender.report(RawReport(spoilt=True))

    def _handles(self) -> list[int]:
        return list(self.running)  # in one step: other slots change it

    def _perform(self, slot: int, attempt: Attempt, granted: Granted, started: float) -> tuple[str, Raw | None]:
        """One attempt; which list of a report its end belongs to, and the end, if there is one to tell."""
        handle, key = attempt.handle, attempt.key
        try:
            action = self._actions.get(granted.action)
            try:
                job = Job(granted, attempt)
                limit = time_limit(action, job)
            except Exception:
                self._board.begin(slot, handle, started, 0.0)
                raise
            due = 0.0
            if limit is not None:
                due = time.monotonic() + limit
                self._interrupter.limit(attempt, due)
            self._board.begin(slot, handle, started, due)
            outcome = run(action, job, self._engine, self._policy, self._patterns)
            return _told(key, handle, outcome, started)
        except BaseException as wrong:  # boundary: whatever goes wrong, the slot lives on and the job ends
            log.exception("%s cannot be run", granted.id)
            text = shorten(clean(f"the executor could not run it: {described(wrong)}"))
            now = time.time()
            return "finished", Raw(_encode((handle, Finished(*key, State.FAILED, started, now, 1, text))))


def _told(key: tuple[int, int], handle: int, outcome: Outcome, started: float) -> tuple[str, Raw | None]:
    if outcome.kind == FINISHED:
        result = None if outcome.result is None else Raw(outcome.result)
        finished = Finished(
            *key,
            outcome.state or State.FAILED,
            started,
            time.time(),
            outcome.return_code,
            outcome.message,
            result,
            outcome.output,
        )
        return "finished", Raw(_encode((handle, finished)))
    if outcome.kind == RETRY:
        released = Released(*key, "failed", outcome.message or "", outcome.delay, outcome.output)
    elif outcome.kind == DETACHED:
        released = Released(*key, "detached", output=outcome.output)
    elif is_given_back(outcome.message):
        released = Released(*key, outcome.message, output=outcome.output)
    else:
        return "over", None
    return "released", Raw(_encode((handle, released)))

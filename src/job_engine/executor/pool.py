"""The worker processes together: who gets which job, who is too slow, who is replaced."""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from job_engine.executor.alone import NOT_NOW, Alone
from job_engine.executor.backlog import WINDOW, Pace, Place, depth, room, share
from job_engine.executor.board import Cell
from job_engine.executor.death import Lives, death, proven
from job_engine.executor.holds import Held, Holds
from job_engine.executor.messages import Loaded, Report, Setup
from job_engine.executor.process import Process
from job_engine.job.attend import Finished, Released, Write, is_given_back
from job_engine.job.states import State

log = logging.getLogger(__name__)

LOOK: Final = 0.05
"""Seconds between two looks at what has begun, as long as something has not; an idle pool does not look."""
NEWS: Final = 0.02
"""Seconds that a job must have run before its start is told by itself: most end sooner, and the end tells it too."""
PATIENCE: Final = 0.15
"""Seconds that a job may wait unbegun before it is given to another process, or back: a few times `WINDOW`."""
STUCK: Final = 30.0
"""Seconds that an interrupted action may take to end before its worker process is given up."""
RECALL: Final = 1.0
"""Seconds that a worker process that is given up may take to give back what it has not begun."""


class PoolListener(Protocol):
    """Who is told of what happens with worker processes."""

    def on_loaded(self, loaded: Loaded) -> bool:
        """A worker process has loaded its actions; whether it can be used."""

    def on_change(self) -> None:
        """There may be room for more jobs, something to tell the source, or less to wait for."""


class Pool:
    """Worker processes. How their jobs end is noted in ``holds``.

    Args:
        keep: file descriptors that they inherit.
    """

    def __init__(
        self, holds: Holds, listener: PoolListener, setup: Setup, processes: int, keep: Sequence[int] = ()
    ) -> None:
        self.pace = Pace()
        self.backlog: deque[Held] = deque()
        self.giving_back = False  # what has not begun is not begun any more, but released
        self.closing = False  # processes that end are not replaced
        self.killed = False  # what dies now is killed by us
        self.session: Callable[[], str | None] = lambda: None  # the executor's cookie, if its actions get it
        self._holds = holds
        self._listener = listener
        self._setup = setup
        self._keep = keep
        self._wanted = processes
        self._processes: list[Process] = []
        self._counts: Counter[str] = Counter()  # jobs here by action, but those in slow slots
        self._good_until = self._kill_at = 0.0
        self._lives = Lives(processes)
        self._alone = Alone(processes * setup.threads, lambda: self._start(alone=True))
        self._loop = asyncio.get_running_loop()
        self._looking: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._main_thread: frozenset[str] = frozenset()  # actions that run in the main thread of a process

    # --- what it is asked

    def start(self) -> None:
        """Start the worker processes."""
        for _ in range(self._wanted):
            self._start_one()

    @property
    def idle(self) -> bool:
        """Whether it has no job."""
        return not self.backlog and not any(process.outstanding for process in self._processes)

    @property
    def jobs(self) -> list[Held]:
        """All jobs that were given to worker processes and have not ended."""
        return [held for process in self._processes for held in process.outstanding.values()]

    def free(self) -> int:
        """How many more jobs to ask for."""
        if self.giving_back:
            return 0
        now, slots = time.monotonic(), 0
        for process in self._processes:
            if process.ready and not process.retiring:
                self._mark_slow(process, now)
                if not process.recalling:
                    slots += process.threads - process.slow
        return room(self.pace, slots, self._counts)

    def add(self, jobs: Sequence[Held]) -> None:
        """Take jobs that were granted."""
        for held in jobs:
            self._counts[held.action] += 1
            self._place(held, self.backlog.append)
        if self.giving_back:
            self._return_backlog()
        self._feed()

    def interrupt(self, jobs: Sequence[Held], why: str) -> None:
        """Interrupt jobs; those that have not begun do not begin. Each ends in its own time."""
        by_process: dict[Process, list[tuple[Held, str]]] = {}
        waiting = {id(held) for held in jobs if held.process is None}
        if waiting:
            for held in [held for held in self.backlog if id(held) in waiting]:
                self.backlog.remove(held)
                self._forget(held)
        for held in jobs:
            process = held.process
            if isinstance(process, Process):
                held.why = why
                by_process.setdefault(process, []).append((held, why))
                self._loop.call_later(STUCK, self._still, process, held.handle, "")
        for process, orders in by_process.items():
            process.interrupt(orders)

    def recorded(self, jobs: Sequence[Held]) -> None:
        """Tell jobs that their last checkpoints are in the record."""
        for held in jobs:
            if isinstance(held.process, Process):
                held.process.recorded(held)

    def give_back(self) -> None:
        """Release all that has not begun, until `take_again`."""
        self.giving_back = True
        self._return_backlog()
        for process in self._processes:
            process.recall()

    def take_again(self) -> None:
        """The end of `give_back`."""
        self.giving_back = False

    def renew(self, good_until: float, kill_at: float) -> None:
        """Tell all worker processes until when the holds are good; see `Board.set_good_until`."""
        self._good_until, self._kill_at = good_until, kill_at
        for process in self._processes:
            process.board.set_good_until(good_until, kill_at)

    def kill(self) -> None:
        """End all worker processes at once."""
        self.closing = self.killed = True
        for process in self._processes:
            process.kill()

    @property
    def alive(self) -> bool:
        """Whether a worker process is left."""
        return bool(self._processes)

    # --- giving jobs to processes

    def _place(self, held: Held, into: Callable[[Held], None]) -> None:
        """Put a job ``into`` the backlog; one that runs alone begins at once, in a further process of one slot."""
        if self._setup.threads == 1 or self.giving_back or not (held.alone or held.action in self._main_thread):
            into(held)
            return
        process = self._alone.choose()
        if process is None:
            self._unbegun(held, NOT_NOW)
        else:
            held.since = time.monotonic()
            process.give([held], self.session())
            self._watch()

    def _feed(self) -> None:
        backlog = self.backlog
        if not backlog:
            return
        fit = [p for p in self._processes if p.ready and not (p.alone or p.retiring or p.recalling)]
        places = [Place(len(p.outstanding), p.threads, depth(self.pace, p.threads - p.slow)) for p in fit]
        now = time.monotonic()
        for process, count in zip(fit, share(len(backlog), places), strict=True):
            if count:
                jobs = [backlog.popleft() for _ in range(count)]
                for held in jobs:
                    held.since = now
                process.give(jobs, self.session())
        self._watch()

    def _watch(self) -> None:
        if self._looking is None:
            self._looking = self._loop.call_later(LOOK, self._look)

    def _return_backlog(self, keep: int = 0) -> None:
        while len(self.backlog) > keep:
            self._unbegun(self.backlog.pop())

    def _unbegun(self, held: Held, delay: float = 0.0) -> None:
        self._forget(held)
        self._holds.release(held, Released(*held.key, "unstarted", delay=delay))
        self._listener.on_change()

    def _forget(self, held: Held) -> None:
        """It is not here any more."""
        if held.timer is not None:
            held.timer.cancel()
        if held.slow:
            held.slow = False
            if isinstance(held.process, Process):
                held.process.slow -= 1
        else:
            self._counts[held.action] -= 1

    # --- looking at what has begun

    def _mark_slow(self, process: Process, now: float) -> None:
        for slot, handle in enumerate(process.board.handles()):
            held = process.outstanding.get(handle)
            if held is not None and not held.slow and now - process.board.cell(slot).began > WINDOW:
                held.slow = True
                process.slow += 1
                self._counts[held.action] -= 1

    def _look(self) -> None:
        now, again = time.monotonic(), False
        self._alone.look(now)
        for process in self._processes:
            self._mark_slow(process, now)
            for slot, handle in enumerate(process.board.handles()):
                held = process.outstanding.get(handle)
                if held is None or held.started is not None:
                    continue
                cell = process.board.cell(slot)
                if now - cell.began < NEWS:
                    again = True
                else:
                    self._began(process, held, cell, now)
            unbegun = process.unbegun()
            if unbegun:
                again = True
                if process.ready and now - unbegun[0].since > PATIENCE:
                    process.recall()
        self._feed()
        if self.backlog:
            again = True
            if now - self.backlog[0].since > PATIENCE:
                self._return_excess()
        self._looking = self._loop.call_later(LOOK, self._look) if again else None

    def _return_excess(self) -> None:
        """Give back what the slots that still work will not get done soon."""
        slots = sum(p.threads - p.slow for p in self._processes if p.ready and not p.retiring)
        mean = self.pace.mean
        self._return_backlog(int(slots * WINDOW / mean) if mean else slots)

    def _began(self, process: Process, held: Held, cell: Cell, now: float) -> None:
        held.started = cell.started
        held.granted = None  # it will not be given to another process; it can be large
        self._holds.write(held, Write(*held.key, held.started))
        self._listener.on_change()
        if cell.due:
            limit = f"timed out after {round(cell.due - cell.began, 3):g} s, and did not react to its interruption"
            left = max(0.0, cell.due - now)
            held.timer = self._loop.call_later(left + STUCK, self._still, process, held.handle, limit)

    def _still(self, process: Process, handle: int, limit: str) -> None:
        """Some time after an interruption: give up a worker process that cannot end the job."""
        held = process.outstanding.get(handle)
        if held is None or process.code is not None:
            return
        log.warning("%s does not react to its interruption; worker process %d is replaced", held.id, process.pid)
        self._drop(process, handle)
        process.given_up += 1
        if held.why is None:
            now = time.time()
            self._holds.finish(held, Finished(*held.key, State.FAILED, held.started or now, now, message=limit))
        elif is_given_back(held.why):
            self._holds.release(held, Released(*held.key, held.why))
        self._retire(process)
        self._loop.call_later(RECALL, self._end_retired, process, True)
        self._end_retired(process)
        self._listener.on_change()

    def _retire(self, process: Process) -> None:
        """Give it no more jobs, and replace it; it ends when nothing runs in it."""
        if not process.retiring:
            process.retiring = True
            process.recall()
            if not process.alone:
                self._start_one()

    def _end_retired(self, process: Process, unanswered: bool = False) -> None:
        """End a retired process when nothing runs in it; ``unanswered``: even if it does not answer a recall."""
        begun = len(process.outstanding)
        if unanswered and process.code is None:
            begun -= len(process.unbegun())
        if process.retiring and not begun:
            process.kill()

    def _drop(self, process: Process, handle: int) -> Held | None:
        held = process.outstanding.pop(handle, None)
        if held is not None:
            self._forget(held)
        return held

    # --- what worker processes say

    def on_report(self, process: Process, report: Report) -> None:
        """See `process.ProcessListener`."""
        if report.loaded is not None:
            process.ready = self._listener.on_loaded(report.loaded)
            if process.ready:
                self._main_thread = frozenset(report.loaded.main_thread)
            else:
                process.kill()  # its replacement is another try
        for handle, write in report.writes:
            held = process.outstanding.get(handle)
            if held is not None:
                self._holds.write(held, write)
        for handle, finished in report.finished:
            held = self._drop(process, handle)
            if held is not None:
                self.pace.ended(held.action, finished.ended - finished.started)
                self._holds.finish(held, finished)
        for handle, released in report.released:
            held = self._drop(process, handle)
            if held is not None:
                self._holds.release(held, released)
        for handle in report.over:
            self._drop(process, handle)
        self._take_back(process, report.unbegun)
        if report.recalled:
            process.recalling = False
        if report.spoilt and not self.closing:
            self._retire(process)
        self._end_retired(process)
        self._alone.linger(process)
        self._feed()
        self._listener.on_change()

    def _take_back(self, process: Process, handles: Sequence[int]) -> None:
        for handle in reversed(handles):
            held = process.outstanding.pop(handle, None)
            if held is None:
                continue
            if held.over or held.why is not None or self.giving_back or self.closing:
                self._unbegun(held)
            else:
                held.process = None
                self._place(held, self.backlog.appendleft)

    def on_end(self, process: Process) -> None:
        """See `process.ProcessListener`."""
        self._processes.remove(process)
        self._alone.ended(process)
        last, died = process.board.last_begun(), 0
        unbegun = [handle for handle in process.outstanding if handle > last]
        if process.alone and not process.ready:  # the next one may end as soon
            for handle in unbegun:
                self._unbegun(process.outstanding.pop(handle), NOT_NOW)
        else:
            self._take_back(process, unbegun)
        beside = len(process.outstanding) - 1 + process.given_up
        for held in process.outstanding.values():
            self._forget(held)
            end = death(process, held, beside, self.killed)
            if isinstance(end, Finished):
                self._holds.finish(held, end)
                continue
            died += end.why == "died" and not held.over
            self._holds.release(held, end)
        process.outstanding.clear()
        if not (self.killed or process.retiring):
            jobs = f", with {died} running jobs, which run again" if died else ""
            log.warning("worker process %d ended: %s%s", process.pid, process.how, jobs)
        if not (self.closing or process.retiring or process.alone):
            self._replace(proven(process))
        self._feed()
        self._listener.on_change()

    def _replace(self, proven: bool) -> None:
        pause = self._lives.pause(proven)
        if pause:
            log.error(
                "worker processes end soon after their start, again and again; the next one starts in %g s", pause
            )
        self._loop.call_later(pause, self._start_one)

    def _start_one(self) -> None:
        if self._start() is None and not self.closing:
            self._replace(proven=False)

    def _start(self, *, alone: bool = False) -> Process | None:
        if self.closing:
            return None
        try:
            process = Process(self, self._setup, self._keep, alone=alone)
        except OSError as error:
            log.error("a worker process cannot be started: %s", error)
            return None
        process.board.set_good_until(self._good_until, self._kill_at)
        self._processes.append(process)
        task = self._loop.create_task(process.connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return process

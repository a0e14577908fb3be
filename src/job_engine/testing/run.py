"""Runs one attempt of an action, as a worker process does."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

import msgspec

from job_engine.actions import children, output
from job_engine.actions.action import OF_CLASS, Action
from job_engine.actions.interruption import STOPPED
from job_engine.actions.job import Job
from job_engine.actions.outcome import DETACHED, FINISHED, Outcome
from job_engine.actions.run import run
from job_engine.job.attend import Granted
from job_engine.job.document import VERSION
from job_engine.job.errors import Invalid
from job_engine.job.states import State
from job_engine.testing.hold import NotingHold

_LATER = {DETACHED: State.RUNNING}
"""The state after an attempt that did not finish, where it is not QUEUED."""
_installing = threading.RLock()
_installed = 0


@dataclass(frozen=True, slots=True)
class Ran:
    """What an attempt did, and how the job looks after it.

    Attributes:
        state: ``SUCCESS``, ``FAILED``, ``QUEUED`` if the job would run again, ``RUNNING`` if it waits for its children.
        result: what the action returned, as it comes out of JSON.
        message: the status message; of an attempt that is to be repeated, why.
        return_code: the job's.
        retry_after: seconds after which the job would run again because it failed; None: it would not, or at once.
        progress: each progress that the action set, in order.
        log: each line that it printed or logged, with its level.
        checkpoints: each checkpoint that it saved, in order.
        changes: each change of the job, in order.
        output: the end of the log, with the traceback of a failure.
        job: the job, as the action saw it last.
    """

    state: str
    result: Any
    message: str | None
    return_code: int | None
    retry_after: float | None
    progress: list[int]
    log: list[tuple[str, str]]
    checkpoints: list[Any]
    changes: list[dict[str, Any]]
    output: str | None
    job: Job = field(repr=False)

    @property
    def checkpoint(self) -> Any:
        """What the next attempt would start from."""
        return self.job.checkpoint


def run_action(
    action: Any,
    /,
    *,
    payload: Any = None,
    attempt: int = 1,
    resumed: bool | None = None,
    failures: int = 0,
    checkpoint: Any = None,
    target: str | None = None,
    document: dict[str, Any] | None = None,
    api: Any = None,
    interrupt_at: int | None = None,
    interrupt_reason: str = STOPPED,
    nuvlaedge_shared_path: str | None = None,
    **arguments: Any,
) -> Ran:
    """Run one attempt of an action here and now.

    Args:
        action: a function or class with ``@action``.
        payload: instead of ``arguments``: any JSON value, for an action that reads ``job.payload``, or whose
            arguments are named as something here.
        attempt: how many times the job was claimed, this one included.
        resumed: whether an earlier attempt started; by default, if this is not the first.
        failures: how many earlier attempts raised an exception.
        checkpoint: what the last attempt saved.
        target: the id of the target resource.
        document: more attributes of the job.
        api: what ``job.api`` is.
        interrupt_at: interrupt the job when it sets this progress, or more.
        interrupt_reason: ``stopped``, ``overdue``, ``canceled``, ``deleted``, ``lost``, ...
        nuvlaedge_shared_path: what the job has as that.
        **arguments: of the action; they pass through JSON, as in a job.

    Raises:
        Invalid: ``action`` has no ``@action``, or there are both a payload and arguments.
    """
    found = _action(action)
    if payload is not None and arguments:
        raise Invalid("give run_action either arguments or a payload")
    given = {"version": VERSION, **(document or {})}
    if payload is not None or arguments:
        given["payload"] = msgspec.json.encode(arguments or payload, enc_hook=str).decode()
    if target is not None:
        given["target-resource"] = {"href": target}
    granted = Granted(
        seq=1,
        claim=attempt,
        attempt=attempt,
        id="job/00000000-0000-0000-0000-000000000001",
        action=found.name,
        document=msgspec.Raw(msgspec.json.encode(given)),
        resumed=attempt > 1 if resumed is None else resumed,
        failures=failures,
        checkpoint=None if checkpoint is None else msgspec.Raw(msgspec.json.encode(checkpoint)),
    )
    hold = NotingHold(
        None if api is None else lambda: api,
        interrupt_at=interrupt_at,
        reason=interrupt_reason,
        nuvlaedge_shared_path=nuvlaedge_shared_path,
    )
    job = Job(granted, hold)
    with _captured():
        outcome = _here(found, job)
    return _ran(job, hold, outcome)


def _action(thing: Any) -> Action[..., Any]:
    if isinstance(thing, Action):
        return thing
    of_class = vars(thing).get(OF_CLASS) if isinstance(thing, type) else None
    if not of_class:
        raise Invalid(f"{thing!r} is no action: decorate it with @action")
    return of_class[-1]  # type: ignore[no-any-return]


def _here(action: Action[..., Any], job: Job) -> Outcome:
    """Run in this thread; in another one if an event loop runs here, as in an ``async def`` test."""
    if not _in_a_loop():
        return run(action, job)
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=copy_context().run, args=(lambda: outcomes.append(run(action, job)),))
    thread.start()
    thread.join()
    return outcomes[0]


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _ran(job: Job, hold: NotingHold, outcome: Outcome) -> Ran:
    state = outcome.state if outcome.kind == FINISHED else _LATER.get(outcome.kind, State.QUEUED).value
    return Ran(
        state=str(state),
        result=None if outcome.result is None else msgspec.json.decode(outcome.result),
        message=outcome.message if outcome.message is not None else job.get("status-message"),
        return_code=outcome.return_code if outcome.return_code is not None else job.get("return-code"),
        retry_after=outcome.delay or None,
        progress=[change["progress"] for change in hold.changes if "progress" in change],
        log=hold.lines,
        checkpoints=hold.checkpoints,
        changes=hold.changes,
        output=outcome.output,
        job=job,
    )


@contextmanager
def _captured() -> Iterator[None]:
    """Route prints and logs to the job while at least one action runs."""
    global _installed
    with _installing:
        _installed += 1
        if _installed == 1:
            output.install()
            children.install()
    try:
        yield
    finally:
        with _installing:
            _installed -= 1
            if _installed == 0:
                children.uninstall()
                output.uninstall()

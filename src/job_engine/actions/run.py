"""One attempt: from a job and its action to an outcome. Whatever an action does, it ends in one."""

import logging
import random
import re
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final, NoReturn

from msgspec import Struct

from job_engine import forks
from job_engine.actions.action import Action
from job_engine.actions.errors import Failed, Interrupted, JobUpdateError, NotJson, Unfinished, WrongArguments
from job_engine.actions.interruption import LOST, OVERDUE
from job_engine.actions.job import Job
from job_engine.actions.outcome import DETACHED, FINISHED, RELEASED, RETRY, Outcome
from job_engine.actions.output import RUNNING, OutputPolicy, clean
from job_engine.actions.result import encode
from job_engine.actions.upstream import left_to_its_children, update_refused
from job_engine.job.attributes import checked, shorten
from job_engine.job.document import VERSION
from job_engine.job.errors import Invalid
from job_engine.job.foreign import ask, described, is_a, shown, text
from job_engine.job.retry import delay
from job_engine.job.secret import mask_of
from job_engine.job.states import State
from job_engine.job.times import LONGEST

RERUN_IN_PULL_MODE: Final = "Re-running job in pull mode after failed first attempt: "
"""What upstream writes to a job of mode ``mixed`` whose first attempt raised."""

SUCCESS: Final = State.SUCCESS.value
FAILED: Final = State.FAILED.value

log = logging.getLogger(__name__)


class Attempt(Struct):
    """What is known of an attempt while it runs."""

    action: Action[..., Any]
    job: Job
    instance: Any = None  # of an action that is a class


def run(
    action: Action[..., Any] | None,
    job: Job,
    engine: str = "",
    policy: OutputPolicy = OutputPolicy.PRINTED,
    patterns: Sequence[re.Pattern[str]] = (),
) -> Outcome:
    """Run one attempt of ``job`` in this thread, and say how it ended. Never raises.

    Args:
        action: of the job's name; None if there is none.
        job: as the executor was granted it.
        engine: the version that messages call the engine by; empty: the installed one.
        policy: what goes to the job's ``output``.
        patterns: what is masked in the job's log and messages, beside the action's secrets.
    """
    if (refusal := _refusal(action, job, engine)) is not None:
        return Outcome(FINISHED, FAILED, None, refusal)
    assert action is not None
    attempt = Attempt(action, job)
    if policy is OutputPolicy.EVERYTHING:
        job.captured.shows_all = True
    if action.secret or patterns:
        job.captured.mask = mask_of(job.get("payload"), action.secret, patterns)
    token = RUNNING.set(job.captured)
    try:
        outcome = _ended(attempt)
        if outcome.kind == RELEASED or (job.interrupted.why == OVERDUE and outcome.state != SUCCESS):
            _clean_up(attempt)
    except BaseException as wrong:  # the boundary that keeps a slot alive if the engine itself is at fault
        log.exception("%s: the engine failed", job.id)
        outcome = Outcome(FINISHED, FAILED, 1, f"the engine failed: {_message(wrong)}")
    finally:
        RUNNING.reset(token)
    output = job.captured.close()
    # Nuvla's classes log secrets, and its engine never writes the attribute.
    if policy is OutputPolicy.EVERYTHING or (policy is OutputPolicy.PRINTED and not action.is_class):
        outcome.output = output
    if job.captured.mask is not None and outcome.message is not None and outcome.kind != RELEASED:
        outcome.message = job.captured.mask(outcome.message)
    return outcome


def time_limit(action: Action[..., Any] | None, job: Job) -> float | None:
    """Seconds that an attempt of the job may take: the job's own timeout, else the action's; None: any time."""
    own = job.get("timeout")
    if own is not None:
        return min(float(own), LONGEST) or None  # a foreign server may allow any
    return action.timeout if action is not None else None


def _refusal(action: Action[..., Any] | None, job: Job, engine: str) -> str | None:
    version = job.get("version", 0)
    if version != VERSION and str(version) != str(VERSION):
        from importlib.metadata import version as installed

        return f"Job v{version} is not supported by Job engine v{engine or installed('job-engine')}"
    return None if action is not None else f"Not implemented action {job.id}: {job['action']}"


def _ended(attempt: Attempt) -> Outcome:
    """Enter the action and leave it again, with nothing of an interruption left behind in this thread."""
    interruption, process = attempt.job.interrupted, forks.generation()
    cell, thread = interruption.cell, interruption.enter()
    try:
        given = _arguments(attempt)
        try:
            cell.value = thread
            value = _perform(attempt, given)
        finally:
            cell.value = 0  # from here nothing can be thrown, but what was may still arrive: see interruption.py
            if interruption.thrown:
                try:  # noqa: SIM105 - suppress() is a call before the try, where it would arrive
                    interruption.clear()
                except Interrupted:
                    pass
        if forks.generation() != process:
            _end_fork(None)
        return _returned(attempt, value)
    except BaseException as raised:  # noqa: BLE001 - the boundary between the engine and an action, which may raise anything
        if forks.generation() != process:
            _end_fork(raised)
        return _raised(attempt, raised)


def _end_fork(raised: BaseException | None) -> NoReturn:
    RUNNING.set(None)  # what it says is not the job's
    forks.end(raised)


def _arguments(attempt: Attempt) -> dict[str, Any]:
    if attempt.action.is_class:
        return {}
    arguments = attempt.action.arguments
    return {} if arguments.takes_any else arguments.of(attempt.job.get("payload"))


def _perform(attempt: Attempt, given: dict[str, Any]) -> Any:
    action, job = attempt.action, attempt.job
    if action.is_class:
        attempt.instance = action.target(job)
        value = attempt.instance.do_work()
    else:
        value = action.target(job, **given) if action.arguments.takes_job else action.target(**given)
    if value is not None and hasattr(type(value), "__await__"):
        module = job.interrupted.shielded(import_module, "job_engine.actions.coroutine")
        value = module.finish(value, job.interrupted)
    return value


def _returned(attempt: Attempt, value: Any) -> Outcome:
    if attempt.job.interrupted.why is not None and (end := _interrupted(attempt)) is not None:
        return end
    if attempt.action.is_class:
        return _verdict(attempt.job, value)
    result = None if value is None else encode(value)
    return Outcome(FINISHED, SUCCESS, None if attempt.job.has_set("return-code") else 0, result=result)


def _verdict(job: Job, value: Any) -> Outcome:
    """What ``do_work`` returned, as upstream reads it: 0 is success."""
    try:
        code = None if isinstance(value, float) else checked("return-code", value)
    except Invalid:
        code = None
    if code == 0:
        return Outcome(FINISHED, SUCCESS, 0)
    why = f"do_work() returned {clean(shown(value))}; 0 is success"
    job.captured.add("ERROR", why, always=True)
    return Outcome(FINISHED, FAILED, code, None if job.has_set("status-message") else shorten(why))


def _raised(attempt: Attempt, raised: BaseException) -> Outcome:
    job, action = attempt.job, attempt.action
    if is_a(raised, Failed) and not job.interrupted.over:
        failed = Outcome(FINISHED, FAILED, ask(_return_code, raised, 1), shorten(clean(text(raised))))
        return _again(attempt, failed) if ask(_may_retry, raised, False) else failed
    if is_a(raised, WrongArguments, NotJson):
        return Outcome(FINISHED, FAILED, 1, shorten(clean(f"{action.name}: {text(raised)}")))
    if job.interrupted.why is not None:
        if is_a(raised, Interrupted):
            job.interrupted.seen = True
        if (end := _interrupted(attempt)) is not None:
            if isinstance(raised, Exception) and not isinstance(raised, JobUpdateError):
                job.captured.add("WARNING", f"raised while it was ending: {_traceback(raised)}", always=True)
            return end
    if is_a(raised, Unfinished) or left_to_its_children(raised):
        return Outcome(DETACHED)
    if update_refused(raised):
        return Outcome(RELEASED, message=LOST)
    if is_a(raised, SystemExit):
        code = ask(_exit_code, raised, None)
        failed = Outcome(
            FINISHED,
            FAILED,
            code if is_a(code, int) and 0 < code < 2**31 else 1,
            shorten(clean(f"called sys.exit({'' if code is None else shown(code)})")),
        )
    else:
        failed = Outcome(FINISHED, FAILED, 1, _message(raised))
    job.captured.add("ERROR", _traceback(raised), always=True)
    return _again(attempt, failed)


def _interrupted(attempt: Attempt) -> Outcome | None:
    """How an attempt ends that was interrupted; None if the action did not notice, and so did all of its work."""
    interruption = attempt.job.interrupted
    if not (interruption.seen or interruption.thrown or interruption.over):
        return None
    if interruption.why != OVERDUE:
        return Outcome(RELEASED, message=interruption.why)
    limit = time_limit(attempt.action, attempt.job)
    return _again(attempt, Outcome(FINISHED, FAILED, 1, f"timed out after {limit:g} s" if limit else "timed out"))


def _again(attempt: Attempt, failed: Outcome) -> Outcome:
    """A failure, or the retry that is left."""
    job, action = attempt.job, attempt.action
    retries = job.get("retries")
    if job.failures < (action.retries if retries is None else retries):
        failed.kind, failed.state, failed.return_code = RETRY, None, None
        failed.delay = delay(job.failures, random.random(), backoff=action.backoff, jitter=action.jitter)
    elif job["execution-mode"] == "mixed":
        try:
            job.update_job(execution_mode="pull")
        except JobUpdateError:
            return Outcome(RELEASED, message=job.interrupted.why)
        failed.kind, failed.state, failed.return_code = RETRY, None, None
        failed.message = RERUN_IN_PULL_MODE + (failed.message or "")
    return failed


def _clean_up(attempt: Attempt) -> None:
    action = attempt.action
    try:
        if action.cleanup is not None:
            value = action.cleanup(attempt.job)
        elif action.cleans_itself and attempt.instance is not None:
            value = attempt.instance.cleanup()
        else:
            return
        if hasattr(type(value), "__await__"):
            import asyncio

            asyncio.run(_awaited(value))
    except BaseException as raised:  # noqa: BLE001 - the boundary between the engine and an action's cleanup
        attempt.job.captured.add("WARNING", f"cleanup failed: {_traceback(raised)}", always=True)
        token = RUNNING.set(None)  # for the executor's log
        mask = attempt.job.captured.mask or str
        log.warning("%s: cleanup failed: %s", attempt.job.id, mask(_message(raised)))
        RUNNING.reset(token)


async def _awaited(value: Any) -> Any:
    return await value


def _return_code(raised: Any) -> int:
    return int(checked("return-code", raised.return_code))


def _may_retry(raised: Any) -> bool:
    return bool(raised.retry)


def _exit_code(raised: Any) -> Any:
    """The argument of ``sys.exit``; a plain number, if it is a number."""
    return int(raised.code) if is_a(raised.code, int) else raised.code


def _message(raised: BaseException) -> str:
    return shorten(clean(described(raised)))


def _traceback(raised: BaseException) -> str:
    return ask(_lines, raised, f"{_message(raised)} (its traceback cannot be shown)")


def _lines(raised: BaseException) -> str:
    """The traceback from the action on, without the engine's frames."""
    frames = raised.__traceback__
    while frames is not None and frames.tb_frame.f_globals.get("__name__") in (
        __name__,
        "job_engine.actions.coroutine",
    ):
        frames = frames.tb_next
    lines = traceback.format_exception(type(raised), raised, frames or raised.__traceback__)
    return clean("".join(lines).rstrip())

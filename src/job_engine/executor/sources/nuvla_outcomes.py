"""What upstream's executor does with a job that it has taken, as a table (its 5.1; docs/upstream.md has it in words).

Pure: what to do by what the job is, and what to write by how it ended.
"""

import enum
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from job_engine.job.attend import Finished
from job_engine.job.attributes import ATTRIBUTES, shorten
from job_engine.job.bulk import MONITOR
from job_engine.job.document import VERSION
from job_engine.job.states import State, is_final

Changes = dict[str, Any]


class Do(enum.Enum):
    """What to do with what was taken."""

    RUN = "run"
    FAIL = "fail"  # and consume
    CONSUME = "consume"
    RELEASE = "release"
    AVOID = "avoid"  # release it, and leave it to others
    OTHERS = "others"  # the same for a while: then see whether anybody has done it
    LATER = "later"  # release it after a while, longer each time


class Verdict(NamedTuple):
    """What to do with a job, and why."""

    do: Do
    why: str = ""


def verdict(id_: str, job: Mapping[str, Any], actions: Collection[str] | None, engine: str, *, others: bool) -> Verdict:
    """By its document.

    Args:
        actions: those that we have; None: not known yet, so a worker process will say.
        engine: our version, for messages.
        others: whether others can take it: it comes from the queue, and was not named to us.
    """
    version = job.get("version", 0)
    try:
        number = int(str(version))
    except ValueError:
        number = 0
    if number > VERSION:
        return Verdict(Do.AVOID, f"{id_} is of version {version}, and this engine runs version {VERSION}")
    if number < VERSION:
        return Verdict(Do.FAIL, f"Job v{version} is not supported by Job engine v{engine}")
    if is_final(str(job.get("state"))):
        return Verdict(Do.CONSUME, f"{id_} is {job['state']} already")
    if others and job.get("execution-mode") == "pull" and job.get("state") == State.QUEUED:
        # what is left of one that fell back to pull: its new runner is not to be disturbed
        return Verdict(Do.CONSUME, f"{id_} is for a NuvlaEdge to pull")
    action = job.get("action")
    if not isinstance(action, str) or not action:
        return Verdict(Do.FAIL, f"{id_} has no action")
    if actions is not None and action not in actions:
        return Verdict(Do.OTHERS if others else Do.FAIL, f"Not implemented action {id_}: {action}")
    return Verdict(Do.RUN)


def known(changes: Mapping[str, Any]) -> Changes:
    """The changes of an attempt that a schema without our extensions has."""
    return {name: value for name, value in changes.items() if name in ATTRIBUTES and not ATTRIBUTES[name].extension}


def final_edits(end: Finished, unsent: Mapping[str, Any]) -> list[Changes]:
    """What to write of an end, in the order of trying: the next one only if the server does not take the one before.

    What ``unsent`` and the output add cannot be worth losing the verdict, and no verdict is worth running the job for
    ever.
    """
    verdict: Changes = {"state": str(end.state)}
    if end.return_code is not None:
        verdict["return-code"] = end.return_code
    if end.message:
        verdict["status-message"] = shorten(end.message)
    whole = {**unsent, **verdict} if end.output is None else {**unsent, **verdict, "output": end.output}
    plain: Changes = {
        "state": State.FAILED.value,
        "status-message": f"it ended as {end.state}, which the API server does not take as it was",
    }
    return [whole, verdict, plain]


def fallen_back(message: str, unsent: Mapping[str, Any]) -> Changes:
    """What to write of a job of mode ``mixed`` whose first attempt raised."""
    return {
        **unsent,
        "state": State.QUEUED.value,
        "execution-mode": "pull",
        "status-message": shorten(message),
    }


def detached(tags: Collection[str], unsent: Mapping[str, Any]) -> Changes:
    """What to write of a bulk job that stays RUNNING until its children are done.

    Args:
        tags: those that it has, or is about to have.
    """
    return dict(unsent) if MONITOR in tags else {**unsent, "tags": [MONITOR]}

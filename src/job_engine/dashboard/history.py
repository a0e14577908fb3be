"""The history of a job for its page: a line for each attempt, and for what happened between them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from job_engine.dashboard import formatting
from job_engine.job.times import epoch

CLAIMED: Final = "claimed"
WORDS: Final = {
    CLAIMED: "is running",
    "released": "given back to the queue",
    "unstarted": "given back before it started",
    "stopped": "given back, because its executor stopped",
    "lost": "given back, because its executor was cut off or died",
    "raised": "failed, to be tried again",
    "died": "its process died",
    "detached": "left to its children",
    "success": "succeeded",
}
"""What events are called here; others by their own name."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the history: an attempt, or something that happened to the job.

    Attributes:
        on: what its executor is called.
        claimed: when the attempt was claimed; None: the line is none.
        ended: when it ended or happened; None: it is running.
    """

    kind: str
    ended: str | None
    claimed: str | None = None
    attempt: int | None = None
    executor: str = ""
    on: str = ""
    detail: str = ""

    @property
    def words(self) -> str:
        """What happened."""
        return WORDS.get(self.kind, self.kind)

    @property
    def took(self) -> float | None:
        """Seconds from the claim to the end."""
        return epoch(self.ended) - epoch(self.claimed) if self.ended and self.claimed else None


def names_of(executors: Iterable[dict[str, Any]]) -> dict[str, str]:
    """What executors are called, by id and by the name of their member in the cluster."""
    return {
        id_: executor["name"]
        for executor in executors
        for id_ in (executor["id"], executor.get("member"))
        if id_ and executor.get("name")
    }


def steps(events: list[dict[str, Any]], names: Mapping[str, str] | None = None) -> list[Step]:
    """What the API's events say, newest first.

    Args:
        names: what executors are called that are known now; one that is gone has its id alone.
    """
    told: list[Step] = []
    open_: dict[int, int] = {}  # attempts that have not ended → where they are told
    for event in events:
        attempt = event.get("attempt")
        executor = event.get("executor") or ""
        on = (names or {}).get(executor) or formatting.short(executor)
        happened = Step(event["kind"], event["at"], None, attempt, executor, on, str(event.get("detail") or ""))
        if attempt is not None and event["kind"] == CLAIMED:
            open_[attempt] = len(told)
            told.append(replace(happened, ended=None, claimed=event["at"]))
        elif attempt in open_:
            at = open_.pop(attempt)
            told[at] = replace(
                happened, claimed=told[at].claimed, executor=executor or told[at].executor, on=on or told[at].on
            )
        else:
            told.append(happened)
    return told[::-1]

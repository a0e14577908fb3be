"""The history of a job as people read it: a line for each attempt, and for what happened between them."""

from dataclasses import dataclass, replace
from typing import Any, Final

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
        claimed: when the attempt was claimed; None: the line is none.
        ended: when it ended or happened; None: it is running.
    """

    kind: str
    ended: str | None
    claimed: str | None = None
    attempt: int | None = None
    executor: str = ""
    detail: str = ""

    @property
    def words(self) -> str:
        """What happened."""
        return WORDS.get(self.kind, self.kind)

    @property
    def took(self) -> float | None:
        """Seconds from the claim to the end."""
        return epoch(self.ended) - epoch(self.claimed) if self.ended and self.claimed else None


def steps(events: list[dict[str, Any]]) -> list[Step]:
    """What the API's events say, newest first."""
    told: list[Step] = []
    open_: dict[int, int] = {}  # attempts that have not ended → where they are told
    for event in events:
        attempt = event.get("attempt")
        happened = Step(
            event["kind"], event["at"], None, attempt, event.get("executor") or "", str(event.get("detail") or "")
        )
        if attempt is not None and event["kind"] == CLAIMED:
            open_[attempt] = len(told)
            told.append(replace(happened, ended=None, claimed=event["at"]))
        elif attempt in open_:
            at = open_.pop(attempt)
            told[at] = replace(happened, claimed=told[at].claimed, executor=happened.executor or told[at].executor)
        else:
            told.append(happened)
    return told[::-1]

"""The kinds of repairs, their counts, and the last ones."""

import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from job_engine.job.times import iso

ADOPT = "adopt"
REPUBLISH = "republish"
GHOST = "ghost"
MOVE = "move"
REMOVE_FINAL = "remove-final"
REMOVE_UNKNOWN = "remove-unknown"
REMOVE_OTHER = "remove-other"
REMOVE_WAITING = "remove-waiting"
STRAY = "stray"
END_HOLD = "end-hold"
KINDS: Final = (
    ADOPT, REPUBLISH, GHOST, MOVE, REMOVE_FINAL, REMOVE_UNKNOWN, REMOVE_OTHER, REMOVE_WAITING, STRAY, END_HOLD,
)  # fmt: skip
"""An entry names a job that has none noted: it is noted · the entry of a job vanished: it is put anew · one is taken
for a while and nobody claims its job: that is put anew, under another name · the priority of a job was edited: it is
put anew in its place · an entry of a final job, of no job, of a job that has another one (or another place), or is not
ready goes · a name or content that is no entry's is left · the member that held a job is gone: the job is queued
again."""
LAST_REPAIRS: Final = 50


@dataclass(frozen=True, slots=True)
class Repair:
    """One repair that the relay made, or would make."""

    kind: str
    job: str | None
    entry: str | None
    why: str
    at: float = field(default_factory=time.time, compare=False)

    def document(self) -> dict[str, Any]:
        """The repair as the API shows it."""
        return {"at": iso(self.at), "kind": self.kind, "job": self.job, "entry": self.entry, "why": self.why}


class Journal:
    """The repairs of one server, since its start."""

    def __init__(self) -> None:
        self.counts = Counter(dict.fromkeys(KINDS, 0))
        self.last: deque[Repair] = deque(maxlen=LAST_REPAIRS)

    def note(self, repairs: Iterable[Repair]) -> None:
        """Record repairs that were made."""
        for repair in repairs:
            self.counts[repair.kind] += 1
            self.last.append(repair)

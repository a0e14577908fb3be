"""The messages of ``attend``, the one exchange between an executor and the record.

An executor sends what it holds, what ended, what changed and how many jobs it can take; the answer grants jobs and
names the holds that ended. Nothing in it needs a memory of earlier exchanges:

- a job that the record says this executor holds, and that the executor does not list, was granted in an answer that
  got lost: it is granted again, by the same claim;
- a hold that the executor lists, and that the record does not know, has ended: it is in ``interrupt``, until the
  executor no longer lists it.

In a cluster ZooKeeper says who may try: then an executor asks for no jobs but claims those whose entries it has taken,
and its holds belong to its *member*, the node that stands for its session there. What the record has beyond the list is
granted again there too, because the answer to a claim may have been lost; who has not the entry any more releases it.

So every message may be repeated after a lost answer. An executor sends one at a time; a newer one (by ``n``) ends
a parked one empty, and an older one that arrives late is refused. ``seq`` is the record's number of a job; with the
number of its claim it names one hold. The number of a claim is a secret that only its holder learns: a keyed hash of
the job's number and the attempt's, with a key that the record draws each time it is opened. So nobody guesses a hold,
and one of before a restored backup is not taken for one of after it, though jobs and attempts have the same numbers
again. The items are arrays on the wire, because there can be thousands of them a second.
"""

from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeGuard

from msgspec import Meta, Raw, Struct

from job_engine.job.action_details import ActionDetails
from job_engine.job.times import LONGEST

if TYPE_CHECKING:
    OptionalRaw = Raw | None
else:
    OptionalRaw = Raw  # msgspec decodes no union with Raw (0.22): None arrives as ``null``, see `json_text`

Timestamp = Annotated[float, Meta(ge=0.0, le=253402300799.0)]
"""Seconds since the epoch, to the end of the year 9999: a job with another time could be neither read nor ended."""
Delay = Annotated[float, Meta(le=LONGEST)]
"""Seconds, of which a date can be computed."""

Verdict = Literal["gone", "held", "cannot", "missing"]
"""Why a claim is not granted."""
GONE: Final = "gone"
"""Nothing is to be done for the entry, as the job is final, not ready or has another entry: consume it."""
HELD: Final = "held"
"""Another executor holds the job: ask again for a moment, then release the entry."""
CANNOT: Final = "cannot"
"""The executor lacks the action: release the entry, and leave it to others."""
MISSING: Final = "missing"
"""There is no such job: wait for it a moment, then give the entry back."""

PERIOD = 10.0
"""Seconds after which an executor that was not heard of loses its holds. It counts from sending, and stops its jobs
at two thirds of it; a parked attend is answered after one third at the latest."""


ReleaseReason = Literal["unstarted", "stopped", "lost", "failed", "died", "detached", "released"]
"""Why an attempt ended without a final state:

- ``unstarted``: its executor gave it back before it began.
- ``stopped``: its executor stops.
- ``lost``: its executor was cut off, or died.
- ``failed``: it raised, and is to be retried.
- ``died``: its worker process died. Three such deaths in a row without progress, and with no other job in the process,
  make the job FAILED.
- ``detached``: the job stays RUNNING, without a holder: a bulk job whose children are monitored.
- ``released``: a client gave it back.
"""
LEAVES_QUEUE: Final[frozenset[ReleaseReason]] = frozenset({"failed", "detached"})
"""Reasons for which a job leaves the locking queue: its executor consumes the entry, and the relay puts a new one when
the job is ready again."""


def is_given_back(why: str | None) -> TypeGuard[Literal["stopped", "lost"]]:
    """Whether an attempt that is interrupted for ``why`` is its executor's to release: after other reasons the record
    has ended the hold."""
    return why in ("stopped", "lost")


class Hello(Struct, kw_only=True, omit_defaults=True):
    """Who an executor is and what it can run; sent first, after a change, and whenever the record asks for it."""

    name: str
    host: str
    pid: int
    version: str
    processes: int
    slots: int
    actions: list[str]
    details: dict[str, ActionDetails] = {}  # of the actions, by name
    failed_imports: dict[str, str] = {}  # what did not load: module or path → error
    replaces: str | None = None  # the executor that ran here before and is known to be dead
    session_timeout: float = 0.0  # seconds that ZooKeeper granted; 0: it uses none
    clock: float = 0.0  # its clock at the sending, seconds since the epoch; 0: it does not tell


class Finished(Struct, array_like=True, omit_defaults=True):
    """An attempt that reached a final state."""

    seq: int
    claim: int
    state: str
    started: Timestamp
    ended: Timestamp
    return_code: int | None = None
    message: str | None = None
    result: OptionalRaw = None  # JSON; see `json_text`
    output: str | None = None  # the end of the job's log


class Released(Struct, array_like=True, omit_defaults=True):
    """An attempt that ended without a final state: the job goes back to QUEUED, unless it is ``detached``."""

    seq: int
    claim: int
    why: ReleaseReason
    detail: str = ""
    delay: Delay = 0.0
    output: str | None = None
    beside: int = 0  # other jobs in the worker process that died: any of them may have killed it


class Write(Struct, array_like=True, omit_defaults=True):
    """What changed in a held job since the last exchange; the newest value of each attribute."""

    seq: int
    claim: int
    started: Timestamp | None = None  # when the action began
    changes: dict[str, object] = {}
    checkpoint: OptionalRaw = None  # JSON
    log: list[tuple[int, Timestamp, str, str]] = []  # number within the attempt, time, level, text

    def __post_init__(self) -> None:
        if self.checkpoint is not None and bytes(self.checkpoint) == b"null":
            self.checkpoint = None  # as it was sent: who waits for a checkpoint is told


class Claim(Struct, array_like=True):
    """An entry of the locking queue that the executor has taken, and the job's id as it stands in it."""

    entry: str
    job: str


class Attend(Struct, kw_only=True, omit_defaults=True):
    """What an executor says."""

    n: int  # rises with each attend of this executor
    free: int = 0  # how many jobs it can take
    wait: float = 0.0  # seconds to keep the request parked when there is nothing to answer
    holds: list[tuple[int, int]] = []  # (seq, claim)
    finished: list[Finished] = []
    released: list[Released] = []
    writes: list[Write] = []
    hello: Hello | None = None
    member: str = ""  # its member in ZooKeeper, e.g. executor-0123456789abcdef; empty: it uses none
    claims: list[Claim] = []  # in a cluster, instead of ``free``
    leaving: bool = False  # it stops: these may be its last words


class Granted(Struct, array_like=True, omit_defaults=True):
    """A job for the executor to run."""

    seq: int
    claim: int
    id: str
    action: str
    document: Raw  # the job's document
    resumed: bool = False  # an earlier attempt started
    failures: int = 0  # exceptions raised by earlier attempts
    changes: dict[str, object] = {}  # attributes beside the document's, or instead of them
    checkpoint: OptionalRaw = None  # JSON
    entry: str | None = None  # in a cluster: the entry by which it was claimed
    alone: bool = False  # a worker process has died with it: no other job runs beside it any more
    attempt: int = 1  # how many times it was claimed


class Answer(Struct, kw_only=True, omit_defaults=True):
    """What the record answers."""

    jobs: list[Granted] = []
    interrupt: list[tuple[int, int, str]] = []  # (seq, claim, why), e.g. "canceled"
    refused: list[tuple[str, str]] = []  # (entry, verdict) of each claim that was not granted; see `Verdict`
    hello: bool = False  # say hello in the next attend: the record does not know this executor
    period: float = PERIOD
    queue: str = ""  # to who says hello in a cluster: where in ZooKeeper the queue is, chroot and path


def json_text(raw: OptionalRaw) -> str | None:
    """The text of a JSON value; None when there is none."""
    text = None if raw is None else bytes(raw).decode()
    return None if text == "null" else text

"""What our server answers beyond CIMI, as values."""

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from job_engine.client.connection import Reply
from job_engine.client.endpoint import refusal
from job_engine.job.action_details import Parameter
from job_engine.job.errors import UNREADABLE, JobEngineError

T = TypeVar("T")


class LogLine(Struct, frozen=True):
    """A line of a job's log."""

    attempt: int
    n: int  # number within the attempt
    at: str
    level: str
    text: str


class LogPage(Struct, frozen=True):
    """Lines of a job's log, in order."""

    lines: list[LogLine]
    next: str | None = None  # the cursor of the last line: what to ask for lines after
    end: bool = False  # the job is final, and no line will follow these


class Event(Struct, frozen=True):
    """Something that happened to a job."""

    at: str
    kind: str
    attempt: int | None = None
    executor: str | None = None
    detail: Any = None


class EventList(Struct, frozen=True):
    """The history of a job, oldest first."""

    events: list[Event]


class Term(Struct, frozen=True):
    """One condition for a job to run, and whether it is met."""

    term: str
    met: bool
    detail: str = ""


class Explanation(Struct, frozen=True):
    """Why a job is where it is."""

    state: str
    summary: str
    terms: list[Term] = []
    slots: int = 0  # of a QUEUED job: how many jobs the executors that have its action can run at a time
    busy: int = 0  # how many of these slots are taken


class ExecutorInfo(Struct, frozen=True, rename="kebab"):
    """An executor that the record knows."""

    id: str
    name: str = ""
    host: str = ""
    member: str = ""  # in a cluster: its member in ZooKeeper
    pid: int = 0
    version: str = ""
    processes: int = 0
    slots: int = 0
    actions: list[str] = []
    failed_imports: dict[str, str] = {}
    holds: int = 0
    heard: float | None = None  # seconds since its last message
    clock_ahead: float | None = None  # seconds by which its clock was ahead of the server's when it greeted


class ActionInfo(Struct, frozen=True):
    """An action that some executor has."""

    name: str
    executors: list[str] = []
    id: str = ""
    summary: str = ""  # the first line of its docstring
    file: str = ""
    parameters: list[Parameter] | None = None  # None: unknown


class RefusedLogin(Struct, frozen=True):
    """Credentials that a server refused within the last minute."""

    name: str
    address: str
    count: int


class ServerStatus(Struct, frozen=True, rename="kebab"):
    """How a server of ours is."""

    status: str
    version: str = ""
    now: str | None = None  # its clock
    trouble: str = ""  # for administrators: why the record cannot be written now, and because of whom; empty: it can
    queue: dict[str, Any] | None = None  # of a server of a cluster: whether ZooKeeper is there, and who leads
    refused_logins: list[RefusedLogin] = []  # told to administrators
    refused_connections: dict[str, int] = {}  # what was refused of connections within the last hour; likewise
    write_seconds: float | None = None  # how long the write took that `try_a_write` had it make


def decoded(reply: Reply, kind: type[T]) -> T:
    """What the server answers.

    Raises:
        JobEngineError: it refuses; or its answer is not what it should be.
    """
    if reply.status >= 400:
        raise refusal(reply.status, reply.body)
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except UNREADABLE as error:
        raise JobEngineError(f"the server's answer is not what it should be: {error}; is its version newer?") from None

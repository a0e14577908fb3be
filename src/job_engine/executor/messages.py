"""What supervisor and worker processes say to each other: frames of a 4-byte little-endian length and JSON.

JSON, because documents, results and checkpoints are JSON already and so pass through the supervisor as they are.
A job is named by its *handle*: the number that it has among the jobs given to that worker process, from 1 up. A worker
process begins its jobs in that order, which is how `Board` tells those that had begun when it died.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from job_engine.actions.output import OutputPolicy
from job_engine.client.tls import VERIFY, Tls
from job_engine.job.action_details import ActionDetails
from job_engine.job.attend import Finished, Granted, Released, Write

M = TypeVar("M")
_LENGTH: Final = 4


class Setup(Struct, kw_only=True):
    """The first order: what a worker process is to be."""

    api_url: str
    tls: Tls = VERIFY
    username: str | None = None
    password: str | None = None
    key: str | None = None
    secret: str | None = None
    header: str | None = None
    threads: int
    actions: list[str]
    entry_points: bool
    log_level: str
    needed: bool = False  # each of `actions` has to load
    cookie: str | None = None
    names_hold: bool = True  # requests of actions say under which hold they are made
    hands_out: bool = False  # actions may do what the executor may, whose credentials are in here only then
    pull_mode_only: bool = False
    nuvlaedge_fs: str | None = None
    engine: str = ""  # its version, for messages
    output: OutputPolicy = OutputPolicy.PRINTED  # what goes to the attribute of jobs
    masked: list[str] = []  # regular expressions of what the logs and messages of jobs do not say
    api_grace: float = 0.0  # how long a job waits to log in at an API server that cannot be reached


class Orders(Struct, array_like=True, omit_defaults=True):
    """Supervisor → worker process."""

    run: list[tuple[int, Granted]] = []
    recall: bool = False  # give back all that has not begun
    interrupt: list[tuple[int, str]] = []  # (handle, why)
    recorded: list[int] = []  # handles whose last checkpoint is in the record
    setup: Setup | None = None
    session: str | None = None  # the cookie of the supervisor's session at the server, when it has a new one


class Loaded(Struct, kw_only=True):
    """What a worker process can run."""

    actions: list[str]
    failed: dict[str, str]  # source → error
    duplicates: list[str]
    main_thread: list[str] = []  # those of the actions that run in the main thread of a process, and so alone in it
    details: dict[str, ActionDetails] = {}  # of the actions, by name
    wrong: str | None = None  # a source that does not exist: the executor cannot start


class Report(Struct, array_like=True, omit_defaults=True):
    """Worker process → supervisor. The last writes to a job come with or before its end."""

    finished: list[tuple[int, Finished]] = []
    released: list[tuple[int, Released]] = []
    over: list[int] = []  # ended, and there is nothing to tell: the record had ended the hold
    unbegun: list[int] = []  # given back before they began
    writes: list[tuple[int, Write]] = []
    recalled: bool = False  # the recall was carried out
    spoilt: bool = (
        False  # an exception was thrown into an action, which may have left a lock taken: replace the process
    )
    loaded: Loaded | None = None
    importing: str | None = None  # what it begins to import: that may hang, or end the process


class RawReport(Struct, array_like=True, omit_defaults=True):
    """A `Report` whose items were encoded one by one, so that one that cannot be encoded spoils no other."""

    finished: list[Raw] = []
    released: list[Raw] = []
    over: list[int] = []
    unbegun: list[int] = []
    writes: list[Raw] = []
    recalled: bool = False
    spoilt: bool = False
    loaded: Loaded | None = None
    importing: str | None = None


_encode = msgspec.json.Encoder().encode
orders_of: Final = msgspec.json.Decoder(Orders).decode
report_of: Final = msgspec.json.Decoder(Report).decode


def frame(message: Orders | RawReport) -> bytes:
    """``message`` as it goes over the socket."""
    body = _encode(message)
    return len(body).to_bytes(_LENGTH, "little") + body


class Frames(Generic[M]):
    """Messages out of a stream of bytes.

    Args:
        decode: makes a message of the bytes in a frame.
    """

    def __init__(self, decode: Callable[[bytes], M]) -> None:
        self._decode = decode
        self._rest = b""

    def feed(self, data: bytes) -> list[M]:
        """The messages that ``data`` completes.

        Raises:
            One of `UNREADABLE`: a message is none; the stream cannot be read any further.
        """
        # what is decoded may hold views into the buffer (Raw), so it is never changed in place
        buffer = self._rest + data if self._rest else data
        messages, at, end = [], 0, len(buffer)
        while end - at >= _LENGTH:
            start = at + _LENGTH
            stop = start + int.from_bytes(buffer[at:start], "little")
            if stop > end:
                break
            messages.append(self._decode(buffer[start:stop]))
            at = stop
        self._rest = buffer[at:]
        return messages

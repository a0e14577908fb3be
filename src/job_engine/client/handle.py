"""One job, as a program that submitted it sees it."""

import logging
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from job_engine.client.responses import Event, Explanation, LogLine
from job_engine.job.bulk_message import in_short
from job_engine.job.errors import Invalid, JobEngineError
from job_engine.job.options import Identified
from job_engine.job.states import State, is_final

if TYPE_CHECKING:
    from job_engine.client.client import Client

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())  # a program without logging prints nothing; of an action it is in the job's log

UNBEGUN: Final = 5.0
"""Seconds after which a wait for a job that has not begun looks whether any slot is free for it."""
PARKED: Final = 20.0
"""Seconds that the server keeps a wait parked at most; then it is asked again."""
LATE: Final = 2.0
"""Seconds that the answer to a wait may take beyond its end: no wait for a server that hangs takes longer."""

_ID: Final = re.compile(r"(?:job/)?([A-Za-z0-9][A-Za-z0-9_.:-]*)")


class JobFailed(JobEngineError):
    """The job failed. ``job`` is its handle."""

    def __init__(self, message: str, job: "JobHandle") -> None:
        super().__init__(message)
        self.job = job

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.job)


class JobCanceled(JobEngineError):
    """The job was canceled. ``job`` is its handle."""

    def __init__(self, message: str, job: "JobHandle") -> None:
        super().__init__(message)
        self.job = job

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.job)


class JobHandle:
    """A job in the record.

    What can change (``state``, ``progress``, ...) is read anew at each use, until the job is final; ``document`` is
    what was read last, and ``refresh`` reads it.
    """

    def __init__(self, client: "Client", job_id: str, document: dict[str, Any] | None = None) -> None:
        self._client = client
        self._document = document
        self.id = job_id

    def __repr__(self) -> str:
        known = self._document or {}
        return " ".join(["<JobHandle", self.id, *(str(known[n]) for n in ("action", "state") if n in known)]) + ">"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JobHandle) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def document(self) -> dict[str, Any]:
        """The job's document as it was read last."""
        return self._document if self._document is not None else self.refresh()._read()

    @property
    def action(self) -> str:
        """What it does."""
        return str(self.document.get("action"))

    @property
    def state(self) -> State:
        """Where it is in its life."""
        return State(self._now()["state"])

    @property
    def final(self) -> bool:
        """Whether it has ended."""
        return is_final(self._now()["state"])

    @property
    def progress(self) -> int:
        """Percent done."""
        return int(self._now().get("progress") or 0)

    @property
    def status_message(self) -> str | None:
        """What it says of itself."""
        return self._now().get("status-message")

    @property
    def return_code(self) -> int | None:
        """What it ended with."""
        return self._now().get("return-code")

    @property
    def result(self) -> Any:
        """What the action returned; None until then."""
        return self._now().get("result")

    @property
    def output(self) -> str | None:
        """The end of its log, once it has ended."""
        return self._now().get("output")

    @property
    def attempt(self) -> int:
        """How many times an executor took it."""
        return int(self._now().get("attempt") or 0)

    def refresh(self) -> "JobHandle":
        """Reads the document; returns this handle.

        Raises:
            NotFound: the job was deleted.
        """
        self._document = self._client.document(self.id)
        return self

    def changes(self, timeout: float | None = None) -> Iterator["JobHandle"]:
        """Yields this handle now and after each change, until the job is final.

        Args:
            timeout: seconds; None waits for as long as it takes.

        Raises:
            TimeoutError: the job was not final in time. It goes on.
            NotFound: the job was deleted.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self._document = self._client.document(self.id, until=_late(deadline))
        yield self
        while not is_final(self._read()["state"]):
            before = self._read().get("updated")
            self._await(deadline, before)
            if self._read().get("updated") != before:
                yield self

    def wait(self, timeout: float | None = None) -> Any:
        """Waits for the end and returns the result.

        Args:
            timeout: seconds; None waits for as long as it takes.

        Raises:
            JobFailed: the job failed; the message says why.
            JobCanceled: the job was canceled.
            TimeoutError: the job was not final in time. It goes on.
            NotFound: the job was deleted.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        parked, told = UNBEGUN, False
        while self._document is None or not is_final(self._document["state"]):
            self._await(deadline, None, parked)
            parked, told = PARKED, told or self._tell_if_no_slot_is_free(_late(deadline))
        return self._verdict()

    def cancel(self) -> "JobHandle":
        """Cancels the job; does nothing when it is canceled already.

        Raises:
            Conflict: it has ended otherwise.
            Forbidden: you may not.
        """
        self._document = self._client.cancel(self.id)._read()
        return self

    def logs(self, follow: bool = False) -> Iterator[LogLine]:
        """The lines of the job's log; with ``follow`` also those to come, until the job is final."""
        after: str | None = None
        while True:
            page = self._client.logs(self.id, after=after, wait=PARKED if follow else 0.0)
            yield from page.lines
            after = page.next
            if page.end or not (page.lines or follow):
                return

    def children(self, filter: str | None = None) -> "Iterator[JobHandle]":
        """The jobs whose parent this one is, the older first; they are asked for page by page.

        Args:
            filter: only those that match, such as ``state='FAILED'``.
        """
        mine = f"parent-job='{self.id}'" + (f" and ({filter})" if filter else "")
        for document in self._client.each("job", mine):
            yield JobHandle(self._client, document["id"], document)

    def events(self) -> list[Event]:
        """The job's history, oldest first."""
        return self._client.events(self.id)

    def explain(self) -> Explanation:
        """Why the job is where it is."""
        return self._client.explain(self.id)

    def _read(self) -> dict[str, Any]:
        assert self._document is not None
        return self._document

    def _now(self) -> dict[str, Any]:
        if self._document is None or not is_final(self._document["state"]):
            self.refresh()
        return self._read()

    def _tell_if_no_slot_is_free(self, until: float | None) -> bool:
        """Log why the job does not begin, if all slots are busy: perhaps with the action that waits for it."""
        if self._read()["state"] != State.QUEUED:
            return False
        try:
            found = self._client.explain(self.id, until=until)
        except JobEngineError:  # Nuvla's server explains nothing
            return True
        stuck = 0 < found.slots <= found.busy and all(term.met for term in found.terms)
        if stuck:
            log.warning(
                "%s (%s) does not begin: all %d slots for it are busy. An action that waits for another job keeps its "
                "own slot meanwhile; if that is the last one, both wait for ever: give the executor more --threads",
                self.id, self.action, found.slots,
            )  # fmt: skip
        return stuck

    def _await(self, deadline: float | None, updated: str | None, parked: float = PARKED) -> None:
        left = parked if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"{self.id} is not final yet; it goes on: job-engine show {self.id}")
        self._document = self._client.wait_for(self.id, min(left, parked), updated=updated, until=_late(deadline))

    def _verdict(self) -> Any:
        document = self._read()
        if document["state"] == State.SUCCESS:
            return document.get("result")
        why = in_short(document.get("status-message")) or "without a message"
        name = f"{self.id} ({document.get('action')})"
        if document["state"] == State.CANCELED:
            raise JobCanceled(f"{name} was canceled: {why}", self)
        raise JobFailed(f"{name} failed: {why}", self)


def _late(deadline: float | None) -> float | None:
    return None if deadline is None else deadline + LATE


def job_id(job: str | Identified) -> str:
    """``job/UUID`` of what people give as an id.

    Raises:
        Invalid: it can be none.
    """
    if not isinstance(job, str):
        return job.id
    match = _ID.fullmatch(job.strip())
    if match is None:
        raise Invalid(f"{job!r} is not the id of a job, such as job/0193a5e2-...")
    return f"job/{match[1]}"

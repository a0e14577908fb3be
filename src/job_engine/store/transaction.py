"""One transaction on the record: what verbs write through, and what it tells the rest of the server afterwards."""

import sqlite3
import time
from asyncio import Future
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from job_engine.job.times import iso
from job_engine.store import access
from job_engine.store.claim_numbers import ClaimNumber
from job_engine.store.holds import Holds

KNOWN_ACLS: Final = 1000
"""ACLs whose numbers are known at a time: jobs share a handful, but each session has one of its own."""
KNOWN_CHARACTERS: Final = 4096
"""Characters of the longest ACL whose number is known."""

_last_event = 0


class Transaction:
    """What a verb gets: the connection, one point in time for all it writes, and notes for after the commit."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        acls: dict[str, int],
        claim_number: ClaimNumber,
        holds: dict[str, Holds] | None = None,
        now: float | None = None,
    ) -> None:
        self.connection = connection
        self.execute = connection.execute
        self.executemany = connection.executemany
        self.now = time.time() if now is None else now
        self.iso = iso(self.now)
        self.claim_number = claim_number  # as in its SQL
        self.holds = {} if holds is None else holds  # of executors whose holds are known without a look
        self._acls = acls
        self._events: list[tuple[int, int, str, int | None, str | None, str | None, str | None]] = []
        self.changed: list[str] = []  # ids of the jobs that this transaction changed
        self.added: set[str] = set()  # actions of the jobs that it added, or whose wait is over
        self.ready = False  # whether a job became ready to be claimed
        self.ended: set[str] = set()  # holders of whose holds one was ended by somebody else
        self.lacked: set[str] = set()  # actions for which an executor's claims were refused, because it lacks them
        self.foreign: set[str] = set()  # actions of jobs that an executor of another kind began to run
        self.blocked: set[str] = set()  # holders because of whom claims of others were refused
        self.settles = False  # whether jobs have ended for which others wait
        self.canceled: list[str] = []  # ids of bulk jobs that it canceled, whose children are to be canceled too
        self.monitored = False  # whether there may be another bulk job that waits for its children
        self.wakes: float | None = None  # when the first of the jobs that now wait becomes ready
        self.answers: list[tuple[Future[Any], Any]] = []  # parked requests that this transaction answers
        self.committed: list[Callable[[], object]] = []  # called in the writer thread once it is on disk

    def event(
        self,
        job: int,
        kind: str,
        attempt: int | None = None,
        detail: str | None = None,
        holder: str | None = None,
        claimed: str | None = None,
    ) -> None:
        """Append to the history of job number ``job``; the end of an attempt with who held it since when."""
        global _last_event  # the one clock of the history: no two events of the process share a microsecond
        _last_event = max(_last_event + 1, int(self.now * 1e6))
        self._events.append((job, _last_event, kind, attempt, holder, claimed, detail))

    def flush(self) -> None:
        """Write the events so far; called before the commit, and by who looks for one before."""
        if self._events:
            self.executemany(
                "insert into event (job, at, kind, attempt, holder, claimed, detail) select job,"
                " max(at, coalesce((select max(e.at) + 1 from event e where e.job = new.job), 0)),"
                " kind, attempt, holder, claimed, detail from (select ? as job, ? as at, ? as kind, ? as attempt,"
                " ? as holder, ? as claimed, ? as detail) new",
                self._events,
            )
            self._events = []

    def end_hold(self, holder: str) -> None:
        """Note that a hold of ``holder`` was ended by somebody else, who tells it."""
        self.ended.add(holder)
        self.holds.pop(holder, None)

    def wake_at(self, at: float) -> None:
        """Have waiting jobs looked at no later than ``at`` (seconds since the epoch)."""
        self.wakes = at if self.wakes is None else min(self.wakes, at)

    def acl(self, acl: dict[str, list[str]]) -> int:
        """The number of a normalised ACL, which is kept once however many documents have it."""
        document = msgspec.json.encode(acl, order="sorted").decode()
        number = self._acls.get(document)
        if number is None:
            row = self.execute("select id from acl where document = ?", (document,)).fetchone()
            if row is None:
                row = self.execute("insert into acl (document) values (?) returning id", (document,)).fetchone()
                self.executemany(
                    "insert into access (acl, principal, level) values (?, ?, ?)",
                    [(row[0], who, level) for who, level in access.seen_by(acl).items()],
                )
            number = int(row[0])
            if len(document) <= KNOWN_CHARACTERS:
                if len(self._acls) >= KNOWN_ACLS:
                    self._acls.clear()
                self._acls[document] = number
        return number

    def merge(self, part: "Transaction") -> None:
        """Take over the notes of another transaction, for one telling of both."""
        self.changed += part.changed
        self.added |= part.added
        self.ready |= part.ready
        self.ended |= part.ended
        self.lacked |= part.lacked
        self.foreign |= part.foreign
        self.blocked |= part.blocked
        self.canceled += part.canceled
        self.monitored |= part.monitored
        self.answers += part.answers


def marks(values: Iterable[Any]) -> str:
    """As many placeholders as there are ``values``."""
    return ",".join("?" for _ in values)

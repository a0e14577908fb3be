"""A record in memory, and the verbs' transactions on it."""

import sqlite3
import time
from collections.abc import Callable

from job_engine.job.document import NewJob, new_job
from job_engine.store import jobs, schema
from job_engine.store.grants import held
from job_engine.store.holds import Holds
from job_engine.store.transaction import Transaction

ACL = {"owners": ["user/jane"], "edit-acl": ["group/nuvla-admin"], "view-meta": ["group/nuvla-admin"]}


class Record:
    """Transactions on one database; ``now`` moves only when a test moves it."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        schema.prepare(self.connection)
        self.now = time.time()
        self.acls: dict[str, int] = {}
        self.holds: dict[str, Holds] = {}
        self.era = 0  # so the number of a claim is that of its attempt
        self.connection.create_function("claim_number", 2, self._claim_number)

    def _claim_number(self, seq: int, attempt: int) -> int:
        return self.era + attempt

    def __call__(self) -> Transaction:
        return Transaction(self.connection, self.acls, self._claim_number, self.holds, self.now)

    def put_back(self, backup: sqlite3.Connection) -> None:
        """Go on with ``backup``, as after a start of the server."""
        self.connection.close()
        self.connection = backup
        self.connection.create_function("claim_number", 2, self._claim_number)
        self.acls.clear()
        self.holds.clear()
        self.era += 1 << 10

    def job(self, **attributes: object) -> NewJob:
        sent = {"action": "noop", **{name.replace("_", "-"): value for name, value in attributes.items()}}
        return new_job(sent, created_by="user/jane", acl=ACL, now=self.now)

    def do(self, verb: Callable[..., object], *arguments: object) -> object:
        """One verb in a transaction of its own, with what a store does before its commit."""
        tx = self()
        answer = verb(tx, *arguments)
        if tx.settles:
            jobs.settle(tx)
        tx.flush()
        for holder, holds in self.holds.items():
            assert holds == held(tx, holder)
        return answer

    def one(self, sql: str, *arguments: object) -> tuple[object, ...]:
        row: tuple[object, ...] = self.connection.execute(sql, arguments).fetchone()
        return row

    def events(self, seq: int) -> list[tuple[str, int | None]]:
        rows = self.connection.execute("select kind, attempt from event where job = ? order by at", (seq,))
        return [(kind, attempt) for kind, attempt in rows]

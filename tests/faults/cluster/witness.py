"""What the record itself saw, in its own order: triggers in its database note each claim and each write.

They are part of the transactions that they witness, so what they tell is exactly what was accepted, and when: no clock
has to be trusted, and no code of the engine's.
"""

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from job_engine.client.responses import Event
from job_engine.store import documents

_TRIGGERS = """
create table witness (
    n integer primary key autoincrement, job integer, attempt integer, state text, holder text, kind text, said text
);
create trigger saw_claim after update of attempt on job when new.attempt <> old.attempt begin
    insert into witness (job, attempt, state, holder, kind, said)
    values (new.seq, new.attempt, new.state, new.holder, 'claim', old.state);
end;
create trigger saw_state after update of state on job when new.state <> old.state begin
    insert into witness (job, attempt, state, holder, kind, said)
    values (new.seq, new.attempt, new.state, new.holder, 'state', old.state);
end;
create trigger saw_message after update of message on job when new.message is not old.message begin
    insert into witness (job, attempt, state, holder, kind, said)
    values (new.seq, new.attempt, new.state, new.holder, 'message', new.message);
end;
create trigger saw_result after update of result on job when new.result is not old.result begin
    insert into witness (job, attempt, state, holder, kind, said)
    values (new.seq, new.attempt, new.state, new.holder, 'result', new.result);
end;
create trigger saw_checkpoint after insert on checkpoint begin
    insert into witness (job, attempt, state, holder, kind, said)
    select seq, attempt, state, holder, 'checkpoint', new.value from job where seq = new.job;
end;
"""
_SAID = re.compile(r"attempt (\d+) pid (\d+) step (\d+)")
BUSY = 30
"""Seconds to wait for the server's own transaction."""


class Writer(NamedTuple):
    """Who says that he wrote something, and which of his steps it was."""

    attempt: int
    pid: int
    step: int


class Seen(NamedTuple):
    """A claim, a change of state, or a write, with what the job was at that moment."""

    n: int
    job: str
    attempt: int
    state: str
    holder: str | None
    kind: str
    said: str

    @property
    def writer(self) -> Writer | None:
        """Of a write by an action."""
        if self.kind in ("checkpoint", "result"):
            value = json.loads(self.said)
            return Writer(value["attempt"], value["pid"], value["step"])
        match = _SAID.fullmatch(self.said) if self.kind == "message" else None
        return Writer(*map(int, match.groups())) if match else None


def begin(record: Path) -> None:
    """Have the record of a server, which may run, witness what happens to it."""
    connection = sqlite3.connect(record, timeout=BUSY)
    connection.executescript(f"begin immediate; {_TRIGGERS} commit;")
    connection.close()


def seen(record: Path) -> list[Seen]:
    """All of it, in its order."""
    connection = sqlite3.connect(record, timeout=BUSY)
    rows = connection.execute(
        "select n, id, witness.attempt, witness.state, witness.holder, kind, said from witness"
        " left join job on job.seq = witness.job order by n"
    ).fetchall()
    connection.close()
    return [Seen._make(row) for row in rows]


def told(record: Path) -> Iterator[tuple[dict[str, Any], list[Event]]]:
    """Each job and its history, as the API answers them; thousands of requests would take longer than the run."""
    connection = sqlite3.connect(record, timeout=BUSY)
    ids = [id_ for (id_,) in connection.execute("select id from job")]
    for job in documents.jobs(connection, ids, None):
        yield job.document, [Event(**event) for event in documents.events(connection, job)]
    connection.close()

"""What a holder says of a job that goes on."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

from job_engine.job.attend import Write
from job_engine.job.attributes import ATTRIBUTES, checked
from job_engine.job.errors import Invalid
from job_engine.job.states import State
from job_engine.job.times import iso
from job_engine.store.attributes import COLUMNS, REQUIRED, set_attributes
from job_engine.store.holds import Holds
from job_engine.store.transaction import Transaction

LOG_LIMIT: Final = 20_000
"""Lines of log that one attempt may leave in the record, whatever its executor sends."""
LATE: Final = 10
"""Of so many of a job's last attempts a log that comes late is kept."""

_log = logging.getLogger(__name__)


def write(tx: Transaction, holds: Holds, writes: Iterable[Write]) -> None:
    """Apply what a holder says of its jobs, each by its claim in ``holds``, which was read in this transaction."""
    for item in writes:
        moved = item.checkpoint is not None
        if item.started is not None:
            tx.execute(
                "update job set begun = attempt, started = ?, updated = ? where seq = ?",
                (iso(item.started), tx.iso, item.seq),
            )
        if item.checkpoint is not None:
            tx.execute(
                "insert or replace into checkpoint (job, value) values (?, ?)",
                (item.seq, bytes(item.checkpoint).decode()),
            )
        if item.changes and (changes := _sound(holds[item.seq].id, item.changes)):
            before = tx.execute("select progress from job where seq = ?", (item.seq,)).fetchone()
            moved = moved or changes.get("progress", 0) > before[0]
            set_attributes(tx, item.seq, changes)
        if moved:
            tx.execute("update job set deaths = 0 where seq = ? and deaths > 0", (item.seq,))
        if item.started is None:  # who writes has begun, though an executor tells that of what lasts a while only
            tx.execute("update job set begun = attempt where seq = ? and begun < attempt", (item.seq,))
        _write_log(tx, item, holds[item.seq].attempt)
        tx.changed.append(holds[item.seq].id)


def write_late(tx: Transaction, writes: Iterable[Write]) -> None:
    """Keep the log of attempts whose hold has ended, and nothing else: a cancel ends a hold before its action ends."""
    for item in writes:
        found = tx.execute("select id, attempt, claim from job where seq = ?", (item.seq,)).fetchone()
        if found is None or not item.log:
            continue
        id_, last, claim = found
        earlier = range(last - 1, max(0, last - LATE), -1)  # claims of this opening of the record
        attempts = [last] if item.claim == claim else [n for n in earlier if tx.claim_number(item.seq, n) == item.claim]
        for attempt in attempts:
            _write_log(tx, item, attempt)
            tx.changed.append(id_)


def _write_log(tx: Transaction, item: Write, attempt: int) -> None:
    if item.log:
        tx.executemany(
            "insert or ignore into log (job, attempt, n, at, level, text) values (?, ?, ?, ?, ?, ?)",
            [(item.seq, attempt, *line) for line in item.log if line[0] <= LOG_LIMIT],
        )


def _sound(id_: str, changes: Mapping[str, object]) -> dict[str, Any]:
    """Those of the changes that a job can have: executors check theirs, but whatever is in the record has effects on
    everybody, and one bad value must not keep the rest of an exchange from being heard."""
    sound = {}
    for name, value in changes.items():
        try:
            if name == "state" and value == State.RUNNING:
                continue  # it is
            attribute = ATTRIBUTES.get(name)
            if name == "state" or (attribute is not None and not attribute.at_edit and name not in COLUMNS):
                raise Invalid(f"attribute {name!r} is not its executor's to change", name)
            if value is None and name in REQUIRED:
                raise Invalid(f"attribute {name!r} does not satisfy defined schema: a job needs one", name)
            sound[name] = None if value is None and attribute is not None else checked(name, value)
        except Invalid as error:
            _log.warning("%s: what its executor says is left out: %s", id_, error)
    return sound

"""What the record remembers of itself, by name."""

import sqlite3
from typing import Final

from job_engine.store.transaction import Transaction

RECORD: Final = "record"
"""The identity of this record, the same in its copies."""
LONGEST_SESSION: Final = "longest-session"
"""The longest session timeout that an executor ever had, in seconds: that long one may believe in its holds."""
CHECKED: Final = "checked"
"""When somebody last tried whether the record can be written."""
USED: Final = "used "
"""Before the number of a sign-in link that was used; when it expires."""
LACKED: Final = "lacked "
"""Before the name of an action: an executor was refused a job of it, because it lacks it; since when."""

SECRET: Final = "secret "
"""Before the name of an action: the arguments that it declares secret, as JSON, also while no executor has it."""


def once(tx: Transaction, name: str, value: str) -> str:
    """The setting's value; ``value`` becomes it if there is none yet."""
    tx.execute("insert or ignore into setting (name, value) values (?, ?)", (name, value))
    return str(tx.execute("select value from setting where name = ?", (name,)).fetchone()[0])


def forget(tx: Transaction, name: str) -> None:
    """Remove a setting."""
    tx.execute("delete from setting where name = ?", (name,))


def use(tx: Transaction, number: str, expires: float) -> bool:
    """Whether something that is good once is used for the first time; remembered until it expires.

    Args:
        number: no other thing has it.
        expires: seconds since the epoch.
    """
    tx.execute("delete from setting where name glob ? and cast(value as real) < ?", (f"{USED}*", tx.now))
    return (
        tx.execute(
            "insert or ignore into setting (name, value) values (?, ?)", (f"{USED}{number}", repr(expires))
        ).rowcount
        > 0
    )


def note_check(tx: Transaction) -> None:
    """Note that the record was checked now: a write that changes nothing else."""
    tx.execute("insert or replace into setting (name, value) values (?, ?)", (CHECKED, tx.iso))


def raise_to(tx: Transaction, name: str, value: float) -> None:
    """Make ``value`` the setting's, unless it has a greater one."""
    tx.execute(
        "insert into setting (name, value) values (?, ?) on conflict (name) do update set value = excluded.value"
        " where cast(value as real) < cast(excluded.value as real)",
        (name, repr(value)),
    )


def put(tx: Transaction, name: str, value: str) -> None:
    """Make ``value`` the setting's."""
    tx.execute("insert or replace into setting (name, value) values (?, ?)", (name, value))


def beginning(connection: sqlite3.Connection, prefix: str) -> dict[str, str]:
    """The values of the settings whose names begin so, by what follows."""
    rows = connection.execute(
        "select substr(name, ?), value from setting where substr(name, 1, ?) = ?",
        (len(prefix) + 1, len(prefix), prefix),
    )
    return dict(rows.fetchall())


def text(connection: sqlite3.Connection, name: str) -> str:
    """The setting's value, or nothing."""
    row = connection.execute("select value from setting where name = ?", (name,)).fetchone()
    return "" if row is None else str(row[0])


def number(connection: sqlite3.Connection, name: str) -> float:
    """The setting's value, or 0."""
    return float(text(connection, name) or 0)

"""What the record remembers of itself, by name."""

from job_engine.store.transaction import Transaction


def once(tx: Transaction, name: str, value: str) -> str:
    """The setting's value; ``value`` becomes it if there is none yet."""
    tx.execute("insert or ignore into setting (name, value) values (?, ?)", (name, value))
    return str(tx.execute("select value from setting where name = ?", (name,)).fetchone()[0])

"""What ends with a user or a key: sessions, and the keys that were made with a key."""

from job_engine.store import resources
from job_engine.store.transaction import Transaction


def end_sessions(tx: Transaction, user: str, but: str | None = None) -> None:
    """End the user's sessions, except the one with the id ``but``."""
    for session in resources.indexed(tx, "session", "user", user):
        if session["id"] != but:
            resources.delete(tx, session["id"])


def end_sessions_of(tx: Transaction, key: str) -> None:
    """End the sessions that came from an API key."""
    for session in resources.indexed(tx, "session", "made-with", key):
        resources.delete(tx, session["id"])


def end_key(tx: Transaction, key: str) -> None:
    """Delete an API key, the sessions that came from it, and the keys that were made with it."""
    ending = [key]
    while ending:
        key = ending.pop()
        resources.delete(tx, key)
        end_sessions_of(tx, key)
        ending += [made["id"] for made in resources.indexed(tx, "credential", "made-with", key)]

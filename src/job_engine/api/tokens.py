"""Tokens of running jobs: with one, an action may do what the owner of its job may, until the attempt has ended.

A token is a signed name of a job and a claim; it is kept nowhere. What it is good for is looked up while it is used.
"""

import sqlite3
from collections.abc import Sequence

import msgspec

from job_engine.api import acl
from job_engine.store import documents, resources


def owner(connection: sqlite3.Connection, id_: str, claim: int) -> tuple[str, frozenset[str]] | None:
    """For whom the action of a job works, and with which claims; None: this claim does not hold the job any more.

    Of several owners the first counts. A user has the groups and roles of a login, unless disabled.
    """
    job = documents.job(connection, id_)
    if job is None or not held(job, claim):
        return None
    first = str(msgspec.json.decode(job.acl)["owners"][0])
    return first, acl.held(first, _granted(connection, first))


def held(job: documents.Job, claim: int | None) -> bool:
    """Whether this claim holds the job now."""
    return job.holder is not None and job.claim == claim


def _granted(connection: sqlite3.Connection, owner: str) -> Sequence[str]:
    """What a login of a job's owner, a user or a key, would give beside the owner's own claim."""
    document = resources.find(connection, owner) or {}
    user = document if owner.startswith("user/") else resources.find(connection, document.get("parent")) or {}
    if user.get("state") != "ACTIVE":
        return ()
    granted: Sequence[str] = document.get("claims", {}).get("roles") or document.get("login-claims", ())
    return granted

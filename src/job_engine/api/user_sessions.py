"""The sessions of a user: listed and ended, by the user and by administrators."""

import sqlite3
import time
from typing import Final

from job_engine.api import endings
from job_engine.api.call import Call
from job_engine.api.identity import Caller
from job_engine.api.resources import find
from job_engine.api.responses import Json
from job_engine.job.times import epoch
from job_engine.store import resources
from job_engine.store.resources import Document
from job_engine.store.transaction import Transaction

SHOWN: Final = (
    "id", "created", "expiry", "method", "identifier", "client-ip", "active-claim", "made-with",
)  # fmt: skip


async def get(call: Call) -> Json:
    """``GET /api/user/UUID/sessions``: those that are good now, the newest first."""
    found = await call.api.search(call.caller, _of, call.id, call.caller)
    return Json({"count": len(found), "resources": found})


async def post_end(call: Call) -> Json:
    """``POST /api/user/UUID/end-sessions``: all end but the caller's own."""
    ended = await call.api.store.write(_end, call.id, call.caller)
    call.api.identities.forget_user(call.id)
    return Json({"status": 200, "message": f"{ended} sessions of {call.id} ended", "resource-id": call.id})


def _of(connection: sqlite3.Connection, user: str, caller: Caller) -> list[Document]:
    find(connection, user, caller, "edit-meta")
    now = time.time()
    found = [one for one in resources.having(connection, "session", "user", user) if epoch(one["expiry"]) > now]
    return [
        {"current": one["id"] == caller.session, **{name: one[name] for name in SHOWN if name in one}}
        for one in sorted(found, key=lambda one: str(one["id"]), reverse=True)
    ]


def _end(tx: Transaction, user: str, caller: Caller) -> int:
    ended = [one for one in _of(tx.connection, user, caller) if not one["current"]]
    endings.end_sessions(tx, user, but=caller.session)
    return len(ended)

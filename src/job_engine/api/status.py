"""How the server is: that it answers, and for administrators whether its record can be written."""

import time
from typing import Any

from job_engine.api import connections
from job_engine.api.call import Call
from job_engine.api.responses import Json
from job_engine.job.errors import Forbidden
from job_engine.job.times import iso
from job_engine.store import settings


async def get(call: Call) -> Json:
    """``GET /api/status``."""
    return Json(status(call))


async def post(call: Call) -> Json:
    """``POST /api/status``: a small write of an administrator's, which shows that the record can be written."""
    if not call.caller.admin:
        raise Forbidden("invalid credentials for 'status': it needs an administrator's")
    began = time.monotonic()
    await call.api.store.write(settings.note_check)
    return Json({**status(call), "write-seconds": round(time.monotonic() - began, 4)})


def status(call: Call) -> dict[str, Any]:
    """That the server is there; needs no login, so it says nothing of the jobs. Administrators also see why the
    record cannot be written, whose credentials were refused lately, and what was refused of connections.
    """
    api, caller = call.api, call.caller
    found = {
        "status": "ok",
        "version": api.settings.version,
        "started": iso(api.started),
        "now": iso(time.time()),
        "executors": len(api.executors.present),
    }
    if api.store.trouble and caller.admin:  # it may name a process
        found["trouble"] = api.store.trouble
    if api.queue is not None:
        found["queue"] = api.queue.status()
    if caller.admin:
        found["refused-logins"] = [
            {"name": name, "address": address, "count": count} for name, address, count in api.verifier.refused()
        ]
        found["refused-connections"] = connections.refused(call.scope)
    return found

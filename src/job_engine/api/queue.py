"""The queue, for people: how deep it is and who has taken what; with ZooKeeper also what was repaired."""

from typing import Any, Final, Protocol

from job_engine.api import acl
from job_engine.api.call import Call
from job_engine.api.responses import Json
from job_engine.job.errors import Forbidden, Invalid, NotFound
from job_engine.store import publishing, settings

FOR_ADMINS: Final = ("hosts", "path", "leader", "trouble")
"""What names machines and processes."""


class QueueView(Protocol):
    """The locking queue of a server that uses ZooKeeper."""

    def status(self) -> dict[str, Any]:
        """Whether ZooKeeper is there, and whether this server leads; for anybody."""

    async def shown(self) -> dict[str, Any]:
        """What is in it; what is known without ZooKeeper when that is away. Raises Unavailable.

        ``members`` are the sessions that use it; they are left out when ZooKeeper is away.
        """

    async def reconcile(self, dry_run: bool) -> list[dict[str, Any]]:
        """What was repaired, or would be. Raises Unavailable."""


async def get(call: Call) -> Json:
    """``GET /api/queue``; machines and processes are for administrators."""
    admin = call.caller.admin
    acl.demand(call.caller.claims, "queue", "query")
    depth = await call.api.search(call.caller, publishing.depth)
    shown: dict[str, Any] = {"depth": [{"priority": priority, "count": count} for priority, count in depth]}
    if call.api.queue is None:
        return Json({"zookeeper": None, **shown})
    found = await call.api.queue.shown()
    if not admin:
        found = {name: value for name, value in found.items() if name not in FOR_ADMINS}
    members = {executor.member: executor for executor in call.api.executors.present}
    if (there := found.pop("members", None)) is not None:
        found["absent"] = [
            {
                "executor": f"executor/{executor.id}",
                "name": executor.name if admin else executor.public_name,
                **({"host": executor.hello.host} if admin else {}),
            }
            for executor in call.api.executors.present
            if executor.hello is not None and executor.member not in there
        ]
    for taken in found.get("taken", ()):
        executor = members.get(taken["member"])
        if executor is not None:
            taken |= {"executor": f"executor/{executor.id}", "name": executor.name if admin else executor.public_name}
    return Json({**found, **shown})


async def post(call: Call) -> Json:
    """``POST /api/queue/reconcile``, with ``{"dry-run": true}`` to be told only."""
    if call.id != "queue/reconcile":
        raise NotFound(f"{call.id} not found")
    if not call.caller.admin:
        raise Forbidden("invalid credentials for 'queue': it needs an administrator's")
    asked = await call.json() or {}
    dry_run = asked.get("dry-run", False) if isinstance(asked, dict) else None
    if not isinstance(dry_run, bool):
        raise Invalid('write {"dry-run": true} or {"dry-run": false}')
    if call.api.queue is None:
        raise Invalid("this server uses no ZooKeeper, so there is no queue to reconcile: start it with --zk-hosts")
    if not dry_run:
        await call.api.store.write(settings.note_check)  # that somebody asked is in the audit, whatever comes of it
    return Json({"repairs": await call.api.queue.reconcile(dry_run)})

"""Executors: what they say, who they are, and the actions that they can run."""

import asyncio
from typing import Any, Final

import msgspec

from job_engine.api import acl, connections
from job_engine.api.call import IN_THREAD, Call
from job_engine.api.connections import Rank
from job_engine.api.identity import Caller
from job_engine.api.responses import Json
from job_engine.api.state import ApiState
from job_engine.job.attend import Answer, Attend
from job_engine.job.attributes import PAYLOAD_LIMIT
from job_engine.job.errors import UNREADABLE, Forbidden, Invalid
from job_engine.job.nesting import DEPTH_LIMIT, bounded
from job_engine.job.nodes import MANY_LIMIT, limited
from job_engine.job.times import iso

NAME_LIMIT: Final = 100
"""Characters of an executor's own id."""

_decode = msgspec.json.Decoder(Attend).decode
_encode = msgspec.json.Encoder().encode


async def attend(call: Call) -> Json:
    """``POST /api/executor/UUID/attend``."""
    if not acl.may(call.caller.claims, "executor", "attend"):
        raise Forbidden(
            f"invalid credentials for '{call.id}': an executor needs the role executor, or those of an administrator"
        )
    call.demand_certificate()
    if len(call.id) > NAME_LIMIT:
        raise Invalid(f"the id of an executor has at most {NAME_LIMIT} characters")
    connections.rank(call.scope, Rank.EXECUTOR)
    body = await call.body()
    try:
        said = _said(body) if len(body) < IN_THREAD else await asyncio.to_thread(_said, body)
    except UNREADABLE as error:
        raise Invalid(f"this is not an attend: {error}") from None
    id_ = call.id.partition("/")[2]
    gone = asyncio.create_task(_leave(call, id_)) if said.wait > 0 else None
    try:
        answer: Answer = await call.api.executors.attend(id_, said)
    finally:
        if gone is not None:
            gone.cancel()
    return Json(_encode(answer))


def _said(body: bytes) -> Attend:
    said = _decode(limited(body, "the attend", MANY_LIMIT))
    if len(body) > DEPTH_LIMIT:  # else nothing in it is deep
        for end in said.finished:
            _check(end.result, "the result")
        for write in said.writes:
            _check(write.checkpoint, "the checkpoint")
    return said


def _check(value: Any, what: str) -> None:
    """Raises Invalid if this JSON of an executor costs more than a document may."""
    if value is not None and len(bounded(bytes(value), what)) > PAYLOAD_LIMIT:
        raise Invalid(f"{what} has more than {PAYLOAD_LIMIT} bytes")


async def _leave(call: Call, id_: str) -> None:
    """When the connection of a parked attend is gone, so that a dead executor is granted nothing."""
    await call.disconnected()
    call.api.executors.leave(id_)


def executors(api: ApiState, caller: Caller) -> list[dict[str, Any]]:
    """The executors that are there, as documents; hosts, processes and what does not load are for administrators."""
    now = asyncio.get_running_loop().time()
    shown = []
    for executor in api.executors.present:
        document: dict[str, Any] = {
            "id": f"executor/{executor.id}",
            "resource-type": "executor",
            "since": iso(executor.since),
            "heard": round(now - executor.heard, 3),
            "holds": executor.holds,
        }
        if executor.member:
            document["member"] = executor.member
        if executor.clock_ahead is not None:
            document["clock-ahead"] = round(executor.clock_ahead, 1)
        if executor.hello is not None:
            hello = executor.hello
            document |= {
                "name": hello.name if caller.admin else executor.public_name,
                "version": hello.version,
                "processes": hello.processes,
                "slots": hello.slots,
                "actions": hello.actions,
            }
            if caller.admin:
                document |= {"host": hello.host, "pid": hello.pid, "failed-imports": hello.failed_imports}
            if hello.session_timeout:
                document["session-timeout"] = hello.session_timeout
        shown.append(document)
    return shown


def actions(api: ApiState, caller: Caller) -> list[dict[str, Any]]:
    """The actions that somebody there can run, as documents; what is told of one is what the first to have it tells.

    The files in which they are defined are for administrators.
    """
    found: dict[str, dict[str, Any]] = {}
    for executor in api.executors.present:
        hello = executor.hello
        for name in hello.actions if hello else ():
            if name not in found:
                found[name] = {"id": f"action/{name}", "resource-type": "action", "name": name, "executors": []}
            found[name]["executors"].append(f"executor/{executor.id}")
            if hello is not None and name in hello.details:
                found[name] = msgspec.to_builtins(hello.details[name]) | found[name]
                if not caller.admin:
                    found[name].pop("file", None)
    return [found[name] for name in sorted(found)]

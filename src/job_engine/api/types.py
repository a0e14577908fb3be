"""The table of what the API serves: by type, by method; a later type is a line here and a module beside."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from job_engine.api import (
    acl,
    credentials,
    declared,
    distributions,
    entry_point,
    executors,
    groups,
    job_changes,
    job_cleanup,
    job_follow,
    job_views,
    jobs,
    metadata,
    queue,
    resources,
    sessions,
    status,
    user_changes,
    user_sessions,
    users,
)
from job_engine.api.audited import watched
from job_engine.api.call import Call
from job_engine.api.declared_types import DeclaredType
from job_engine.api.dispatch import Handler, Type
from job_engine.api.parameters import asked
from job_engine.api.responses import Json
from job_engine.job.errors import JobEngineError, NotFound


def _in_memory(type_: str, documents: Any) -> Type:
    """A read-only type whose documents, as a caller sees them, are made of what is in memory."""

    async def many(call: Call) -> Json:
        acl.demand(call.caller.claims, type_, "query")
        wanted = await asked(call)
        return Json(resources.listed(type_, documents(call.api, call.caller), call.caller, wanted))

    async def one(call: Call) -> Json:
        acl.demand(call.caller.claims, type_, "query")
        for document in documents(call.api, call.caller):
            if document["id"] == call.id:
                return Json(document)
        raise NotFound(f"{call.id} not found")

    actions = {"attend": {"POST": executors.attend}} if type_ == "executor" else {}
    return Type({"GET": many, "PUT": many}, {"GET": one}, actions)


def _either(handler: Handler) -> dict[str, Handler]:
    """What is asked for by GET and by POST: the Python client calls every operation by POST, and Nuvla takes both."""
    return {"GET": handler, "POST": handler}


def _declared(type_: DeclaredType) -> Type:
    get_many = partial(resources.get_many, plain=type_)
    many = {"GET": get_many, "PUT": get_many, "POST": partial(declared.post, type_)}
    one: dict[str, Handler] = {
        "GET": partial(resources.get_one, plain=type_),
        "PUT": partial(declared.put, type_),
        "DELETE": watched(f"{type_.name}.delete", resources.delete),
    }
    if type_.bulk:
        one["PATCH"] = partial(declared.operate_on_many, type_)
    return Type(many, one, {name: _either(partial(declared.operate, type_)) for name in type_.operations})


def served(types: Mapping[str, DeclaredType]) -> Mapping[str, Type]:
    """The table of a server that has these types beside the engine's own.

    Raises:
        JobEngineError: one has the name of an own one.
    """
    for type_ in types.values():
        if type_.name in TYPES:
            raise JobEngineError(f"{type_.origin}: [{type_.name}] is a type of the engine itself; choose another name")
    return {**TYPES, **{name: _declared(type_) for name, type_ in types.items()}}


TYPES: Final[Mapping[str, Type]] = {
    "cloud-entry-point": Type({"GET": entry_point.get}),
    "job": Type(
        {
            "GET": job_views.get_many,
            "PUT": job_views.get_many,
            "POST": jobs.post,
            "DELETE": watched("job.bulk-delete", job_cleanup.delete_many),
        },
        {"GET": job_views.get_one, "PUT": job_changes.put, "DELETE": watched("job.delete", job_changes.delete)},
        {
            "cancel": {"POST": watched("job.cancel", job_changes.post_cancel)},
            "timeout": {"POST": watched("job.timeout", job_changes.post_timeout)},
            "retry": {"POST": watched("job.retry", job_changes.post_retry)},
            "token": {"POST": job_changes.post_token},
            "get-context": _either(job_changes.post_context),
            "wait": _either(job_follow.get_wait),
            "log": _either(job_follow.get_log),
            "events": _either(job_follow.get_events),
            "explain": _either(job_follow.get_explain),
        },
    ),
    "session": Type(
        {"GET": resources.get_many, "PUT": resources.get_many, "POST": watched("session.add", sessions.post)},
        {
            "GET": resources.get_one,
            "DELETE": watched("session.delete", resources.delete),
            "POST": watched("session.sign-in-link", sessions.post_to_one),
        },
        {"switch-group": {"POST": watched("session.switch-group", sessions.switch_group)}},
    ),
    "credential": Type(
        {"GET": resources.get_many, "PUT": resources.get_many, "POST": watched("credential.add", credentials.post)},
        {"GET": resources.get_one, "DELETE": watched("credential.delete", resources.delete)},
    ),
    "user": Type(
        {"GET": resources.get_many, "PUT": resources.get_many, "POST": watched("user.add", users.post)},
        {
            "GET": resources.get_one,
            "PUT": watched("user.edit", user_changes.put),
            "DELETE": watched("user.delete", user_changes.delete),
        },
        {
            "sessions": {"GET": user_sessions.get},
            "end-sessions": {"POST": watched("user.end-sessions", user_sessions.post_end)},
        },
    ),
    "group": Type(
        {"GET": resources.get_many, "PUT": resources.get_many, "POST": watched("group.add", groups.post)},
        {
            "GET": resources.get_one,
            "PUT": watched("group.edit", groups.put),
            "DELETE": watched("group.delete", groups.delete),
        },
    ),
    "distribution": Type(
        {"GET": resources.get_many, "PUT": resources.get_many},
        {
            "GET": resources.get_one,
            "DELETE": watched("distribution.delete", resources.delete),
            "POST": distributions.post_to_one,
        },
        {
            "tick": {"POST": distributions.tick},
            **{
                name: {"POST": watched(f"distribution.{name}", distributions.operate)}
                for name in ("pause", "resume", "run")
            },
        },
    ),
    "audit-event": Type({"GET": resources.get_many, "PUT": resources.get_many}, {"GET": resources.get_one}),
    "executor": _in_memory("executor", executors.executors),
    "action": _in_memory("action", executors.actions),
    "resource-metadata": _in_memory("resource-metadata", lambda api, caller: [metadata.document()]),
    "status": Type({"GET": status.get, "POST": status.post}),
    "queue": Type({"GET": queue.get}, {"POST": watched("queue.reconcile", queue.post)}),
    "stream": Type({"GET": job_follow.get_stream}),
}
"""The types of the engine itself."""

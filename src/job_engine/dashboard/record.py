"""Requests of the pages to the API, within the process: the same rights and responses as for other callers."""

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.types import Message
from uuid_utils import uuid7

from job_engine.api.call import Call
from job_engine.api.dispatch import Type
from job_engine.dashboard.visitor import Visitor
from job_engine.job.errors import Forbidden, NotFound

_decode = msgspec.json.decode


async def get(visitor: Visitor, id_: str, action: str | None = None, **parameters: Any) -> Any:
    """What ``GET /api/ID[/ACTION]?PARAMETERS`` answers the visitor, with secret arguments masked.

    Raises:
        JobEngineError: what the API answers with another status.
    """
    return await _ask(visitor, "GET", id_, action, {**parameters, "secrets": "mask"})


async def post(visitor: Visitor, id_: str, action: str, key: str | None = None) -> Any:
    """What ``POST /api/ID/ACTION`` answers the visitor.

    Args:
        key: what is added under it is added once.
    """
    headers = {} if key is None else {b"idempotency-key": key.encode("latin-1", "replace")}
    return await _ask(visitor, "POST", id_, action, {}, headers)


async def put(visitor: Visitor, id_: str, changes: dict[str, Any]) -> Any:
    """What ``PUT /api/ID`` answers the visitor."""
    return await _ask(visitor, "PUT", id_, None, {}, body=msgspec.json.encode(changes))


async def delete(visitor: Visitor, id_: str) -> Any:
    """What ``DELETE /api/ID`` answers the visitor."""
    return await _ask(visitor, "DELETE", id_, None, {})


async def name_of(visitor: Visitor) -> str:
    """What the visitor is called: by their name as a user, else by what they act as."""
    caller = visitor.caller
    if caller.active == caller.user:
        with suppress(Forbidden, NotFound):
            user: dict[str, str] = await get(visitor, caller.user)
            return user.get("name", "") or caller.user
    return caller.active.rpartition("/")[2]


def fresh_key() -> str:
    """A name for one add: a form that carries it adds one job, however often it is sent."""
    return str(uuid7())


async def _ask(
    visitor: Visitor,
    method: str,
    id_: str,
    action: str | None,
    parameters: dict[str, Any],
    headers: dict[bytes, bytes] | None = None,
    body: bytes = b"",
) -> Any:
    type_, _, uuid = id_.partition("/")
    served = visitor.api.types.get(type_, Type())
    methods = served.actions.get(action, {}) if action else served.one if uuid else served.collection
    if method not in methods:
        raise NotFound(f"{id_} has no {action or method}")
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    scope = {
        "type": "http",
        "method": method,
        "path": f"/api/{id_}{'/' if action else ''}{action or ''}",
        "query_string": query.encode(),
        "headers": [*(headers or {}).items()],
        "client": (visitor.address, 0),
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    answer = await methods[method](Call(visitor.api, scope, receive, headers or {}, id_, visitor.caller))
    return _decode(bytes(answer.body))

"""From a path to what serves it: CIMI's are all ``/api/TYPE[/UUID[/ACTION]]``.

A table lookup instead of a router's patterns, because one client's add is the path whose every microsecond shows.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from job_engine.api import connections
from job_engine.api.call import Call
from job_engine.api.connections import Rank
from job_engine.api.identity import Caller
from job_engine.api.responses import COMPRESSED, Json, Refused, compressed, of_error
from job_engine.job.errors import NotFound

if TYPE_CHECKING:
    from job_engine.api.state import ApiState

Handler = Callable[[Call], Awaitable[Response]]
Methods = Mapping[str, Handler]

PREFIX: Final = "/api/"
GUARDED: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Of each answer: a browser takes it for what it is, keeps it nowhere, and gives it to no other site's page."""
ENGINES: Final = ("executor/", "distribution/")
"""What executors and distributors call: who may tell, tells that they are some."""


@dataclass(frozen=True, slots=True)
class Type:
    """How one resource type is served: handlers by HTTP method."""

    collection: Methods = field(default_factory=dict)
    one: Methods = field(default_factory=dict)
    actions: Mapping[str, Methods] = field(default_factory=dict)


async def _options(call: Call) -> Response:
    """What may be asked of any path, as at Nuvla."""
    return Response(status_code=204, headers={"allow": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"})


async def _to_entry_point(call: Call) -> Response:
    """``/api/`` leads to the document that lists what there is; relative, whatever prefix stands before."""
    return Response(status_code=303, headers={"location": "cloud-entry-point"})


async def dispatch(api: "ApiState", scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one request to the API, as an ASGI application does."""
    headers = dict(scope["headers"])
    id_: str | None = None
    caller: Caller | None = None
    answer: Response
    try:
        id_, handler = _find(api.types, scope["method"], scope["path"])
        caller = api.identities.at_once(scope, headers)
        if caller is None:
            caller = await api.identities.look_up(headers)
        if caller.known and not id_.startswith(ENGINES):
            connections.rank(scope, Rank.KNOWN)
        answer = await handler(Call(api, scope, receive, headers, id_, caller))
        if type(answer) is Json and len(answer.body) >= COMPRESSED:
            answer = await compressed(answer, headers.get(b"accept-encoding", b""))
    except Exception as error:  # noqa: BLE001 - boundary: whatever a handler raises becomes an answer, logged there
        answer = of_error(error, id_, admin=caller is not None and caller.admin)
    answer.raw_headers += GUARDED
    await answer(scope, receive, send)


def _find(types: Mapping[str, Type], method: str, path: str) -> tuple[str, Handler]:
    parts = path[len(PREFIX) :].split("/")
    if method == "OPTIONS":
        return parts[0], _options
    if parts == [""]:
        return "", _to_entry_point
    type_ = types.get(parts[0])
    if type_ is None or len(parts) > 3:
        raise Refused(405, f"invalid method ({method.lower()}) for {path}")
    if len(parts) == 1 or not parts[1]:
        id_, methods = parts[0], type_.collection
    elif len(parts) == 2:
        id_, methods = f"{parts[0]}/{parts[1]}", type_.one
    else:
        id_, found = f"{parts[0]}/{parts[1]}", type_.actions.get(parts[2])
        if found is None:
            raise NotFound(f"undefined action ({parts[2]}) for {id_}")
        methods = found
    handler = methods.get(method) or (methods.get("GET") if method == "HEAD" else None)
    if handler is None:
        allowed = ", ".join(methods)
        raise Refused(405, f"invalid method ({method.lower()}) for {id_}", ((b"allow", allowed.encode()),))
    return id_, handler

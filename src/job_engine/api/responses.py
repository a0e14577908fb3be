"""What the API answers: JSON, and errors in the shape of CIMI."""

import gzip
import logging
from asyncio import to_thread
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from starlette.responses import Response

from job_engine.job.errors import Conflict, Forbidden, Invalid, JobEngineError, NotFound, Unavailable

log = logging.getLogger(__name__)

COMPRESSED: Final = 4096
"""Bytes from which an answer is compressed for who asks for it: below, the packet count is the same."""
IN_THREAD: Final = 256 << 10
"""Bytes from which compressing happens beside the event loop: about 2 ms of it."""
RETRY_AFTER: Final = 1
"""Seconds after which a client may try again what the record could not do."""

Header = tuple[bytes, bytes]
_encode = msgspec.json.Encoder().encode
_TYPE: Final = (b"content-type", b"application/json")


class Refused(JobEngineError):
    """The request cannot be served as HTTP: its status is not one that a domain error stands for."""

    def __init__(self, status: int, message: str, headers: Sequence[Header] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class Json(Response):
    """A JSON answer; ``value`` may be encoded already."""

    def __init__(self, value: Any, status: int = 200, headers: Sequence[Header] = ()) -> None:
        self.status_code = status
        self.background = None
        self.body = value if type(value) is bytes else _encode(value)
        self.raw_headers = [_TYPE, (b"content-length", b"%d" % len(self.body)), *headers]


def created(id_: str, **more: Any) -> Json:
    """201 for a new resource."""
    body = {"status": 201, "message": f"{id_} created", "resource-id": id_, **more}
    return Json(body, 201, ((b"location", id_.encode()),))


def deleted(id_: str, headers: Sequence[Header] = ()) -> Json:
    """200 for a resource that is gone."""
    return Json({"status": 200, "message": f"{id_} deleted", "resource-id": id_}, 200, headers)


def problem(status: int, message: str, resource: str | None = None, headers: Sequence[Header] = ()) -> Json:
    """An error as CIMI clients read it."""
    body: dict[str, Any] = {"status": status, "message": message}
    if resource is not None:
        body["resource-id"] = resource
    return Json(body, status, headers)


def of_error(error: Exception, resource: str | None = None, *, admin: bool = False) -> Json:
    """The answer for an exception; one that is not ours is logged, and its details stay here.

    Args:
        admin: whether it is for an administrator, who is told more.
    """
    match error:
        case Refused():
            return problem(error.status, error.message, resource, error.headers)
        case Invalid():
            return problem(400, error.message, resource)
        case Forbidden():
            return problem(403, error.message, resource)
        case NotFound():
            return problem(404, error.message, resource)
        case Conflict():
            return problem(409, error.message, resource)
        case Unavailable():
            message = error.for_admins if admin and error.for_admins else error.message
            return problem(503, message, resource, ((b"retry-after", b"%d" % RETRY_AFTER),))
        case _:
            log.error("a request failed unexpectedly", exc_info=error)
            return problem(500, "unexpected error in the server; its log says more", resource)


async def compressed(answer: Response, accept: bytes) -> Response:
    """``answer`` as gzip, if it is long and the client takes that."""
    if len(answer.body) < COMPRESSED or b"gzip" not in accept:
        return answer
    body = bytes(answer.body)
    packed = await to_thread(gzip.compress, body, 1) if len(body) > IN_THREAD else gzip.compress(body, 1)
    answer.body = packed
    answer.raw_headers = [
        *(header for header in answer.raw_headers if header[0] != b"content-length"),
        (b"content-length", b"%d" % len(packed)),
        (b"content-encoding", b"gzip"),
        (b"vary", b"accept-encoding"),
    ]
    return answer

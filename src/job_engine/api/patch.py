"""JSON Patch (RFC 6902) on a document.

What a patch costs is bounded by the sizes of the document and of the patch: its values are walked through once, and
copies inside the document are charged before they are made.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec

from job_engine.job.errors import Conflict, Invalid
from job_engine.job.nesting import shallow
from job_engine.job.nodes import at_most, limited

T = TypeVar("T")

MEDIA_TYPE: Final = b"application/json-patch+json"
OPERATIONS_LIMIT: Final = 1000
COPIES_LIMIT: Final = 16 << 20
"""Bytes that all copies of a patch may add: each can double the document."""
NODE_BYTES: Final = 160
"""Bytes that each value in a copy counts as at least: about what it takes in memory."""
PATCHED_LIMIT: Final = 16 << 20
"""Bytes that a document may have after a patch: as many as a request's body."""
TRIES: Final = 5
"""How often a patch is made on a document that others change meanwhile."""

_INDEX = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)


def apply(document: dict[str, Any], patches: Any) -> dict[str, Any]:
    """``document`` with ``patches`` applied, all or none; the argument is left as it is.

    Raises:
        Invalid: it is not a list of patches, or one of them fails.
    """
    if not isinstance(patches, list) or len(patches) > OPERATIONS_LIMIT:
        raise Invalid(f"the body is not a JSON patch: a list of at most {OPERATIONS_LIMIT} operations")
    result: Any = _copy(document)
    room = COPIES_LIMIT
    for index, patch in enumerate(patches):
        try:
            result, room = _apply(result, patch, room)
        except _FailedError as error:
            raise Invalid(f"patch {index} of {len(patches)} fails: {error}") from None
        except RecursionError:
            raise Invalid(f"patch {index} of {len(patches)} fails: a value is nested too deeply") from None
    if not isinstance(result, dict):
        raise Invalid("the patches leave no JSON object")
    shallow(result, "the patched document")
    if len(limited(msgspec.json.encode(result), "the patched document")) > PATCHED_LIMIT:
        raise Invalid(f"the patched document has more than {PATCHED_LIMIT} bytes")
    return result


async def unraced(id_: str, attempt: Callable[[], Awaitable[T | None]]) -> T:
    """What ``attempt`` answers, which makes a patch beside the writer and answers None if the document has changed
    meanwhile; then it is called again.

    Raises:
        Conflict: the document changed every time.
    """
    for _ in range(TRIES):
        if (answer := await attempt()) is not None:
            return answer
    raise Conflict(
        f"conflict with {id_}: others changed it each of the {TRIES} times that the patch was made; try again"
    )


class _FailedError(Exception):
    pass


def _copy(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def _apply(document: Any, patch: Any, room: int) -> tuple[Any, int]:
    """The document after one operation, and what is left of the ``room`` for copies."""
    if not isinstance(patch, dict):
        raise _FailedError("it is not an object")
    operation, path = patch.get("op"), _pointer(patch, "path")
    if operation in ("add", "replace", "test") and "value" not in patch:
        raise _FailedError("it has no value")
    match operation:
        case "add":
            return _add(document, path, _copy(patch["value"])), room
        case "remove":
            return _remove(document, path), room
        case "replace":
            _at(document, path)
            return _add(_remove(document, path), path, _copy(patch["value"])), room
        case "test":
            if not _same(_at(document, path), patch["value"]):
                raise _FailedError("the value differs")
            return document, room
        case "copy":
            copied = msgspec.json.encode(_at(document, _pointer(patch, "from")))
            room -= max(len(copied), NODE_BYTES * at_most(copied))
            if room < 0:
                raise _FailedError("the copies become too large")
            return _add(document, path, msgspec.json.decode(copied)), room
        case "move":
            source = _pointer(patch, "from")
            if path[: len(source)] == source and path != source:
                raise _FailedError("a value cannot be moved into itself")
            value = _at(document, source)
            return _add(_remove(document, source), path, value), room
        case _:
            raise _FailedError("its op is not one of add remove replace move copy test")


def _pointer(patch: dict[str, Any], name: str) -> list[str]:
    text = patch.get(name)
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise _FailedError(f"its {name} is not a JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _at(value: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and _INDEX.fullmatch(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            raise _FailedError(f"there is no {part[:60]!r}")
    return value


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _at(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list) and last == "-":
        parent.append(value)
    elif isinstance(parent, list) and _INDEX.fullmatch(last) and int(last) <= len(parent):
        parent.insert(int(last), value)
    else:
        raise _FailedError(f"{last[:60]!r} is no place for a value")
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        return None
    _at(document, path)
    parent, last = _at(document, path[:-1]), path[-1]
    del parent[last if isinstance(parent, dict) else int(last)]
    return document


def _same(left: Any, right: Any) -> bool:
    """Equal as JSON: true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(value, right[name]) for name, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)

"""JSON Patch (RFC 6902) on a document."""

import copy
import re
from typing import Any, Final

import msgspec

from job_engine.job.errors import Invalid

OPERATIONS_LIMIT: Final = 1000
COPIES_LIMIT: Final = 16 << 20
"""Bytes that all copies of a patch may add: each can double the document."""

_INDEX = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)


def apply(document: dict[str, Any], patches: Any) -> dict[str, Any]:
    """``document`` with ``patches`` applied, all or none; the argument is left as it is.

    Raises:
        Invalid: it is not a list of patches, or one of them fails.
    """
    if not isinstance(patches, list) or len(patches) > OPERATIONS_LIMIT:
        raise Invalid(f"the body is not a JSON patch: a list of at most {OPERATIONS_LIMIT} operations")
    result: Any = copy.deepcopy(document)
    room = COPIES_LIMIT
    for index, patch in enumerate(patches):
        try:
            result, used = _apply(result, patch)
        except (_FailedError, RecursionError) as error:
            raise Invalid(f"patch {index} of {len(patches)} fails: {error}") from None
        room -= used
        if room < 0:
            raise Invalid(f"patch {index} of {len(patches)} fails: the copies become too large")
    if not isinstance(result, dict):
        raise Invalid("the patches leave no JSON object")
    return result


class _FailedError(Exception):
    pass


def _apply(document: Any, patch: Any) -> tuple[Any, int]:
    """The document after one operation, and how many bytes were copied."""
    if not isinstance(patch, dict):
        raise _FailedError("it is not an object")
    operation, path = patch.get("op"), _pointer(patch, "path")
    if operation in ("add", "replace", "test") and "value" not in patch:
        raise _FailedError("it has no value")
    match operation:
        case "add":
            return _add(document, path, copy.deepcopy(patch["value"])), 0
        case "remove":
            return _remove(document, path), 0
        case "replace":
            _at(document, path)
            return _add(_remove(document, path), path, copy.deepcopy(patch["value"])), 0
        case "test":
            if not _same(_at(document, path), patch["value"]):
                raise _FailedError("the value differs")
            return document, 0
        case "copy":
            value = _at(document, _pointer(patch, "from"))
            return _add(document, path, copy.deepcopy(value)), len(msgspec.json.encode(value))
        case "move":
            source = _pointer(patch, "from")
            if path[: len(source)] == source and path != source:
                raise _FailedError("a value cannot be moved into itself")
            value = _at(document, source)
            return _add(_remove(document, source), path, value), 0
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
            raise _FailedError(f"there is no {part!r}")
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
        raise _FailedError(f"{last!r} is no place for a value")
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

"""What an action returns, as JSON.

Beside JSON's own types that is what msgspec knows: tuples, sets, dataclasses, ``msgspec.Struct``, enums, UUIDs, dates
(ISO 8601), Decimal and Path (text), bytes (base64). NaN and infinities become null, as in JavaScript: JSON has no
such numbers, and hours of work are worth more than the distinction.
"""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final

import msgspec

from job_engine.actions.errors import NotJson
from job_engine.job.attributes import PAYLOAD_LIMIT

DEEPEST: Final = 64
"""Levels that are searched for what is not JSON, to name it."""


def _other(value: Any) -> Any:
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__qualname__} is not JSON")


_encoder: Final = msgspec.json.Encoder(enc_hook=_other)


def encode(value: Any, what: str = "the result") -> bytes:
    """``value`` as JSON.

    Raises:
        NotJson: something in it is not JSON, saying what and where, or there is too much of it.
    """
    try:
        encoded = _encoder.encode(value)
    except RecursionError:
        raise NotJson(f"{what} is not JSON: it nests too deeply, or contains itself") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise NotJson(f"{what} is not JSON: {_culprit(value, what.split()[-1], DEEPEST) or error}") from None
    if len(encoded) > PAYLOAD_LIMIT:
        raise NotJson(f"{what} is too large: {len(encoded)} bytes of JSON, and {PAYLOAD_LIMIT} is the limit")
    return encoded


def _culprit(value: Any, path: str, levels: int) -> str | None:
    """What in ``value`` is not JSON: a sentence with its path; None if it is not found."""
    if levels == 0 or _encodes(value):
        return None
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not _encodes({key: None}):
                return f"{path} has a key of type {type(key).__qualname__}"
            if found := _culprit(item, f"{path}[{key!r}]", levels - 1):
                return found
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            if found := _culprit(item, f"{path}[{index}]", levels - 1):
                return found
    elif fields := getattr(value, "__struct_fields__", None) or getattr(value, "__dataclass_fields__", None):
        for name in fields:
            if found := _culprit(getattr(value, name, None), f"{path}.{name}", levels - 1):
                return found
    if isinstance(value, str):
        return f"{path} is a text that is not valid Unicode"
    return f"{path} is of type {type(value).__qualname__}"


def _encodes(value: Any) -> bool:
    try:
        _encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False
    return True

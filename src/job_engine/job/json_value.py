"""Values of people's programs as JSON: arguments, results and checkpoints, which all take the same values.

Beside JSON's own types and their subclasses that is what msgspec knows (tuples, sets, dataclasses, ``msgspec.Struct``,
enums, UUIDs, dates in ISO 8601, Decimal as text, bytes as base64), paths as text, and numbers of other libraries: what
has ``__index__`` or ``__float__``, and NumPy's scalars.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, Final

import msgspec

from job_engine.job.errors import Invalid

DEEPEST: Final = 64
"""Levels that are searched for what is not JSON, to name it."""


def encode(value: Any, what: str, *, nan: bool) -> bytes:
    """``value`` as JSON.

    Args:
        what: it is called in messages, such as ``the result``.
        nan: whether NaN and infinities become null, since JSON has no such numbers; otherwise they are refused.

    Raises:
        Invalid: something in it is not JSON, saying what and where.
    """
    try:
        encoded = _encoder.encode(value)
    except RecursionError:
        raise Invalid(f"{what} is not JSON: it nests too deeply, or contains itself") from None
    except Exception as error:  # noqa: BLE001 - the boundary to foreign values, whose conversions may raise anything
        reason = _first(value, what.split()[-1], DEEPEST, _reason) or f"{type(error).__name__}: {error}"
        raise Invalid(f"{what} is not JSON: {reason}") from None
    if not nan and b"null" in encoded and (found := _first(value, what.split()[-1], DEEPEST, _no_number)):
        raise Invalid(f"{what} is not JSON: {found}")
    return encoded


def _other(value: Any) -> Any:
    """Of a value that msgspec does not know, the JSON value that it stands for."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, PurePath):
        return str(value)
    kind = type(value)
    if getattr(value, "ndim", None) == 0 and callable(getattr(kind, "item", None)):  # a scalar of NumPy
        return value.item()
    if hasattr(kind, "__index__"):
        return kind.__index__(value)
    if hasattr(kind, "__float__") and not hasattr(kind, "__len__"):
        return kind.__float__(value)
    raise TypeError(f"{kind.__qualname__} is not JSON")


_encoder: Final = msgspec.json.Encoder(enc_hook=_other)


def _first(value: Any, path: str, levels: int, wrong: Callable[[Any, str], str | None]) -> str | None:
    """What ``wrong`` says of the innermost value that it has something against; None if there is no such value."""
    if levels == 0:
        return None
    for part, name in _parts(value):
        if found := _first(part, f"{path}{name}", levels - 1, wrong):
            return found
    return wrong(value, path)


def _parts(value: Any) -> Iterator[tuple[Any, str]]:
    if isinstance(value, Mapping):
        yield from ((item, f"[{key!r}]") for key, item in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((item, f"[{index}]") for index, item in enumerate(value))
    elif fields := getattr(type(value), "__struct_fields__", None) or getattr(
        type(value), "__dataclass_fields__", None
    ):
        yield from ((getattr(value, name, None), f".{name}") for name in fields)


def _reason(value: Any, path: str) -> str | None:
    """Why the encoder does not take ``value``; None if it does."""
    if isinstance(value, Mapping):
        for key in value:
            if not _encodes({key: None}):
                return f"{path} has a key of type {type(key).__qualname__}"
    if _encodes(value):
        return None
    if isinstance(value, str):
        return f"{path} is a text that is not valid Unicode"
    return f"{path} is of type {type(value).__qualname__}"


def _no_number(value: Any, path: str) -> str | None:
    number = value
    if not isinstance(value, str | int | float | None):
        try:
            number = _other(value)
        except Exception:  # noqa: BLE001 - the same boundary; msgspec knows it without our help
            return None
    if isinstance(number, float) and not math.isfinite(number):
        return f"{path} is {number}, and JSON has no such number; give None or a text instead"
    return None


def _encodes(value: Any) -> bool:
    try:
        _encoder.encode(value)
    except Exception:  # noqa: BLE001 - the same boundary
        return False
    return True

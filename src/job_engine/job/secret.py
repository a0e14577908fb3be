"""Arguments and results of a job that its action declares secret, and what is shown in their place."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from job_engine.job.errors import UNREADABLE

MASK: Final = "***"
"""What is shown instead of a secret."""
SHORTEST: Final = 4
"""Characters that a secret must have to be masked in texts: of a shorter one every "1" or "no" would be masked."""

RESULT: Final = "return"
"""The name that declares a whole result secret; no argument can have it, because it is a keyword."""
FORMS_LIMIT: Final = 64
"""Secret texts that are searched for in a result; of a job with more the whole result is masked, as of one that is
long: whoever adds a job chooses both, and the server masks while others wait."""
LENGTH_LIMIT: Final = 1 << 16
"""Bytes of a result in which secret arguments are searched for."""

_encode = msgspec.json.encode


def masked(payload: str, secret: Collection[str]) -> str:
    """A payload without the values of its ``secret`` arguments; of one that is no JSON object nothing is left."""
    given = _decoded(payload)
    if not isinstance(given, dict):
        return MASK
    if not any(name in given for name in secret):
        return payload
    return _encode({name: MASK if name in secret else value for name, value in given.items()}).decode()


def masked_result(result: Any, payload: Any, secret: Collection[str]) -> Any:
    """A result without what its action declares secret: all of it (`RESULT`), values by their names in an object, and
    the values of ``secret`` arguments wherever they occur.

    Args:
        payload: of the job, as its document has it.
    """
    if RESULT in secret:
        return MASK
    if isinstance(result, dict):
        result = {name: MASK if name in secret else value for name, value in result.items()}
    forms = _all_forms(payload, secret)
    if not forms:
        return result
    if len(forms) > FORMS_LIMIT or len(_encode(result)) > LENGTH_LIMIT:
        return MASK
    return _without(result, mask_of(payload, secret) or str)


def _without(value: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [_without(part, mask) for part in value]
    if isinstance(value, dict):
        return {mask(name): _without(part, mask) for name, part in value.items()}
    return MASK if isinstance(value, int | float) and mask(str(value)) != str(value) else value


def mask_of(
    payload: Any, secret: Collection[str], patterns: Sequence[re.Pattern[str]] = ()
) -> Callable[[str], str] | None:
    """What masks a text that an action logs or ends with: the values of its ``secret`` arguments, and whatever one of
    ``patterns`` matches. None: there is nothing to mask.

    Args:
        payload: of the job, as its document has it.
    """
    forms = _all_forms(payload, secret)
    if not forms and not patterns:
        return None
    known = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True)))) if forms else None
    searched = (*([known] if known is not None else []), *patterns)

    def mask(text: str) -> str:
        for pattern in searched:
            text = pattern.sub(MASK, text)
        return text

    return mask


def _all_forms(payload: Any, secret: Collection[str]) -> set[str]:
    return {form for value in _texts(payload, secret) for form in _forms(value) if len(form) >= SHORTEST}


def _texts(payload: Any, secret: Collection[str]) -> Iterator[str]:
    if secret and isinstance(payload, str):
        given = _decoded(payload)
        yield from _leaves([given.get(name) for name in secret] if isinstance(given, dict) else given)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _leaves(part)


def _forms(value: str) -> Iterable[str]:
    """How a value may stand in a log: as it is, line by line, and as Python and JSON write it."""
    return (value, *value.splitlines(), repr(value)[1:-1], _encode(value).decode()[1:-1])


def _decoded(payload: str) -> Any:
    try:
        return msgspec.json.decode(payload)
    except UNREADABLE:
        return payload

"""The closed table of a job's attributes: type, who may set it and when.

The core attributes are those of Nuvla's job schema; ``extension`` marks ours, which are absent from a document when
unset. The table is what adds and edits are checked against and what ``resource-metadata/job`` publishes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from job_engine.job.errors import Invalid
from job_engine.job.states import State
from job_engine.job.times import epoch, iso, seconds

PAYLOAD_LIMIT: Final = 1 << 20
"""Bytes of UTF-8 that a payload, and likewise a result or a checkpoint, may have."""
MESSAGE_LIMIT: Final = 100_000
"""Characters of a status message; of a longer one the two ends are kept."""
OUTPUT_LIMIT: Final = 32_766
"""Bytes of UTF-8 of ``output``: as much as Nuvla's index takes."""
AFTER_LIMIT: Final = 1000
"""Jobs that one job may wait for."""
NAME_LIMIT: Final = 1000
"""Characters of what names something: a resource, a job, a principal."""
ACL_LIMIT: Final = 1000
"""Different principals in an ACL: each is a row, and whoever has more makes a group of them."""
ACL_CHARACTERS: Final = 64 << 10
"""Characters that these may have together."""

_HREF = re.compile(r"[a-z]+(-[a-z]+)*(/[A-Za-z0-9_.:-]+)?")
JOB_ID = re.compile(r"job/[a-z0-9]+(-[a-z0-9]+)*")
_PRINCIPAL = re.compile(r"[a-z-]+/[a-z0-9-]+")
RIGHTS: Final = (
    *("owners", "view-meta", "view-data", "view-acl"),
    *("edit-meta", "edit-data", "edit-acl", "manage", "delete"),
)


class _Wrong(Exception):
    """Says what a value should be."""


def _whole(low: int, high: int | None = None) -> Callable[[Any], int]:
    expected = f"a whole number of {low} or more" if high is None else f"a whole number from {low} to {high}"
    most = 2**31 - 1 if high is None else high

    def check(value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= most:
            raise _Wrong(expected)
        return value

    return check


def _one_of(*values: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in values:
            raise _Wrong(f"one of {' '.join(values)}")
        return str(value)

    return check


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Wrong("a text that is not blank")
    if value.isascii():
        if "\x00" in value:
            raise _Wrong("a text without the character NUL")
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Wrong("a text of valid Unicode") from None
    if "\x00" in value:
        raise _Wrong("a text without the character NUL")
    return value


def _short(value: Any) -> str:
    if len(_text(value)) > 255:
        raise _Wrong("a text of at most 255 characters")
    return str(value)


def _name_of_action(value: Any) -> str:
    if _short(value) != value.strip():
        raise _Wrong("the name of an action, without blanks before and after it")
    return str(value)


def _message(value: Any) -> str:
    return shorten(value) if value == "" else shorten(_text(value))


def _sized(value: Any) -> str:
    if len(_text(value).encode()) > PAYLOAD_LIMIT:
        raise _Wrong(f"at most {PAYLOAD_LIMIT} bytes")
    return str(value)


def _described(value: Any) -> str:
    return value if value == "" else _sized(value)


def _payload(value: Any) -> str:
    """A text, which need not be JSON (it is none at Nuvla either); what is no text is kept as its JSON."""
    return _sized(value if isinstance(value, str) else msgspec.json.encode(value).decode())


def _time(value: Any) -> str:
    try:
        text = iso(epoch(_text(value)))
        epoch(text)  # by its zone, it may be in a year before 1 or after 9999
        return text
    except (Invalid, OverflowError, OSError, ValueError):
        raise _Wrong("a time such as 2026-11-24T23:05:01.042Z") from None


def _duration(value: Any) -> float:
    try:
        return seconds(value)
    except Invalid:
        raise _Wrong("a duration: seconds, or text such as 30s, 10m, 1h30m") from None


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or len(value) > NAME_LIMIT or not pattern.fullmatch(value):
            raise _Wrong(expected)
        return value

    return check


_job_id = _matching(JOB_ID, "a job's id such as job/0193-5f")
_href = _matching(_HREF, "a resource, type or type/id")


def _link(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or "href" not in value:
        raise _Wrong('an object such as {"href": "type/id"}')
    _href(value["href"])
    return value


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("true or false")
    return value


def _list_of(
    check: Callable[[Any], Any], *, empty: bool = True, distinct: bool = False, most: int | None = None
) -> Callable[[Any], list[Any]]:
    def check_list(value: Any) -> list[Any]:
        if not isinstance(value, list) or not (value or empty):
            raise _Wrong("a list" if empty else "a list that is not empty")
        if most is not None and len(value) > most:
            raise _Wrong(f"a list of at most {most}")
        checked = [check(item) for item in value]
        if distinct and len(set(checked)) < len(checked):
            raise _Wrong("a list without repeated values")
        return checked

    return check_list


def _acl(value: Any) -> dict[str, list[str]]:
    if not isinstance(value, dict) or not value.get("owners"):
        raise _Wrong('an object with at least one of "owners"')
    for right, principals in value.items():
        if right not in RIGHTS:
            raise _Wrong(f"an object with rights among {' '.join(RIGHTS)}")
        _list_of(_matching(_PRINCIPAL, f"principals such as group/ops in {right}"), distinct=True)(principals)
    # what was read lists some several times, and administrators too
    named = {who for principals in value.values() for who in principals} - {"group/nuvla-admin"}
    if len(named) > ACL_LIMIT or sum(map(len, named)) > ACL_CHARACTERS:
        raise _Wrong(
            f"an object with {ACL_LIMIT} principals, {ACL_CHARACTERS} characters, at most: make a group of them"
        )
    return value


def _any_object(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a job's document."""

    name: str
    type: str  # as in resource-metadata: string, integer, date-time, array, map, any
    check: Callable[[Any], Any]
    at_add: bool = True  # clients may send it with an add; otherwise it is the service's
    at_edit: bool = True  # clients may change it by an edit; otherwise it is ignored there
    extension: bool = False
    description: str = ""


def _table(*attributes: Attribute) -> dict[str, Attribute]:
    return {attribute.name: attribute for attribute in attributes}


ATTRIBUTES: Final = _table(
    # of every resource
    Attribute("id", "string", _job_id, False, False),
    Attribute("resource-type", "string", _text, False, False),
    Attribute("created", "date-time", _time, False, False),
    Attribute("updated", "date-time", _time, False, False),
    Attribute("created-by", "string", _short, True, False),
    Attribute("updated-by", "string", _short, False, False),
    Attribute("operations", "array", _any_object, False, False),
    Attribute("name", "string", _sized),
    Attribute("description", "string", _described),
    Attribute("tags", "array", _list_of(_sized, distinct=True)),
    Attribute("parent", "string", _href),
    Attribute("resource-metadata", "string", _text),
    Attribute("acl", "map", _acl),
    # of a job
    Attribute("state", "string", _one_of(*State), description="where the job is in its life"),
    Attribute("action", "string", _name_of_action, True, False, description="what to do: the name of an action"),
    Attribute("target-resource", "map", _link, True, False, description="what to do it to"),
    Attribute("affected-resources", "array", _list_of(_link, empty=False)),
    Attribute("progress", "integer", _whole(0, 100), description="percent done"),
    Attribute("execution-mode", "string", _one_of("push", "pull", "mixed")),
    Attribute("version", "integer", _whole(0)),
    Attribute("priority", "integer", _whole(0, 999), True, False, description="lower runs first"),
    Attribute("status-message", "string", _message, description="what the job says of itself"),
    Attribute("time-of-status-change", "date-time", _time, False, False),
    Attribute("return-code", "integer", _whole(0)),
    Attribute("parent-job", "string", _job_id),
    Attribute("nested-jobs", "array", _list_of(_job_id)),
    Attribute("started", "date-time", _time, False, False),
    Attribute("duration", "integer", _whole(0), False, False, description="whole seconds from start to end"),
    Attribute("expiry", "date-time", _time),
    Attribute("output", "string", _text, description="the end of what it printed"),
    Attribute("payload", "string", _payload, description="the action's arguments: JSON, as text"),
    # ours
    Attribute("attempt", "integer", _whole(0), False, False, True, "how many times the job was claimed"),
    Attribute("failures", "integer", _whole(0), False, False, True, "how many attempts raised an exception"),
    Attribute("deaths", "integer", _whole(0), False, False, True, "how many attempts in a row died"),
    Attribute("not-before", "date-time", _time, True, False, True, "the job waits until then"),
    Attribute(
        "after",
        "array",
        _list_of(_job_id, empty=False, distinct=True, most=AFTER_LIMIT),
        True,
        False,
        True,
        "jobs that it waits for: until each is SUCCESS",
    ),
    Attribute(
        "after-failure",
        "string",
        _one_of("fail", "run"),
        True,
        False,
        True,
        "what becomes of it when one of those does not end as SUCCESS",
    ),
    Attribute(
        "unless-active",
        "boolean",
        _yes_or_no,
        True,
        False,
        True,
        "not added while a job of its action and target is queued or running",
    ),
    Attribute("retries", "integer", _whole(0, 1000), True, False, True, "how often to run again after an exception"),
    Attribute("timeout", "number", _duration, True, False, True, "seconds an attempt may take"),
    Attribute("retry-of", "string", _job_id, True, False, True, "the final job that this one runs again"),
    Attribute("idempotency-key", "string", _short, True, False, True, "an add with a known key answers the first job"),
    Attribute("result", "any", _any_object, False, False, True, "what the action returned"),
)


def checked(name: str, value: Any) -> Any:
    """``value`` in the form the record keeps.

    Raises:
        Invalid: there is no attribute ``name``, or it cannot have this value.
    """
    attribute = ATTRIBUTES.get(name)
    if attribute is None:
        raise Invalid(f"attribute {name!r} does not satisfy defined schema: a job has no such attribute", name)
    try:
        return attribute.check(value)
    except _Wrong as wrong:
        raise Invalid(f"attribute {name!r} does not satisfy defined schema: it must be {wrong}", name) from None


def shorten(message: str) -> str:
    """A status message within `MESSAGE_LIMIT`: of a longer one the two ends, as Nuvla's server keeps it."""
    if len(message) <= MESSAGE_LIMIT:
        return message
    half = MESSAGE_LIMIT // 2
    return message[:half] + "\n...\n" + message[-half:]


def tail(text: str, limit: int = OUTPUT_LIMIT) -> str:
    """The end of ``text`` that has at most ``limit`` bytes of UTF-8."""
    data = text.encode(errors="replace")
    return text if len(data) <= limit else data[-limit:].decode(errors="ignore")

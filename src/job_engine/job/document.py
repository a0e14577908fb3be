"""From what a client sends to the job that the record keeps."""

from typing import Any, Final

import msgspec
from uuid_utils import uuid7

from job_engine.job.attributes import ATTRIBUTES, checked
from job_engine.job.errors import Invalid
from job_engine.job.times import epoch, iso, seconds

LAST_PRIORITY: Final = 999
"""The priority of a job that names none."""
DELAY: Final = "+"
"""What a ``not-before`` begins with that is a delay from the add on, such as ``+10m``."""
VERSION: Final = 2
"""The version of the job documents that this engine runs."""

PROMOTED: Final = frozenset(
    {
        *("id", "resource-type", "created", "updated", "acl", "operations"),
        *("state", "action", "priority", "execution-mode", "progress", "return-code", "status-message"),
        *("time-of-status-change", "started", "duration", "output", "result", "attempt", "failures", "deaths"),
        *("not-before", "tags", "parent-job", "affected-resources", "nested-jobs"),
    }
)
"""Attributes that the record keeps in columns of their own, beside the immutable rest of the document."""
SERVICES: Final = frozenset(name for name, attribute in ATTRIBUTES.items() if not attribute.at_add)
"""Attributes that the service controls: what a client sends of them is ignored."""


class NewJob(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A checked job, to be added to the record."""

    id: str
    action: str
    mode: str
    priority: int
    created: str
    acl: dict[str, list[str]]
    target: str | None = None
    parent: str | None = None
    not_before: str | None = None
    key: str | None = None
    after: tuple[str, ...] = ()
    run_anyway: bool = False  # when one of those does not end as SUCCESS
    unless_active: bool = False
    message: str | None = None
    tags: str | None = None  # JSON
    affected: str | None = None  # JSON
    nested: str | None = None  # JSON
    document: str = "{}"  # JSON: the attributes that are not promoted
    plain: bool = False  # it has no more than every job has, and waits for nothing


_COMMON: Final = frozenset({"action", "priority"})
_SPECIAL: Final = frozenset({"target-resource", "after", "after-failure", "unless-active"})
"""A job without promoted attributes but `_COMMON`, and without these, is plain."""

_encode = msgspec.json.Encoder().encode


def _json(value: Any) -> str:
    return _encode(value).decode()


def _after_a_delay(text: str, now: float) -> str:
    """The time at which a delay is over that begins ``now``, by the clock of the server: a client's may be wrong."""
    try:
        return iso(now + seconds(text.removeprefix(DELAY)))
    except Invalid as error:
        raise Invalid(
            f"attribute 'not-before' does not satisfy defined schema: {error.message}", "not-before"
        ) from None


def new_id() -> str:
    """The id of a new job; ids are ordered by time (UUID version 7, RFC 9562)."""
    return f"job/{uuid7()}"


def new_job(sent: Any, *, created_by: str, acl: dict[str, list[str]], now: float, id_: str | None = None) -> NewJob:
    """The job that a client's document asks for.

    Args:
        sent: the document as sent; what the service controls is ignored.
        created_by: recorded as ``created-by`` unless the document names one.
        acl: the normalised ACL.
        now: seconds since the epoch.
        id_: its id, if one was made for it before.

    Raises:
        Invalid: the document is not a job, saying which attribute is wrong.
    """
    if not isinstance(sent, dict):
        raise Invalid("a job is a JSON object")
    rest: dict[str, Any] = {}
    promoted: dict[str, Any] = {}
    for name, value in sent.items():
        if value is None or name in SERVICES:
            continue
        if name == "not-before" and isinstance(value, str) and value.startswith(DELAY):
            value = _after_a_delay(value, now)
        (promoted if name in PROMOTED else rest)[name] = checked(name, value)
    if "action" not in promoted:
        raise Invalid("attribute 'action' does not satisfy defined schema: a job needs one", "action")
    rest.setdefault("version", VERSION)
    rest.setdefault("created-by", created_by)
    if promoted.keys() <= _COMMON and rest.keys().isdisjoint(_SPECIAL):  # as most are
        return NewJob(
            id=id_ or new_id(),
            action=promoted["action"],
            mode="push",
            priority=promoted.get("priority", LAST_PRIORITY),
            created=iso(now),
            acl=acl,
            key=rest.get("idempotency-key"),
            document=_json(rest),
            plain=True,
        )
    target = rest.get("target-resource", {}).get("href")
    affected = promoted.get("affected-resources", [])
    if target is not None and {"href": target} not in affected:
        affected = [*affected, {"href": target}]
    not_before = promoted.get("not-before")
    return NewJob(
        id=id_ or new_id(),
        action=promoted["action"],
        mode=promoted.get("execution-mode", "push"),
        priority=promoted.get("priority", LAST_PRIORITY),
        created=iso(now),
        acl=acl,
        target=target,
        parent=promoted.get("parent-job"),
        not_before=not_before if not_before is not None and epoch(not_before) > now else None,
        key=rest.get("idempotency-key"),
        after=tuple(rest.get("after", ())),
        run_anyway=rest.get("after-failure") == "run",
        unless_active=rest.get("unless-active", False),
        message=promoted.get("status-message"),
        tags=_json(promoted["tags"]) if promoted.get("tags") else None,
        affected=_json(affected) if affected else None,
        nested=_json(promoted["nested-jobs"]) if promoted.get("nested-jobs") else None,
        document=_json(rest),
    )

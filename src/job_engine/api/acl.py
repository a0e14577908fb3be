"""Access control lists as values: normal form, implied rights, and the rights that somebody's claims give."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

import msgspec

from job_engine.api import plain_types
from job_engine.job.errors import Forbidden

Acl = dict[str, list[str]]

ADMIN: Final = "group/nuvla-admin"
USER: Final = "group/nuvla-user"
ANON: Final = "group/nuvla-anon"
NOBODY: Final = frozenset({"user/anon", ANON})
"""The claims of a caller who has not said who they are."""

IMPLIED: Final = {
    "edit-acl": ("edit-data", "delete", "manage", "view-acl"),
    "edit-data": ("edit-meta", "view-data"),
    "edit-meta": ("view-meta",),
    "delete": ("view-meta",),
    "view-acl": ("view-data",),
    "view-data": ("view-meta",),
}
"""What a right brings with it; each right stands before those that it implies (contract, section 5)."""

ALL: Final = frozenset({"edit-acl", "edit-data", "edit-meta", "view-acl", "view-data", "view-meta", "manage", "delete"})

METADATA: Final = frozenset({"name", "description", "tags", "subtype", "parent", "resource-metadata"})
"""What a person with edit-meta may change."""
SHOWN_AS_META: Final = METADATA | {"id", "resource-type", "created", "updated", "operations"}
"""What a person with view-meta sees."""

COLLECTIONS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "job": {"query": (USER,), "add": (ADMIN,), "bulk-delete": (ADMIN,)},
    "session": {"query": (ANON,), "add": (ANON,)},
    "credential": {"query": (USER,), "add": (USER,)},
    "user": {"query": (USER,), "add": (ADMIN,)},
    "group": {"query": (USER,), "add": (ADMIN,)},
    "executor": {"query": (USER,)},
    "action": {"query": (USER,)},
    "distribution": {"query": (ADMIN,)},
    "resource-metadata": {"query": (ANON,)},
    **{type_: {"query": (USER,), "add": (USER,)} for type_ in plain_types.TYPES},
    **{type_: {"query": (USER,), "add": (USER,), "bulk-action": (USER,)} for type_ in plain_types.BULK},
}
"""Who may do what with a whole collection."""


def normal(acl: Mapping[str, Iterable[str]]) -> Acl:
    """The form that is stored: implied rights listed, owners only among the owners, administrators able to edit."""
    owners = set(acl["owners"])
    lists = {right: set(acl.get(right, ())) for right in ALL}
    lists["edit-acl"].add(ADMIN)
    for right in IMPLIED:  # in this order nothing is implied by what comes later
        for implied in IMPLIED[right]:
            lists[implied] |= lists[right]
    result = {right: sorted(who - owners) for right, who in lists.items() if who - owners}
    return {"owners": sorted(owners), **dict(sorted(result.items()))}


@lru_cache(4096)
def owned_by(claim: str) -> Acl:
    """The ACL of what somebody adds without naming one; shared, so not to be changed."""
    return normal({"owners": [claim]})


@lru_cache(16384)
def rights(acl: str, claims: frozenset[str]) -> frozenset[str]:
    """What ``claims`` may do with a document.

    Args:
        acl: a normalised ACL as JSON text.
    """
    return rights_of(msgspec.json.decode(acl), claims)


def rights_of(acl: Acl, claims: frozenset[str]) -> frozenset[str]:
    """What ``claims`` may do with a document that has this normalised ACL."""
    if ADMIN in claims or not claims.isdisjoint(acl["owners"]):
        return ALL
    return frozenset(right for right, who in acl.items() if right != "owners" and not claims.isdisjoint(who))


def may(claims: frozenset[str], type_: str, right: str) -> bool:
    """Whether ``claims`` have a right on the whole collection."""
    return ADMIN in claims or not claims.isdisjoint(COLLECTIONS.get(type_, {}).get(right, ()))


def demand(claims: frozenset[str], type_: str, right: str) -> None:
    """Raises Forbidden unless ``claims`` have a right on the whole collection; who has logged in is told who has it."""
    if may(claims, type_, right):
        return
    if claims <= NOBODY:
        raise Forbidden("credentials required")
    who = " or ".join(COLLECTIONS.get(type_, {}).get(right, (ADMIN,)))
    raise Forbidden(f"credentials required: only {who} may do this ({right} of {type_})")


def collection_acl(type_: str) -> Acl:
    """What a query's answer says of the rights on its collection."""
    return {right: list(who) for right, who in COLLECTIONS.get(type_, {}).items()}


def view(document: dict[str, object], rights: frozenset[str]) -> dict[str, object]:
    """What somebody with ``rights`` sees of a document."""
    if "view-acl" in rights:
        return document
    if "view-data" in rights:
        return {name: value for name, value in document.items() if name != "acl"}
    return {name: value for name, value in document.items() if name in SHOWN_AS_META}

"""Rights: those that access control lists give, as values, and those that roles give on whole types.

A role is a claim like any other, so this module is the one place that knows what it may do.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

import msgspec

from job_engine.job.errors import Forbidden

Acl = dict[str, list[str]]

CACHED: Final = 4096
"""Characters of the longest ACL for which it is remembered who may do what."""

ADMIN: Final = "group/nuvla-admin"
USER: Final = "group/nuvla-user"
ANON: Final = "group/nuvla-anon"
NOBODY: Final = frozenset({"user/anon", ANON})
"""The claims of a caller who has not said who they are."""

SUBMITTER: Final = "group/job-engine-submitter"
"""Adds jobs of the actions that the claims ``action/NAME`` beside it name, and has what its own ACLs give it."""
OPERATOR: Final = "group/job-engine-operator"
"""Sees every job with its log, cancels, retries, and pauses distributions."""
VIEWER: Final = "group/job-engine-viewer"
"""Sees every job, distribution and the queue, and changes nothing."""
EXECUTOR: Final = "group/job-engine-executor"
"""Attends, ticks, and gets the tokens of the jobs that it holds; of the rest it sees distributions only."""
ROLES: Final = {"submitter": SUBMITTER, "operator": OPERATOR, "viewer": VIEWER, "executor": EXECUTOR}
ACTION: Final = "action/"
"""Begins a claim that names an action, or several by ``*`` at its end."""

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
SEES: Final = frozenset({"view-acl", "view-data", "view-meta"})
VIEW_LOG: Final = "view-log"
"""A right that roles give and no ACL can: to read a job's log without the right to edit the job."""
EVERYWHERE: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "job": {VIEWER: SEES, OPERATOR: SEES | {"manage", VIEW_LOG}},
    "distribution": {
        VIEWER: SEES,
        OPERATOR: SEES | {"manage"},
        EXECUTOR: frozenset({"view-data", "view-meta"}),  # its distributor asks when one was first told of
    },
}
"""By type, what a role may do with each of its documents, whatever the ACL says."""

METADATA: Final = frozenset({"name", "description", "tags", "subtype", "parent", "resource-metadata"})
"""What a person with edit-meta may change."""
SHOWN_AS_META: Final = METADATA | {"id", "resource-type", "created", "updated", "operations"}
"""What a person with view-meta sees."""

COLLECTIONS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "job": {"query": (USER,), "add": (ADMIN, SUBMITTER), "bulk-delete": (ADMIN,)},
    "session": {"query": (ANON,), "add": (ANON,)},
    "credential": {"query": (USER,), "add": (USER,)},
    "user": {"query": (USER,), "add": (ADMIN,)},
    "group": {"query": (USER,), "add": (ADMIN,)},
    "executor": {"query": (USER,), "attend": (ADMIN, EXECUTOR)},
    "action": {"query": (USER,)},
    "distribution": {"query": (ADMIN, OPERATOR, VIEWER), "add": (ADMIN, EXECUTOR)},
    "queue": {"query": (ADMIN, OPERATOR, VIEWER)},
    "audit-event": {"query": (ADMIN,)},
    "resource-metadata": {"query": (ANON,)},
}
"""Who may do what with a whole collection, of each type of the engine's own."""

By = Mapping[str, tuple[str, ...]]
"""The same of one type: claims by right."""


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


def rights(acl: str, claims: frozenset[str]) -> frozenset[str]:
    """What ``claims`` may do with a job.

    Args:
        acl: its normalised ACL as JSON text.
    """
    return (_rights if len(acl) <= CACHED else _rights.__wrapped__)(acl, claims)


@lru_cache(16384)
def _rights(acl: str, claims: frozenset[str]) -> frozenset[str]:
    return rights_of(msgspec.json.decode(acl), claims, "job")


def rights_of(acl: Acl, claims: frozenset[str], type_: str) -> frozenset[str]:
    """What ``claims`` may do with a document of a type that has this normalised ACL."""
    if ADMIN in claims or not claims.isdisjoint(acl["owners"]):
        return ALL
    given = frozenset(right for right, who in acl.items() if right != "owners" and not claims.isdisjoint(who))
    return given | everywhere(claims, type_)


def everywhere(claims: frozenset[str], type_: str) -> frozenset[str]:
    """What ``claims`` may do with every document of a type, by role."""
    by_role = EVERYWHERE.get(type_, {})
    return frozenset().union(*(by_role[claim] for claim in claims & by_role.keys()))


def held(user: str, granted: Iterable[str]) -> frozenset[str]:
    """The claims of a session that was granted these in the name of ``user``: an executor has none of a person's."""
    granted = frozenset(granted)
    persons = () if EXECUTOR in granted else (USER,)
    return frozenset({user, ANON, *persons, *granted})


def sees_all(claims: frozenset[str], type_: str) -> bool:
    """Whether ``claims`` see every document of a type, with its ACL."""
    return ADMIN in claims or "view-acl" in everywhere(claims, type_)


def names_action(claims: frozenset[str], action: str) -> bool:
    """Whether one of ``claims`` names the action."""
    if f"{ACTION}{action}" in claims:
        return True
    return any(
        claim.startswith(ACTION) and claim.endswith("*") and action.startswith(claim[len(ACTION) : -1])
        for claim in claims
    )


def on_collection(type_: str, by: By | None = None) -> By:
    """Who may do what with a whole collection: as ``by`` says, if it is no type of the engine's own."""
    return COLLECTIONS.get(type_, {}) if by is None else by


def may(claims: frozenset[str], type_: str, right: str, by: By | None = None) -> bool:
    """Whether ``claims`` have a right on the whole collection; for ``by`` see `on_collection`."""
    return ADMIN in claims or not claims.isdisjoint(on_collection(type_, by).get(right, ()))


def demand(claims: frozenset[str], type_: str, right: str, by: By | None = None) -> None:
    """Raises Forbidden unless ``claims`` have a right on the whole collection; who has logged in is told who has it."""
    if may(claims, type_, right, by):
        return
    if claims <= NOBODY:
        raise Forbidden("credentials required")
    who = " or ".join(on_collection(type_, by).get(right) or (ADMIN,))
    raise Forbidden(f"credentials required: only {who} may do this ({right} of {type_})")


def view(document: dict[str, object], rights: frozenset[str]) -> dict[str, object]:
    """What somebody with ``rights`` sees of a document."""
    if "view-acl" in rights:
        return document
    if "view-data" in rights:
        return {name: value for name, value in document.items() if name != "acl"}
    return {name: value for name, value in document.items() if name in SHOWN_AS_META}

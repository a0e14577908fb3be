"""The claims that users and keys may be given: groups, roles, and the actions that a submitter may add jobs of."""

import re
from typing import Any, Final

from job_engine.api import acl
from job_engine.api.groups import group_id, texts
from job_engine.job.errors import Forbidden, Invalid

CLAIMS_LIMIT: Final = 2000
"""Characters of all claims together: they are in the cookie, of which browsers take 4096 bytes."""
_ACTION: Final = re.compile(r"action/(?:[^\s*]{1,100}|[^\s*]{0,100}\*)", re.ASCII)


def claims(groups: Any, attribute: str = "groups") -> list[str]:
    """The claims that somebody asks for.

    Raises:
        Invalid: one is none, or they do not go together.
    """
    found = [_claim(group, attribute) for group in texts(groups, attribute)]
    if acl.EXECUTOR in found and len(found) > 1:
        raise _wrong(attribute, "the role executor goes with no other claim: an executor does nothing else")
    if (acl.SUBMITTER in found) != any(claim.startswith(acl.ACTION) for claim in found):
        raise _wrong(attribute, "the role submitter goes with the actions that it may add, such as action/greet")
    if sum(map(len, found)) > CLAIMS_LIMIT:
        raise _wrong(attribute, "these are too many; name several actions by what they begin with, such as action/web*")
    return found


def demand_grant(has: frozenset[str], granted: list[str]) -> None:
    """Raises Forbidden if somebody with the claims ``has`` would grant what they do not have."""
    lacking = [claim for claim in granted if claim not in has]
    if lacking and acl.ADMIN not in has:
        raise Forbidden(f"credentials required: only an administrator, or who has it, gives a key {lacking[0]}")


def _claim(claim: str, attribute: str) -> str:
    if claim == acl.ADMIN:
        return claim
    if not claim.startswith(acl.ACTION):
        return group_id(claim, attribute)
    if not _ACTION.fullmatch(claim):
        raise _wrong(attribute, f"{claim[:60]!r} names no action; write action/greet, or action/web* for several")
    return claim


def _wrong(attribute: str, why: str) -> Invalid:
    return Invalid(f"attribute {attribute!r} does not satisfy defined schema: {why}", attribute)

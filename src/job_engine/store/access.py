"""Who sees what, in SQL: the ACL of a document is a number, and a small table says which principals see how much."""

from collections.abc import Mapping, Sequence
from typing import Final

META: Final = 1
DATA: Final = 2
EVERYTHING: Final = 3
"""How much somebody sees: what view-meta shows, all but the ACL, all."""


def seen_by(acl: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """How much each principal sees of the documents with this normalised ACL."""
    found = dict.fromkeys(acl.get("view-meta", ()), META)
    found |= dict.fromkeys(acl.get("view-data", ()), DATA)
    return found | dict.fromkeys((*acl.get("view-acl", ()), *acl["owners"]), EVERYTHING)


def visible(column: str, claims: Sequence[str] | None, level: int) -> tuple[str, list[object]]:
    """A condition that holds for the documents of which somebody sees so much, and what it binds.

    Args:
        column: of the document's ACL number.
        claims: of the caller; None for administrators, who see everything.
        level: `META`, `DATA` or `EVERYTHING`.
    """
    if claims is None:
        return "1", []
    # one list, made once for each statement: there are a handful of ACLs however many documents
    marked = ",".join("?" * len(claims))
    return f"{column} in (select acl from access where principal in ({marked}) and level >= ?)", [*claims, level]

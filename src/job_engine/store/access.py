"""Who sees what, in SQL: the ACL of a document is a number, and a small table says which principals see it."""

from collections.abc import Sequence

from job_engine.store.transaction import marks


def visible(column: str, claims: Sequence[str] | None) -> tuple[str, list[object]]:
    """A condition that holds for the documents that somebody sees, and what it binds.

    Args:
        column: of the document's ACL number.
        claims: of the caller; None for administrators, who see everything.
    """
    if claims is None:
        return "1", []
    # one list, made once for each statement: there are a handful of ACLs however many documents
    return f"{column} in (select acl from access where principal in ({marks(claims)}))", list(claims)

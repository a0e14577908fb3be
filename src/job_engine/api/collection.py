"""The answer to a query: a page of documents, each as its reader may see it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from job_engine.api import acl
from job_engine.api.identity import Caller

Document = dict[str, Any]
Operations = Callable[[Document, frozenset[str]], list[dict[str, str]]]
"""What a reader with these rights may do with a document now."""


def collection(
    type_: str,
    caller: Caller,
    count: int,
    resources: Sequence[Document],
    aggregations: Document | None = None,
    by: acl.By | None = None,
) -> Document:
    """The document of a query's answer; for ``by`` see `acl.on_collection`."""
    answer: Document = {
        "count": count,
        "acl": {right: list(who) for right, who in acl.on_collection(type_, by).items()},
        "resource-type": f"{type_}-collection",
        "id": type_,
        "resources": resources,
    }
    rights = ("add", "bulk-delete")
    operations = [{"rel": rel, "href": type_} for rel in rights if acl.may(caller.claims, type_, rel, by)]
    if operations:
        answer["operations"] = operations
    if aggregations:
        answer["aggregations"] = aggregations
    return answer


def shown(
    documents: Iterable[tuple[Document, str]],
    caller: Caller,
    operations: Operations,
    select: Sequence[str] | None,
) -> list[Document]:
    """Documents with their ACLs as JSON text, as ``caller`` sees them."""
    claims = caller.claims
    return [one(document, acl.rights(text, claims), operations, select) for document, text in documents]


def one(document: Document, rights: frozenset[str], operations: Operations, select: Sequence[str] | None) -> Document:
    """A document as a reader with ``rights`` sees it: with operations, or just what ``select`` names and the id."""
    if select is None or "operations" in select:
        may = operations(document, rights)
        if may:
            document["operations"] = may
    document = acl.view(document, rights)
    if select is None:
        return document
    wanted = {"id", *select}
    return {name: value for name, value in document.items() if name in wanted}

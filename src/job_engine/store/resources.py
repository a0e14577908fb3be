"""CIMI resources other than jobs: documents by id, with the access that their ACL gives."""

import sqlite3
from typing import Any, Final

import msgspec

from job_engine.job.errors import Conflict, Invalid, NotFound
from job_engine.job.nodes import limited
from job_engine.store.transaction import Transaction

Document = dict[str, Any]
Row = tuple[str, str]

BYTES_LIMIT: Final = 16 << 20
"""Bytes that one document may have, however many edits it came by."""


def add(tx: Transaction, documents: list[Document]) -> None:
    """Add documents, each with its ``id``, ``resource-type`` and normalised ``acl``.

    Raises:
        Conflict: there is one with that id.
    """
    for document in documents:
        id_ = document["id"]
        if tx.execute("select 1 from resource where id = ?", (id_,)).fetchone():
            raise Conflict(f"conflict with {id_}")
    for document in documents:
        put(tx, document)


def put(tx: Transaction, document: Document) -> None:
    """Add a document, or replace the one with its id.

    Raises:
        Invalid: it has too many values, or bytes.
    """
    rest = msgspec.json.encode({name: value for name, value in document.items() if name != "acl"})
    if len(limited(rest, document["id"])) > BYTES_LIMIT:
        raise Invalid(f"{document['id']} would have more than {BYTES_LIMIT} bytes")
    tx.execute(
        "insert into resource (id, type, acl, document) values (?, ?, ?, ?)"
        " on conflict (id) do update set acl = excluded.acl, document = excluded.document",
        (document["id"], document["resource-type"], tx.acl(document["acl"]), rest.decode()),
    )


def change(tx: Transaction, id_: str, changes: Document) -> Document:
    """Set attributes of a document (None deletes one); answers the new document.

    Raises:
        NotFound: there is none.
    """
    document = find(tx.connection, id_)
    if document is None:
        raise NotFound(f"{id_} not found")
    merged = {**document, **changes, "updated": tx.iso}
    merged = {name: value for name, value in merged.items() if value is not None}
    put(tx, merged)
    return merged


def delete(tx: Transaction, id_: str) -> None:
    """Remove a document, if it is there."""
    tx.execute("delete from resource where id = ?", (id_,))


def delete_before(tx: Transaction, type_: str, id_: str) -> None:
    """Remove the documents of a type whose id is less than ``id_``: of time-ordered ids, the older ones."""
    tx.execute("delete from resource where type = ? and id < ?", (type_, id_))


def keep_newest(tx: Transaction, type_: str, attribute: str, value: str, most: int) -> None:
    """Remove the documents of a type that have this value, but for the newest ``most``; of time-ordered ids."""
    _index(tx, type_, attribute)
    tx.execute(
        f"delete from resource where id in (select id from resource where type = '{type_}' and {_place(attribute)} = ?"
        " order by id desc limit -1 offset ?)",
        (value, most),
    )


def find(connection: sqlite3.Connection, id_: str | None) -> Document | None:
    """The document with its ACL; None when there is none."""
    return of_row(row(connection, id_))


def row(connection: sqlite3.Connection, id_: str | None) -> Row | None:
    """What `of_row` makes the document with this id of; two rows are equal if the document is the same."""
    found: Row | None = connection.execute(
        "select r.document, a.document from resource r join acl a on a.id = r.acl where r.id = ?", (id_,)
    ).fetchone()
    return found


def of_row(row: Row | None) -> Document | None:
    """The document that a row says, with its ACL; None of None."""
    if row is None:
        return None
    document: Document = msgspec.json.decode(row[0])
    document["acl"] = msgspec.json.decode(row[1])
    return document


def types(connection: sqlite3.Connection) -> list[str]:
    """The types of which there are documents; a look for each, however many documents it has."""
    found: list[str] = []
    after = ""
    while row := connection.execute("select id from resource where id > ? order by id limit 1", (after,)).fetchone():
        found.append(row[0].partition("/")[0])
        after = f"{found[-1]}0"  # the character after "/"
    return found


def having(connection: sqlite3.Connection, type_: str, attribute: str, value: str) -> list[Document]:
    """The documents of a type with this value, without their ACLs; all of the type are looked at, if no index was made.

    Args:
        type_, attribute: names in our code, not in a request.
    """
    rows = connection.execute(
        f"select document from resource where type = '{type_}' and {_place(attribute)} = ?", (value,)
    )
    return [msgspec.json.decode(row[0]) for row in rows]


def indexed(tx: Transaction, type_: str, attribute: str, value: str) -> list[Document]:
    """What `having` answers, by an index, which is made at the first time: for what people choose the number of."""
    _index(tx, type_, attribute)
    return having(tx.connection, type_, attribute, value)


def _index(tx: Transaction, type_: str, attribute: str) -> None:
    name = f'"{type_}_{attribute}"'
    tx.execute(f"create index if not exists {name} on resource ({_place(attribute)}, id) where type = '{type_}'")


def _place(attribute: str) -> str:
    return f"json_extract(document, '$.\"{attribute}\"')"

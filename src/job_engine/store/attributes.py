"""Setting attributes of one job, in its columns or in its document."""

from typing import Any, Final

import msgspec

from job_engine.job.attributes import shorten
from job_engine.job.errors import Invalid
from job_engine.store.transaction import Transaction
from job_engine.store.waits import NEXT_WAIT, OTHER_JOBS

COLUMNS: Final = {
    "action": "action",
    "priority": "priority",
    "progress": "progress",
    "return-code": "return_code",
    "status-message": "message",
    "execution-mode": "mode",
    "tags": "tags",
    "affected-resources": "affected",
    "nested-jobs": "nested",
    "output": "output",
    "result": "result",
    "parent-job": "parent",
}
"""Attributes that an edit sets in columns; for the others the document text is rewritten."""
JSON_COLUMNS: Final = frozenset({"tags", "affected-resources", "nested-jobs", "result"})
REQUIRED: Final = frozenset({"action", "priority", "progress", "execution-mode", "acl"})
"""Attributes that a job always has."""


def set_attributes(tx: Transaction, seq: int, changes: dict[str, Any]) -> None:
    """Set checked attributes of one job; ``None`` deletes one.

    Raises:
        Invalid: one that a job always has would be deleted.
    """
    columns: dict[str, Any] = {"updated": tx.iso}
    rest: dict[str, Any] = {}
    for name, value in changes.items():
        if value is None and name in REQUIRED:
            raise Invalid(f"attribute {name!r} does not satisfy defined schema: a job needs one", name)
        column = COLUMNS.get(name)
        if name == "acl":
            columns["acl"] = tx.acl(value)
        elif column is None:
            rest[name] = value
            if name == "target-resource":
                columns["target"] = value and value["href"]
        elif value is not None and name in JSON_COLUMNS:
            columns[column] = msgspec.json.encode(value).decode()
        else:
            columns[column] = shorten(value) if name == "status-message" and value is not None else value
    if rest:
        (document,) = tx.execute("select document from job where seq = ?", (seq,)).fetchone()
        merged = {**msgspec.json.decode(document), **rest}
        columns["document"] = msgspec.json.encode({k: v for k, v in merged.items() if v is not None}).decode()
    assigned = [f"{column} = ?" for column in columns]
    values = [*columns.values()]
    if columns.get("message") is not None or (changes and "message" not in columns):
        # upstream moves it at every edit of a job that says something, whatever is edited
        said = "1" if "message" in columns else "message is not null"
        assigned.append(f"status_changed = iif({said}, ?, status_changed)")
        values.append(tx.iso)
    tx.execute(f"update job set {', '.join(assigned)} where seq = ?", (*values, seq))
    tx.ready |= "action" in columns or "priority" in columns
    tx.monitored |= "tags" in columns
    if "mode" in columns:
        tx.execute(
            f"update job set waits = {NEXT_WAIT},"
            " entry = iif(mode = 'pull', null, entry)"
            f" where seq = ? and state = 'QUEUED' and waits <> {OTHER_JOBS}",
            (tx.iso, seq),
        )
        tx.ready = True

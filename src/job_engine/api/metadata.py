"""``resource-metadata/job``: the table of a job's attributes, for programs and people."""

from functools import cache
from typing import Any, Final

from job_engine.api import acl
from job_engine.job.attributes import ATTRIBUTES

ID: Final = "resource-metadata/job"

_REQUIRED: Final = frozenset({"action"})


@cache
def document() -> dict[str, Any]:
    """The description of the type ``job``."""
    attributes = [
        {
            "name": attribute.name,
            "type": attribute.type,
            "server-managed": not attribute.at_add,
            "editable": attribute.at_edit,
            "required": attribute.name in _REQUIRED,
            "extension": attribute.extension,
            **({"description": attribute.description} if attribute.description else {}),
        }
        for attribute in ATTRIBUTES.values()
    ]
    actions = [
        {"name": name, "uri": name, "method": "POST", "description": what}
        for name, what in (
            ("cancel", "end a job that is not final"),
            ("timeout", "end a running job whose time is over"),
            ("get-context", "documents that the job's action needs"),
            ("retry", "add a final job again"),
        )
    ]
    return {
        "id": ID,
        "resource-type": "resource-metadata",
        "name": "job",
        "type-uri": "job",
        "description": "an action to perform on a target resource",
        "acl": acl.normal({"owners": [acl.ADMIN], "view-data": [acl.ANON]}),
        "attributes": attributes,
        "actions": actions,
    }

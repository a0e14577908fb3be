"""The cloud entry point: what the API has, and where."""

from typing import Any, Final

from job_engine.api import acl
from job_engine.api.call import Call, selected
from job_engine.api.responses import Json
from job_engine.api.state import ApiState
from job_engine.job.times import iso

ID: Final = "cloud-entry-point"
COLLECTIONS: Final = (
    ID, "action", "credential", "distribution", "executor", "group", "job", "resource-metadata", "session", "user",
)  # fmt: skip
_ACL: Final = acl.normal({"owners": [acl.ADMIN], "view-data": [acl.ANON]})


def document(api: ApiState) -> dict[str, Any]:
    """The cloud entry point's document."""
    at = iso(api.started)
    return {
        "id": ID,
        "resource-type": ID,
        "created": at,
        "updated": at,
        "acl": _ACL,
        "base-uri": f"{api.settings.base}/api/",
        "collections": {type_: {"href": type_} for type_ in (*COLLECTIONS, *api.settings.types)},
        "resource-metadata": "resource-metadata/job",
    }


async def get(call: Call) -> Json:
    """``GET /api/cloud-entry-point``; anybody may read it."""
    shown, select = document(call.api), selected(call.query)
    return Json({name: value for name, value in shown.items() if name in ("id", *select)} if select else shown)

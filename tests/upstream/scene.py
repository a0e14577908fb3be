"""Jobs and documents of the tests with upstream's actions, as Nuvla's users and its administrator make them."""

import json
import tomllib
from typing import Any

from nuvla.api import Api

from tests.integration.running import Up, eventually

JANE = {
    "user-id": "user/jane",
    "active-claim": "user/jane",
    "claims": ["user/jane", "group/nuvla-user", "group/nuvla-anon"],
}
"""Somebody for whom bulk jobs act, as their payload says it."""
FINAL = ("SUCCESS", "FAILED", "CANCELED")


def header(who: dict[str, Any]) -> str:
    return " ".join([who["user-id"], who["active-claim"], *who["claims"]])


class Scene:
    """An engine, its administrator, and Jane."""

    def __init__(self, up: Up) -> None:
        self.up = up
        admin = tomllib.loads((up.folder / "admin.toml").read_text())
        self.api = Api(admin["url"], insecure=True, persist_cookie=False)
        assert self.api.login_password(admin["username"], admin["password"]).status_code == 201
        self.jane = Api(admin["url"], insecure=True, persist_cookie=False, authn_header=header(JANE))

    def document(self, type_: str, **document: Any) -> str:
        """A document of Jane's."""
        return str(self.jane.add(type_, document).data["resource-id"])

    def job(self, action: str, target: str = "job", payload: Any = None, **document: Any) -> str:
        if payload is not None:
            document["payload"] = json.dumps(payload)
        if isinstance(payload, dict) and payload.get("authn-info") == JANE:  # as a bulk operation of hers makes it
            who = JANE["active-claim"]
            document["acl"] = {"owners": ["group/nuvla-admin"], "view-acl": [who], "manage": [who]}
        document |= {"action": action, "target-resource": {"href": target}}
        return str(self.api.add("job", document).data["resource-id"])

    def get(self, id_: str) -> dict[str, Any]:
        return dict(self.api.get(id_).data)

    def ended(self, id_: str) -> dict[str, Any]:
        """The job once it is final."""
        return dict(eventually(lambda: job if (job := self.get(id_))["state"] in FINAL else None))

    def ran(self, action: str, target: str = "job", payload: Any = None, **document: Any) -> dict[str, Any]:
        """A job that ran, to its end."""
        return self.ended(self.job(action, target, payload, **document))

    def history(self, id_: str) -> list[str]:
        """The kinds of what happened to a job."""
        return [event["kind"] for event in self.api.operation(self.api.get(id_), "events").data["events"]]


def result(job: dict[str, Any]) -> dict[str, Any]:
    """What a bulk job says of its elements."""
    return dict(json.loads(job["status-message"]))

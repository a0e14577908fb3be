"""What a client asks of a server about itself: executors, the queue, distributions; most of it for administrators."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from job_engine.client.connection import Connection
from job_engine.client.responses import ActionInfo, ExecutorInfo, ServerStatus, decoded
from job_engine.job import json_value
from job_engine.job.errors import NotFound


class Administration:
    """A part of `job_engine.client.Client`."""

    _connection: Connection

    def executors(self) -> list[ExecutorInfo]:
        """The executors that the record knows."""
        return msgspec.convert(self._listed("executor"), list[ExecutorInfo])

    def actions(self) -> list[ActionInfo]:
        """The actions that executors have."""
        return msgspec.convert(self._listed("action"), list[ActionInfo])

    def queue(self) -> dict[str, Any]:
        """How deep the queue is, and in a cluster who has taken what; for administrators."""
        return self._json("GET", "/api/queue")

    def reconcile(self, *, dry_run: bool = False) -> list[dict[str, Any]]:
        """Repair what differs between the queue in ZooKeeper and the record; what was, or would be.

        Raises:
            Invalid: the server uses no ZooKeeper.
        """
        body = msgspec.json.encode({"dry-run": dry_run})
        return list(self._json("POST", "/api/queue/reconcile", body)["repairs"])

    def status(self) -> ServerStatus:
        """How the server is; one of ours only."""
        return decoded(self._connection.call("GET", "/api/status"), ServerStatus)

    def try_a_write(self) -> ServerStatus:
        """How the server is, after a small write to its record; for administrators.

        Raises:
            Unavailable: the record cannot be written now.
        """
        return decoded(self._connection.call("POST", "/api/status", b"{}", repeatable=False), ServerStatus)

    def sign_in_token(self) -> str:
        """A token with which a browser signs in once as the caller, an administrator, within some minutes."""
        return str(self._json("POST", "/api/session/sign-in-token", b"{}")["token"])

    def distributions(self) -> list[dict[str, Any]]:
        """The distributions that distributors have reported, as documents."""
        return self._listed("distribution")

    def distribution(self, name: str) -> dict[str, Any]:
        """One of them.

        Raises:
            NotFound: no distributor has reported it.
        """
        return self._json("GET", _distribution(name))

    def pause_distribution(self, name: str) -> dict[str, Any]:
        """Have it make no ticks until it is resumed; its document."""
        return self._json("POST", f"{_distribution(name)}/pause", b"{}")

    def resume_distribution(self, name: str) -> dict[str, Any]:
        """Have it make ticks again; its document."""
        return self._json("POST", f"{_distribution(name)}/resume", b"{}")

    def run_distribution(self, name: str) -> dict[str, Any]:
        """Have it make a tick now, paused or not; its document, in which ``run-at`` stands until the tick is made."""
        return self._json("POST", f"{_distribution(name)}/run", b"{}")

    def forget_distribution(self, name: str) -> None:
        """Delete it; a distributor that is alive brings it back."""
        self._json("DELETE", _distribution(name))

    def users(self) -> list[dict[str, Any]]:
        """The users that the caller may see, as documents."""
        return self._listed("user?orderby=name")

    def user(self, name: str) -> dict[str, Any]:
        """One of them.

        Raises:
            NotFound: there is none of this name.
        """
        found = [user for user in self.users() if user["name"] == name]
        if not found:
            raise NotFound(f"there is no user {name!r}; job-engine users lists them")
        return found[0]

    def add_user(self, name: str, password: str, *, groups: Sequence[str] = ()) -> str:
        """Add a user, whose sessions act for ``groups``; the id."""
        template: dict[str, Any] = {"href": "user-template/username-password", "username": name, "password": password}
        template["groups"] = list(groups)
        return str(self._sent("POST", "/api/user", {"template": template})["resource-id"])

    def edit_user(self, id_: str, **changes: Any) -> dict[str, Any]:
        """Change attributes of a user; the document."""
        return self._sent("PUT", f"/api/{id_}", changes)

    def delete_user(self, id_: str) -> None:
        """Delete a user, with all keys."""
        self._json("DELETE", f"/api/{id_}")

    def sessions(self, user: str) -> list[dict[str, Any]]:
        """The sessions of a user, the newest first, as documents; ``current`` says which one asks."""
        return list(self._json("GET", f"/api/{user}/sessions")["resources"])

    def end_sessions(self, user: str) -> str:
        """End the sessions of a user but the one that asks; what came of it."""
        return str(self._json("POST", f"/api/{user}/end-sessions", b"{}")["message"])

    @property
    def administrator(self) -> bool:
        """Whether the caller is one; who has no session is told so by the server in time."""
        return all("group/nuvla-admin" in session.get("roles", "").split() for session in self._listed("session"))

    def keys(self) -> list[dict[str, Any]]:
        """The API keys that the caller may see, as documents."""
        return [found for found in self._listed("credential?orderby=created") if found.get("subtype") == "api-key"]

    def add_key(
        self, *, ttl: float | None = None, name: str | None = None, roles: Sequence[str] = ()
    ) -> dict[str, str]:
        """Make an API key that may do what the caller may, or no more than ``roles``: its ``key`` and, told only now,
        its ``secret``."""
        template: dict[str, Any] = {"href": "credential-template/generate-api-key"}
        if ttl is not None:
            template["ttl"] = max(1, round(ttl))
        if name is not None:
            template["name"] = name
        if roles:
            template["roles"] = list(roles)
        made = self._sent("POST", "/api/credential", {"template": template})
        return {"key": made["resource-id"], "secret": made["secret-key"]}

    def delete_key(self, key: str) -> None:
        """Delete an API key; the sessions made with it end."""
        self._json("DELETE", f"/api/credential/{quote(key.removeprefix('credential/'), safe='')}")

    def _sent(self, method: str, path: str, body: Any) -> dict[str, Any]:
        return self._json(method, path, json_value.encode(body, "the request", nan=True), repeatable=False)

    def _json(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        repeatable: bool = True,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        found: dict[str, Any] = decoded(
            self._connection.call(method, path, body, repeatable=repeatable, headers=headers), dict
        )
        return found

    def _listed(self, type_: str) -> list[dict[str, Any]]:
        return list(self._json("GET", f"/api/{type_}")["resources"])


def _distribution(name: str) -> str:
    return f"/api/distribution/{quote(name, safe='')}"

"""What a client asks of a server about itself: executors, the queue, distributions; most of it for administrators."""

from typing import Any
from urllib.parse import quote

import msgspec

from job_engine.client.answers import ActionInfo, ExecutorInfo, ServerStatus, decoded
from job_engine.client.connection import Connection


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

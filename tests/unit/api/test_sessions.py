"""Who gets a session: what changed, or came from elsewhere, between the proof and the session."""

import asyncio
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from job_engine.api import sessions
from job_engine.client import JobFailed
from job_engine.job.errors import Forbidden
from job_engine.store import resources
from tests.unit.api.server import InProcess


@pytest.fixture
def api(tmp_path: Path) -> Iterator[InProcess]:
    loop = asyncio.new_event_loop()
    api = InProcess(loop, tmp_path)
    yield api
    api.close()
    loop.close()


def test_no_session_is_made_by_a_proof_from_before_the_user_changed(api: InProcess) -> None:
    template = {"href": "user-template/username-password", "username": "jane", "password": "correct horse battery"}
    status, made = api.call("POST", "/api/user", {"template": template})
    assert status == 201
    run = api.loop.run_until_complete
    before = run(api.state.store.read(resources.find, made["resource-id"]))
    assert before is not None
    run(sessions._make_for(api.state, before, "session-template/password", "192.0.2.1", True))
    assert api.call("PUT", f"/api/{before['id']}", {"password": "another horse battery"})[0] == 200
    with pytest.raises(Forbidden, match="invalid credentials for 'jane'"):
        run(sessions._make_for(api.state, before, "session-template/password", "192.0.2.1", True))


def test_a_user_has_so_many_sessions_and_the_oldest_end(api: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST", 3)
    monkeypatch.setattr(sessions, "COUNTED_EVERY", 1)
    run, store = api.loop.run_until_complete, api.state.store
    for name in ("jane", "joe"):
        template = {"href": "user-template/username-password", "username": name, "password": "correct horse battery"}
        made = api.call("POST", "/api/user", {"template": template})[1]
        user = run(store.read(resources.find, made["resource-id"]))
        assert user is not None
        begun = [
            run(sessions._make_for(api.state, user, "session-template/password", "192.0.2.1", True))[0]
            for _ in range(5)
        ]
        there = run(store.read(resources.having, "session", "user", user["id"]))
        assert sorted(session["id"] for session in there) == begun[2:]
    assert len(run(store.read(resources.having, "session", "resource-type", "session"))) == 6


@pytest.mark.parametrize("type_", ["text/plain", "application/x-www-form-urlencoded", "application/json"])
def test_no_page_of_another_site_logs_somebody_in(api: InProcess, type_: str) -> None:
    template = {"template": {"href": "session-template/password", "username": "admin", "password": "wrong"}}
    headers = {"content-type": type_, "sec-fetch-site": "cross-site"}
    status, answer = api.call("POST", "/api/session", template, headers)
    assert (status, "not sent from here" in answer["message"]) == (403, True)


def test_a_failed_job_s_error_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(JobFailed("no disk", None)))  # type: ignore[arg-type]
    assert (type(error), error.message, error.job) == (JobFailed, "no disk", None)

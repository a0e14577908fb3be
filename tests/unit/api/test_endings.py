"""What comes from a key or a user ends with it, does not outlive it, and may do no more."""

import asyncio
import json
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from job_engine.api import endings, sessions
from job_engine.api.dispatch import dispatch
from job_engine.job.errors import Forbidden, JobEngineError, Unavailable
from job_engine.job.times import epoch
from job_engine.store import resources, settings
from tests.unit.api.server import InProcess

PASSWORD = "correct horse battery"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


class Scene:
    """One server, started again when it is asked to, and people who call it."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = folder
        self.api = InProcess(self.loop, folder)

    def again(self) -> None:
        self.api.close()
        self.api = InProcess(self.loop, self.folder)

    def run(self, awaited: Any) -> Any:
        return self.loop.run_until_complete(awaited)

    def user(self, name: str, *groups: str) -> str:
        template = {"href": "user-template/username-password", "username": name, "password": PASSWORD}
        status, made = self.api.call("POST", "/api/user", {"template": {**template, "groups": list(groups)}})
        assert status == 201, made
        return str(made["resource-id"])

    def log_in(self, name: str) -> str:
        """The cookie of a new session."""
        return cookie_of(self.run(sessions.log_in(self.api.state, name, PASSWORD, "192.0.2.1"))[1])

    def as_(self, cookie: str, method: str, path: str, body: Any = None, **more: str) -> tuple[int, Any, str]:
        """Status, body and cookie of an answer to who has this cookie."""
        headers = {"cookie": cookie, "nuvla-authn-info": None, **more}
        status, raw, answered = self.run(self.api.request(method, path, body, headers))
        return status, json.loads(raw), answered.get("set-cookie", "").partition(";")[0]

    def session(self, cookie: str) -> dict[str, Any]:
        return dict(self.as_(cookie, "GET", "/api/session")[1]["resources"][0])

    def key(self, cookie: str, ttl: int = 0) -> tuple[str, str]:
        template = {"href": "credential-template/generate-api-key", "ttl": ttl}
        status, made, _ = self.as_(cookie, "POST", "/api/credential", {"template": template})
        assert status == 201, made
        return made["resource-id"], made["secret-key"]

    def by_key(self, key: tuple[str, str]) -> str:
        return cookie_of(self.run(sessions.log_in_by_key(self.api.state, *key, "192.0.2.1"))[1])

    def switch(self, cookie: str, claim: str) -> tuple[int, str]:
        path = f"/api/{self.session(cookie)['id']}/switch-group"
        status, _, switched = self.as_(cookie, "POST", path, {"claim": claim})
        return status, switched

    def known(self, cookie: str) -> bool:
        return self.as_(cookie, "GET", "/api/job?last=0")[0] == 200


def cookie_of(header: tuple[bytes, bytes]) -> str:
    return header[1].decode().partition(";")[0]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.api.close()
    scene.loop.close()


def test_a_key_that_acts_for_a_group_never_acts_for_its_user(scene: Scene) -> None:
    user = scene.user("jane", "group/ops")
    status, as_ops = scene.switch(scene.log_in("jane"), "group/ops")
    assert status == 200
    session = scene.by_key(scene.key(as_ops))
    assert scene.switch(session, user)[0] == 403
    assert scene.switch(session, "group/ops")[0] == 200
    assert user not in scene.session(session)["roles"].split()


def test_a_key_narrows_itself_to_what_it_has_and_comes_back(scene: Scene) -> None:
    user = scene.user("jane", "group/ops")
    key = scene.key(scene.log_in("jane"))
    later = scene.user("joan", "group/later")
    scene.api.call("PUT", "/api/group/later", {"users": [later, user]})
    session = scene.by_key(key)
    assert scene.switch(session, "group/later")[0] == 403, "a group that the key did not have"
    assert scene.switch(session, "group/ops")[0] == 200
    assert set(scene.session(session)["roles"].split()) >= {"group/ops"}
    assert user not in scene.session(session)["roles"].split()
    scene.api.call("PUT", f"/api/{user}", {"groups": ["group/ops", "group/nuvla-admin"]})
    assert scene.switch(session, user)[0] == 200
    roles = scene.session(session)["roles"].split()
    assert (user in roles, "group/ops" in roles, "group/nuvla-admin" in roles) == (True, True, False)


def test_nothing_outlives_the_key_that_it_came_from(scene: Scene) -> None:
    scene.user("jane")
    key = scene.key(scene.log_in("jane"), ttl=3600)
    session = scene.by_key(key)
    until = scene.session(session)["expiry"]
    assert epoch(until) <= time.time() + 3600
    for ttl in (0, 7200):
        child = scene.key(session, ttl)
        document = scene.run(scene.api.state.store.read(resources.find, child[0]))
        assert document["expiry"] == until
    grandchild = scene.key(scene.by_key(child))
    cookies = [scene.by_key(one) for one in (child, grandchild)]
    assert scene.api.call("DELETE", f"/api/{key[0]}")[0] == 200
    assert [scene.known(cookie) for cookie in (session, *cookies)] == [False, False, False]
    for gone in (child, grandchild):
        with pytest.raises(Forbidden):
            scene.by_key(gone)


def test_an_expired_key_gives_no_session(scene: Scene) -> None:
    scene.user("jane")
    key = scene.key(scene.log_in("jane"), ttl=3600)
    scene.run(scene.api.state.store.write(resources.change, key[0], {"expiry": "2020-01-01T00:00:00.000Z"}))
    with pytest.raises(Forbidden):
        scene.by_key(key)
    assert scene.api.state.verifier.refused() == [(key[0], "192.0.2.1", 1)], "administrators are told"


def test_no_key_is_made_by_a_session_that_ended_meanwhile(scene: Scene) -> None:
    scene.user("jane")
    cookie = scene.log_in("jane")
    assert scene.known(cookie)
    scene.run(scene.api.state.store.write(resources.delete, scene.session(cookie)["id"]))
    template = {"href": "credential-template/generate-api-key"}
    assert scene.as_(cookie, "POST", "/api/credential", {"template": template})[0] == 403


def test_a_full_disk_lets_no_key_of_a_disabled_user_in(scene: Scene) -> None:
    user = scene.user("jane")
    key = scene.key(scene.log_in("jane"))
    assert scene.api.call("PUT", f"/api/{user}", {"state": "DISABLED"})[0] == 200
    other = sqlite3.connect(scene.api.state.store.path, isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(Forbidden):
        scene.by_key(key)
    other.close()


def test_a_session_that_is_not_in_the_record_ends_with_its_key_too(scene: Scene) -> None:
    scene.user("jane")
    key = scene.key(scene.log_in("jane"))
    other = sqlite3.connect(scene.api.state.store.path, isolation_level=None)
    other.execute("begin immediate")
    session = scene.by_key(key)
    other.close()
    assert scene.known(session)
    assert scene.api.call("DELETE", f"/api/{key[0]}")[0] == 200
    assert not scene.known(session)


def token(scene: Scene, cookie: str) -> str:
    status, made, _ = scene.as_(cookie, "POST", "/api/session/sign-in-token", {})
    assert status == 200, made
    return str(made["token"])


def sign_in(scene: Scene, link: str) -> str:
    return cookie_of(scene.run(sessions.sign_in(scene.api.state, link, "192.0.2.1"))[1])


def test_a_sign_in_link_is_good_once_also_after_a_restart(scene: Scene) -> None:
    scene.user("root", "group/nuvla-admin")
    used, fresh = (token(scene, scene.log_in("root")) for _ in range(2))
    assert scene.known(sign_in(scene, used))
    scene.again()
    with pytest.raises(Forbidden):
        sign_in(scene, used)
    assert scene.known(sign_in(scene, fresh))
    other = sqlite3.connect(scene.api.state.store.path, isolation_level=None)
    unnoted = token(scene, scene.log_in("root"))
    other.execute("begin immediate")
    with pytest.raises(Unavailable):
        sign_in(scene, unnoted)
    other.close()


def test_a_sign_in_link_ends_with_a_change_of_its_user(scene: Scene) -> None:
    user = scene.user("root", "group/nuvla-admin")
    link = token(scene, scene.log_in("root"))
    assert scene.api.call("PUT", f"/api/{user}", {"password": "another horse battery"})[0] == 200
    with pytest.raises(Forbidden):
        sign_in(scene, link)


def test_a_sign_in_link_of_a_key_is_no_more_than_the_key(scene: Scene) -> None:
    user = scene.user("root", "group/nuvla-admin")
    _, narrowed = scene.switch(scene.log_in("root"), "group/nuvla-admin")
    key = scene.key(narrowed, ttl=3600)
    signed_in = sign_in(scene, token(scene, scene.by_key(key)))
    assert epoch(scene.session(signed_in)["expiry"]) <= time.time() + 3600
    assert scene.switch(signed_in, user)[0] == 403
    unused = token(scene, scene.by_key(key))
    assert scene.api.call("DELETE", f"/api/{key[0]}")[0] == 200
    assert not scene.known(signed_in)
    with pytest.raises(Forbidden):
        sign_in(scene, unused)


def test_the_key_of_cookies_is_beside_the_record(scene: Scene) -> None:
    cookie = scene.log_in(scene.user("jane") and "jane")
    path = scene.folder / "record.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = path.read_text().strip().encode()
    assert not any(key in file.read_bytes() for file in scene.folder.glob("record.db*"))
    scene.again()
    assert scene.known(cookie)
    path.write_text(f"{key.decode()}\n{'n' * 43}\n")
    scene.again()
    newer = scene.log_in("jane")
    assert scene.known(cookie)
    path.write_text(f"{'n' * 43}\n")
    scene.again()
    assert (scene.known(cookie), scene.known(newer)) == (False, True)
    path.unlink()
    scene.again()
    assert not scene.known(newer)


def test_a_key_that_was_in_the_record_is_void(scene: Scene) -> None:
    scene.run(scene.api.state.store.write(settings.once, "cookie-key", "old"))
    scene.again()
    assert scene.run(scene.api.state.store.read(settings.text, "cookie-key")) == ""


@pytest.mark.parametrize("text", ["short\n", "\0\xff"])
def test_a_file_of_keys_that_is_none(scene: Scene, text: str) -> None:
    (scene.folder / "record.key").write_bytes(text.encode("latin-1"))
    with pytest.raises(JobEngineError, match=r"record\.key"):
        scene.again()
    (scene.folder / "record.key").unlink()
    scene.api = InProcess(scene.loop, scene.folder)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"user-agent": FIREFOX}, 403),  # over plain http browsers do not say where a link is from
        ({"user-agent": FIREFOX, "sec-fetch-site": "cross-site"}, 403),
        ({"user-agent": FIREFOX, "sec-fetch-site": "same-origin"}, 202),
        ({"user-agent": "python-requests/2.32"}, 202),
        ({}, 202),
    ],
)
def test_a_foreign_link_runs_no_operation(scene: Scene, headers: dict[str, str], expected: int) -> None:
    cookie = scene.log_in(scene.user("jane") and "jane")
    _, made, _ = scene.as_(cookie, "POST", "/api/nuvlabox", {"name": "edge"})
    assert scene.as_(cookie, "GET", f"/api/{made['resource-id']}/reboot", **headers)[0] == expected


def test_a_key_is_made_for_who_is_named_by_a_proxy(scene: Scene) -> None:
    template = {"href": "credential-template/generate-api-key"}
    headers = {"nuvla-authn-info": "user/abroad user/abroad group/nuvla-user session/abroad"}
    assert scene.api.call("POST", "/api/credential", {"template": template}, headers)[0] == 201


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/job", {"action": "x"}),
        ("PUT", "/api/{user}", {"groups": ["group/nuvla-admin"]}),
        ("POST", "/api/user", {"template": {"href": "user-template/username-password", "username": "mallory"}}),
    ],
)
def test_a_session_that_ends_while_the_body_comes(scene: Scene, method: str, path: str, body: Any) -> None:
    user = scene.user("root", "group/nuvla-admin")
    cookie = scene.log_in("root")
    assert scene.known(cookie)
    headers = [(b"cookie", cookie.encode()), (b"host", b"here")]
    scope = {
        "type": "http", "method": method, "path": path.format(user=user), "query_string": b"", "headers": headers,
        "client": ("192.0.2.1", 1),
    }  # fmt: skip
    messages: list[Any] = []

    async def receive() -> Any:
        await scene.api.request("POST", f"/api/{user}/end-sessions")
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    scene.run(dispatch(scene.api.state, scope, receive, send))
    assert messages[0]["status"] == 403


def test_what_the_end_of_a_key_costs_does_not_grow_with_the_number_of_others(scene: Scene) -> None:
    """The writer serves everybody, and any user may have a hundred thousand keys and sessions."""
    scene.user("jane")
    key, _ = scene.key(scene.log_in("jane"))
    others = [
        {
            "id": f"{type_}/{n}",
            "resource-type": type_,
            "user": "user/x",
            "parent": "user/x",
            "acl": {"owners": ["user/x"]},
        }
        for n in range(2000)
        for type_ in ("credential", "session")
    ]

    async def steps(verb: Any, *arguments: Any) -> int:
        def counted(tx: Any) -> int:
            thousands: list[int] = []
            tx.connection.set_progress_handler(lambda: thousands.append(1), 1000)
            try:
                verb(tx, *arguments)
            finally:
                tx.connection.set_progress_handler(None, 0)
            return len(thousands)

        return int(await scene.api.state.store.write(counted))

    scene.run(steps(endings.end_key, "credential/none"))
    scene.run(steps(resources.add, others))
    assert scene.run(steps(endings.end_key, key)) == 0
    assert scene.run(scene.api.state.store.read(resources.find, key)) is None

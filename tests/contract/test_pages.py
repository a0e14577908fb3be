"""Paths beside the API, asked for by programs: the pages themselves are tested in a browser."""

import http.client
import re
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlencode

import pytest

from job_engine.dashboard import routes
from job_engine.job.bulk import BulkResult
from tests.contract.conftest import Server, serve

PASSWORD = "correct horse battery"


def test_paths_without_a_page_are_not_found(tmp_path: Path) -> None:
    for server in serve(tmp_path, routes=routes()):

        def ask(path: str, port: int = server.port) -> tuple[int, str | None]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                return response.status, response.getheader("location")
            finally:
                connection.close()

        for path in ("/healthz", "/metrics", "/.env", "/a/b/c", "/api2/job"):
            assert ask(path) == (404, None)
        assert ask("/") == (303, "./sign-in")
        assert ask("/executors") == (303, "./sign-in?next=executors")


def test_a_bulk_job_shows_its_page_whatever_its_elements_are_called(tmp_path: Path) -> None:
    odd = [
        "status/x",
        "queue/high",
        "stream/1",
        "cloud-entry-point/x",
        "executor/x",
        "session/x",
        "no/z",
    ]
    many = [f"job/{n:0195d}" for n in range(385)]
    result = BulkResult(total=len(odd) + len(many))
    for n, id_ in enumerate(odd + many):
        result.skipped(f"reason {n // 5}", id_)
    for server in serve(tmp_path, routes=routes()):
        status, added, _ = server.call("POST", "job", {"action": "bulk_x", "target-resource": {"href": "module/1"}})
        assert status == 201
        id_ = added["resource-id"]
        status, _, _ = server.call("PUT", id_, {"status-message": result.text()})
        assert status == 200
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        try:
            connection.request("GET", f"/{id_}", headers={"cookie": server.cookie})
            response = connection.getresponse()
            page = response.read().decode()
        finally:
            connection.close()
        assert response.status == 200, page
        assert "queue/high" in page


class Browser:
    """What a browser without scripts does: it follows forms, and keeps cookies."""

    def __init__(self, server: Server) -> None:
        self.port = server.port
        self.cookies: dict[str, str] = {}

    def ask(self, path: str, **fields: str) -> tuple[int, str]:
        """Status and page; with fields it is a form that is sent."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
            if fields:
                headers["content-type"] = "application/x-www-form-urlencoded"
            connection.request("POST" if fields else "GET", path, urlencode(fields) if fields else None, headers)
            response = connection.getresponse()
            for value in response.headers.get_all("set-cookie", []):
                name, _, content = value.partition(";")[0].partition("=")
                self.cookies[name] = content
            return response.status, response.read().decode()
        finally:
            connection.close()

    def send(self, page: str, path: str, **fields: str) -> tuple[int, str]:
        """Send a form of a page, with what the page says of itself."""
        found = re.search(r'name="token" value="([^"]*)"', self.ask(page)[1])
        return self.ask(path, token=found.group(1) if found else "", **fields)


def test_the_account_page(tmp_path: Path) -> None:
    for server in serve(tmp_path, routes=routes()):
        template = {"href": "user-template/username-password", "username": "jane", "password": PASSWORD}
        assert server.call("POST", "user", {"template": template})[0] == 201
        here, there = Browser(server), Browser(server)
        for browser in (here, there):
            assert browser.send("/sign-in", "/sign-in", name="jane", password=PASSWORD)[0] == 303
        assert "job-engine-device" in here.cookies
        status, page = here.ask("/account")
        assert (status, page.count("End the session"), "this browser" in page) == (200, 1, True)
        assert 'href="./account"' in here.ask("/")[1]
        new = "another horse battery"
        for old, first, again, expected, said in (
            ("wrong", new, new, 403, "The old password is wrong."),
            (PASSWORD, new, "different", 400, "the same way twice"),
            (PASSWORD, "short", "short", 400, "12 characters or more"),
        ):
            status, page = here.send("/account", "/account/password", old=old, new=first, again=again)
            assert (status, said in page) == (expected, True), page
        assert here.ask("/account/password", old=PASSWORD, new=new, again=new)[0] == 403, "without the page's token"
        status, page = here.send("/account", "/account/password", old=PASSWORD, new=new, again=new)
        assert (status, "You have a new password" in page) == (200, True)
        assert there.ask("/account")[0] == 303
        for browser in (there, Browser(server)):
            assert browser.send("/sign-in", "/sign-in", name="jane", password=new)[0] == 303
        session = re.search(r'name="session" value="([^"]+)"', here.ask("/account")[1])
        assert session is not None
        assert here.send("/account", "/account/end-sessions", session=session.group(1))[0] == 303
        assert (browser.ask("/account")[0], there.ask("/account")[0]) == (303, 200), "the newest stands first"
        assert here.send("/account", "/account/end-sessions", session="")[0] == 303
        assert (here.ask("/account")[0], there.ask("/account")[0]) == (200, 303)


def test_who_writes_a_wrong_old_password_too_often_is_told_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("job_engine.api.passwords.FAILURES", 1)
    for server in serve(tmp_path, routes=routes()):
        template = {"href": "user-template/username-password", "username": "jane", "password": PASSWORD}
        assert server.call("POST", "user", {"template": template})[0] == 201
        here, new = Browser(server), "another horse battery"
        assert here.send("/sign-in", "/sign-in", name="jane", password=PASSWORD)[0] == 303
        for expected in (403, 503):
            status, page = here.send("/account", "/account/password", old="wrong", new=new, again=new)
            assert status == expected, page
        assert "try again in a minute" in page


def test_a_page_shows_what_its_visitor_may(tmp_path: Path) -> None:
    for server in serve(tmp_path, routes=routes(), trust_authn_header=(ip_network("127.0.0.1/32"),)):
        report = {"distributor": "d", "distributions": [{"name": "nightly"}]}
        assert server.call("POST", "distribution/report", report)[0] == 200
        id_ = server.call("POST", "job", {"action": "noop"})[1]["resource-id"]

        def page(path: str, role: str, port: int = server.port) -> tuple[int, str]:
            claims = f"user/x user/x group/nuvla-user group/job-engine-{role}"
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request("GET", path, headers={"nuvla-authn-info": claims})
                response = connection.getresponse()
                return response.status, response.read().decode()
            finally:
                connection.close()

        for role, cancels, pauses in (("viewer", False, False), ("operator", True, True)):
            status, text = page(f"/{id_}", role)
            assert (status, f"{id_}/cancel" in text, f"{id_}/delete" in text) == (200, cancels, False)
            assert 'href="../distributions"' in text
            status, text = page("/distributions", role)
            assert (status, "nightly" in text, "distribution/nightly/pause" in text) == (200, True, pauses)
        status, text = page("/", "submitter")
        assert (status, id_ in text, "distributions" in text, "No jobs yet" in text) == (200, False, False, True)
        assert page(f"/{id_}", "submitter")[0] == 403

"""Behind a reverse proxy that serves the engine below a path."""

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.engine import WITHIN, Engine

PREFIX = "/tools/jobs"


@pytest.fixture
def proxied(engine: Engine) -> Iterator[str]:
    """The URL of the engine behind a proxy that takes a prefix off the path and passes on the rest as it is."""
    upstream = urlsplit(engine.url)

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(f"{PREFIX}/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            connection = http.client.HTTPConnection(str(upstream.hostname), upstream.port, timeout=WITHIN)
            connection.request(self.command, self.path.removeprefix(PREFIX), body, dict(self.headers))
            answer = connection.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            self.send_header("connection", "close")
            self.end_headers()
            try:
                while part := answer.read1(65536):
                    self.wfile.write(part)
            except OSError:
                pass  # the browser has gone, or the engine had nothing to say for long
            finally:
                connection.close()

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
        server.shutdown()
        thread.join()


def test_all_links_stay_below_the_prefix(engine: Engine, browser: Browser, proxied: str) -> None:
    job = engine.client.submit("noop", delay=3600)
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{proxied}/{job.id}")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto(f"{proxied}/sign-in?token={engine.client.sign_in_token()}")
    expect(page).to_have_url(f"{proxied}/")
    expect(page.locator("#live")).to_have_text("live")
    page.locator(f'tr[data-key="{job.id}"] a').click()
    page.get_by_role("link", name="Cancel…").click()
    page.locator("dialog[open]").get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator(".head .badge")).to_have_text("CANCELED")
    page.get_by_role("link", name="Executors").click()
    expect(page.get_by_role("heading", name="Executors")).to_be_visible()
    page.get_by_role("link", name="job-engine").click()
    expect(page).to_have_url(f"{proxied}/")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()
    assert [url for url in asked if not url.startswith(f"{proxied}/")] == []

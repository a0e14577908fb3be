"""Paths beside the API, asked for by programs: the pages themselves are tested in a browser."""

import http.client
from pathlib import Path

from job_engine.dashboard import routes
from tests.contract.conftest import serve


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

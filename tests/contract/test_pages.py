"""Paths beside the API, asked for by programs: the pages themselves are tested in a browser."""

import http.client
from pathlib import Path

from job_engine.dashboard import routes
from job_engine.job.bulk import BulkResult
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

"""A distributor says what it waits for when it starts, and ends soon after SIGTERM, whatever hangs."""

import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests import zookeeper
from tests.integration.distributor.scene import Distributor, Place
from tests.integration.engine_processes import until

POOLED = """
import threading
from concurrent.futures import ThreadPoolExecutor
from job_engine import distribution

@distribution(every=0.2)
def pooled():
    ThreadPoolExecutor().submit(threading.Event().wait)
    return {"action": "waits-for-nobody"}
"""


@contextmanager
def a_page(login: int) -> Iterator[tuple[str, list[str]]]:
    """A web server that is no API server: its URL, and what it was asked.

    Args:
        login: the status of its answer to a login.
    """
    asked: list[str] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("content-length", "16")
            self.end_headers()
            self.wfile.write(b"<h1>Welcome</h1>")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(login)
            self.send_header("set-cookie", "com.sixsq.nuvla.cookie=x")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def begun(place: Place, *arguments: str) -> Distributor:
    """One that is not waited for."""
    one = Distributor(place, f"d{len(place.distributors)}", *arguments)
    place.distributors.append(one)
    return one


def test_a_thread_of_a_function_that_does_not_end_holds_up_no_stop(place: Place) -> None:
    (one,) = place.start("--distributions", place.file(POOLED))
    until(lambda: place.client.count("action='waits-for-nobody'") >= 2, "ticks")
    assert one.stop() == 0
    assert "has stopped" in one.log
    assert "has not ended within 3 s; it is ended" in one.log


def test_zookeeper_that_hangs_holds_up_no_stop(tmp_path: Path) -> None:
    with (
        zookeeper.server(tick=2000) as frozen,
        closing(Place(tmp_path, frozen.port)) as place,
    ):  # it grants long sessions
        (one,) = place.start("--distributions", place.often(), "--session-timeout", "30s")
        place.more()
        frozen.send(signal.SIGSTOP)
        assert one.stop() == 0
        assert "has not ended within 3 s; it is ended" in one.log


def test_zookeeper_that_is_not_there_at_the_start_is_waited_for_and_that_is_said_once(cluster: Place) -> None:
    one = begun(cluster, "--distributions", cluster.often())
    assert one.proxy is not None
    one.proxy.set(up="hold", down="hold")
    one.says("WARNING").says("ZooKeeper at 127.0.0.1:").says("is unreachable")
    one.proxy.set(up="pass", down="pass")
    one.says("answers").says("makes jobs for")
    cluster.more()
    assert one.log.count("is waited for") == 1


def test_what_is_no_api_server_is_told_in_a_line_and_asked_again(place: Place) -> None:
    with a_page(201) as (url, asked):
        patient = begun(place, "--api-url", url, "--distributions", place.often())
        until(lambda: len(asked) >= 3, "more questions")
        assert patient.log.count("is no API server (status 200, and not the JSON of one)") == 1
        impatient = begun(place, "--api-url", url, "--distributions", place.often(), "--no-wait-for-api")
        assert impatient.process.wait(30) == 1
        assert patient.stop() == 0
    assert "is no API server" in impatient.log
    assert "Traceback" not in patient.log + impatient.log


def test_what_knows_no_login_is_told_in_a_line(place: Place) -> None:
    with a_page(404) as (url, _):
        one = begun(place, "--api-url", url, "--distributions", place.often())
        assert one.process.wait(30) == 1
    assert "the server answered with status 404" in one.log
    assert "Traceback" not in one.log

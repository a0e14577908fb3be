import threading

import pytest

from job_engine.client.connection import Connection
from job_engine.client.endpoint import Credentials, Endpoint
from job_engine.job.errors import Forbidden, Unreachable
from tests.unit.client.scripted import answer, free_port, scripted

JANE = Credentials(username="jane", password="s")


def connection(url, credentials=Credentials(), timeout=5.0):  # noqa: B008 (a frozen value)
    return Connection(Endpoint.of(url), credentials, timeout=timeout)


def test_one_connection_is_kept_alive():
    with scripted(lambda _: answer()) as server:
        client = connection(server.url)
        for _ in range(3):
            assert client.call("GET", "/api/x").status == 200
        assert server.connections == 1


def test_each_thread_has_its_own():
    with scripted(lambda _: answer()) as server:
        client = connection(server.url)
        threads = [threading.Thread(target=client.call, args=("GET", "/x")) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.connections == 3


def test_threads_share_one_login():
    together = threading.Barrier(4)

    def serve(request):
        if request.path == "/api/session":
            return answer(201, b"{}", "set-cookie: c=1; Path=/")
        return answer(200 if request.headers.get("cookie") == "c=1" else 403)

    def call():
        together.wait(10)
        client.call("GET", "/x")

    with scripted(serve) as server:
        client = connection(server.url, JANE)
        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(request.path == "/api/session" for request in server.requests) == 1


def test_it_logs_in_once_and_again_when_the_session_has_ended():
    logins = []

    def serve(request):
        if request.path == "/api/session":
            logins.append(request)
            return answer(201, b"{}", f"set-cookie: c=s{len(logins)}; Path=/; Secure")
        return answer(200 if request.headers.get("cookie") == f"c=s{expected}" else 403)

    with scripted(serve) as server:
        client = connection(server.url, JANE)
        expected = 1
        assert [client.call("GET", "/x").status for _ in range(2)] == [200, 200]
        expected = 2
        assert client.call("GET", "/x").status == 200
        assert len(logins) == 2
        expected = 99  # what is still refused after the login is refused
        assert client.call("GET", "/x").status == 403


def test_wrong_credentials_are_not_tried_again():
    with scripted(lambda _: answer(403, b'{"message": "invalid credentials for \'jane\'"}')) as server:
        with pytest.raises(Forbidden, match="jane"):
            connection(server.url, JANE).call("GET", "/x")
        assert len(server.requests) == 1


def test_a_server_that_was_never_there_is_told_at_once():
    with pytest.raises(Unreachable, match=r"connection refused; start one with: job-engine up"):
        connection(f"http://127.0.0.1:{free_port()}", timeout=3600).call("GET", "/x")


def test_a_server_that_is_briefly_away_costs_time_only():
    port = free_port()
    with scripted(lambda _: answer(), port) as server:
        client = connection(server.url)
        client.call("GET", "/x")
    came_back = threading.Event()

    def come_back():
        with scripted(lambda _: answer(200, b'{"back": true}'), port):
            came_back.wait(10)

    timer = threading.Timer(0.3, come_back)
    timer.start()
    reply = client.call("POST", "/x", b"{}")
    came_back.set()
    timer.join()
    assert reply.body == b'{"back": true}'
    assert reply.repeated


def test_a_lost_answer_is_asked_for_again_only_where_that_does_no_harm():
    lost = []

    def serve(request):
        if request.path == "/lose" and len(lost) < 1:
            lost.append(request)
            return None
        return answer()

    with scripted(serve) as server:
        client = connection(server.url)
        client.call("GET", "/x")
        assert client.call("POST", "/lose", b"{}").repeated
        lost.clear()
        with pytest.raises(Unreachable, match="without an answer"):
            client.call("POST", "/lose", b"{}", repeatable=False)


def test_a_server_that_cannot_now_is_asked_again():
    left = [503, 502, 200]
    with scripted(lambda _: answer(left.pop(0))) as server:
        assert connection(server.url).call("GET", "/x").status == 200
        assert len(server.requests) == 3


def test_what_must_not_be_repeated_is_answered_as_the_server_did():
    with scripted(lambda _: answer(503)) as server:
        assert connection(server.url).call("POST", "/x", b"{}", repeatable=False).status == 503
        assert len(server.requests) == 1


def test_no_call_takes_longer_than_its_deadline():
    hang = threading.Event()

    def serve(request):
        hang.wait(20)

    with scripted(serve) as server:
        with pytest.raises(Unreachable, match=r"within 0\.2 s"):
            connection(server.url, timeout=0.2).call("GET", "/x")
        hang.set()


def test_a_connection_that_the_server_closed_meanwhile_is_noticed():
    with scripted(lambda request: answer(200, b"{}", "connection: close")) as server:
        client = connection(server.url)
        for _ in range(2):
            client.call("POST", "/x", b"{}", repeatable=False)
        assert server.connections == 2


def test_a_path_before_the_api_is_kept():
    with scripted(lambda _: answer()) as server:
        connection(f"{server.url}/deep/api").call("GET", "/api/x")
        assert server.requests[0].path == "/deep/api/x"

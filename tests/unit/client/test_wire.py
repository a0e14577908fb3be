import asyncio
import threading

import pytest

from job_engine.client.endpoint import Credentials
from job_engine.client.wire import WireClient
from job_engine.job.errors import Forbidden, Unavailable, Unreachable
from tests.unit.client.scripted import answer, free_port, scripted

JANE = Credentials(username="jane", password="s")


async def test_it_keeps_its_connection_and_sends_its_headers():
    async def main(url):
        client = WireClient(url, headers={"x-all": "1"})
        first = await client.post("/api/a", b'{"n":1}', timeout=5, headers={"x-one": "2"})
        second = await client.get("/api/b", timeout=5)
        await client.close()
        return first, second

    with scripted(lambda request: answer(201, request.body)) as server:
        assert await main(server.url) == ((201, b'{"n":1}'), (201, b""))
        assert server.connections == 1
        first, second = server.requests
        assert (first.headers["x-all"], first.headers["x-one"], second.headers["x-all"]) == ("1", "2", "1")
        assert "x-one" not in second.headers


async def test_calls_at_the_same_time_share_one_login_and_a_few_connections():
    def serve(request):
        if request.path == "/api/session":
            return answer(201, b"{}", "set-cookie: c=1; Path=/")
        return answer(200 if request.headers.get("cookie") == "c=1" else 403)

    async def main(url):
        client = WireClient(url, credentials=JANE, connections=3)
        answers = await asyncio.gather(*(client.get("/x", timeout=5) for _ in range(20)))
        await client.close()
        return {status for status, _ in answers}

    with scripted(serve) as server:
        assert await main(server.url) == {200}
        assert server.connections <= 3
        assert sum(request.path == "/api/session" for request in server.requests) == 1


async def test_a_session_that_has_ended_is_made_again():
    sessions = []

    def serve(request):
        if request.path == "/api/session":
            sessions.append(request)
            return answer(201, b"{}", f"set-cookie: c={len(sessions)}; Path=/")
        return answer(200 if request.headers.get("cookie") == "c=2" else 401)

    async def main(url):
        return await WireClient(url, credentials=JANE).get("/x", timeout=5)

    with scripted(serve) as server:
        assert (await main(server.url))[0] == 200


async def test_refused_credentials():
    async def main(url):
        await WireClient(url, credentials=JANE).get("/x", timeout=5)

    refusing = scripted(lambda _: answer(403, b'{"message": "invalid credentials"}'))
    with refusing as server, pytest.raises(Forbidden, match="invalid credentials"):
        await main(server.url)


@pytest.mark.parametrize("said", [None, b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"])
async def test_trouble_is_unreachable_and_the_next_call_makes_a_new_connection(said):
    answers = [said, answer()]

    async def main(url):
        client = WireClient(url)
        with pytest.raises(Unreachable):
            await client.post("/x", b"{}", timeout=0.5)
        status, _ = await client.post("/x", b"{}", timeout=5)
        await client.close()
        return status

    with scripted(lambda _: answers.pop(0)) as server:
        assert await main(server.url) == 200
        assert server.connections == 2


async def test_nobody_there():
    async def main():
        await WireClient(f"http://127.0.0.1:{free_port()}").get("/x", timeout=5)

    with pytest.raises(Unreachable, match="refused"):
        await main()


async def test_the_deadline_counts_the_wait_for_a_connection():
    hang = threading.Event()

    def serve(request):
        hang.wait(20)

    async def main(url):
        client = WireClient(url, connections=1)
        parked = asyncio.create_task(client.get("/park", timeout=10))
        await asyncio.sleep(0)
        with pytest.raises(Unreachable, match=r"within 0\.1 s"):
            await client.get("/x", timeout=0.1)
        parked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await parked
        hang.set()

    with scripted(serve) as server:
        await main(server.url)


async def test_a_cancelled_call_leaves_no_answer_for_the_next():
    asked, release = threading.Event(), threading.Event()

    def serve(request):
        if request.path == "/slow":
            asked.set()
            release.wait(20)
        return answer(200, request.path.encode())

    async def main(url):
        client = WireClient(url, connections=1)
        slow = asyncio.create_task(client.get("/slow", timeout=10))
        await asyncio.to_thread(asked.wait, 10)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        release.set()
        assert await asyncio.to_thread(server.ended.acquire, timeout=10), "its connection was left open"
        return await client.get("/next", timeout=5)

    with scripted(serve) as server:
        assert await main(server.url) == (200, b"/next")


async def test_a_login_outlives_the_call_that_began_it_and_is_not_made_twice():
    asked, release = threading.Event(), threading.Event()

    def serve(request):
        if request.path == "/api/session":
            asked.set()
            release.wait(20)
            return answer(201, b"{}", "set-cookie: c=1; Path=/")
        return answer(200 if request.headers.get("cookie") == "c=1" else 403)

    async def main(url):
        client = WireClient(url, credentials=JANE)
        with pytest.raises(Unreachable, match=r"within 0\.1 s"):
            await client.get("/x", timeout=0.1)
        assert asked.is_set()
        second = asyncio.create_task(client.get("/x", timeout=20))
        await asyncio.sleep(0)
        release.set()
        answered = await second
        await client.close()
        return answered, client.session

    with scripted(serve) as server:
        assert await main(server.url) == ((200, b"{}"), "c=1")
        assert sum(request.path == "/api/session" for request in server.requests) == 1


async def test_a_login_that_fails_is_told_and_made_again():
    answers = [answer(503, b'{"message": "too many people log in"}'), answer(201, b"{}", "set-cookie: c=1; Path=/")]

    async def main(url):
        client = WireClient(url, credentials=JANE)
        with pytest.raises(Unavailable, match="too many"):
            await client.get("/x", timeout=5)
        answered = await client.get("/x", timeout=5)
        await client.close()
        return answered

    with scripted(lambda request: answers.pop(0) if request.path == "/api/session" else answer()) as server:
        assert await main(server.url) == (200, b"{}")

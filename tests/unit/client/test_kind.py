"""Executors and distributors ask a server which kind it is, in one way."""

import asyncio

import pytest

from job_engine.client import kind
from job_engine.client.wire import WireClient
from job_engine.job.errors import Forbidden, NotFound, Unreachable
from tests.unit.client.scripted import answer, free_port, scripted

OURS = b'{"collections": {"job": {"href": "job"}, "executor": {"href": "executor"}}}'
NUVLAS = b'{"collections": {"job": {"href": "job"}}}'


def ask(url: str, *, wait: bool = False) -> bool:
    async def main() -> bool:
        client = WireClient(url)
        try:
            return await kind.ask(client, "the executor", wait=wait)
        finally:
            await client.close()

    return asyncio.run(main())


@pytest.mark.parametrize(("document", "ours"), [(OURS, True), (NUVLAS, False)])
def test_a_server_of_ours_lists_executors(document: bytes, ours: bool):
    with scripted(lambda request: answer(200, document)) as server:
        assert ask(server.url) is ours
        assert [request.path for request in server.requests] == ["/api/cloud-entry-point"]


@pytest.mark.parametrize("body", [b"<h1>Welcome</h1>", b"[]", b"{}", b'{"collections": null}', b"[" * 100_000])
def test_what_is_no_api_server_is_told_with_its_address(body: bytes):
    told = "what answers at http://.* is no API server .* is the address right"
    with scripted(lambda request: answer(200, body)) as server, pytest.raises(Unreachable, match=told):
        ask(server.url)


def test_refusals_are_told_apart():
    told = "accepts no login of the executor: no"
    with scripted(lambda request: answer(403, b'{"message": "no"}')) as server, pytest.raises(Forbidden, match=told):
        ask(server.url)
    with scripted(lambda request: answer(404, b"")) as server, pytest.raises(NotFound):
        ask(server.url)
    with scripted(lambda request: answer(503, b"")) as server, pytest.raises(Unreachable, match="cannot answer now"):
        ask(server.url)
    with pytest.raises(Unreachable):
        ask(f"http://127.0.0.1:{free_port()}")


def test_a_server_that_cannot_answer_yet_is_waited_for_and_the_log_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(kind, "PAUSES", (0.001, 0.002))
    answers = iter([answer(503, b""), answer(200, b"not yet"), answer(502, b""), answer(200, OURS)])
    with scripted(lambda request: next(answers)) as server:
        assert ask(server.url, wait=True)
        said = f"{server.url} answers"
    first, last = (record.message for record in caplog.records)
    assert (first.endswith("waiting for it"), last) == (True, said)
    assert next(answers, None) is None

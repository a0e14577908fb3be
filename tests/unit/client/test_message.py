import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_engine.client.message import AnswerReader, header_lines, request_bytes


@given(st.binary(max_size=300), st.lists(st.integers(1, 40)), st.booleans())
def test_an_answer_is_read_whatever_pieces_it_comes_in(body, pieces, chunked):
    if chunked:
        parts = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:7], body[7:]) if p)
        raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=1\r\n\r\n" + parts + b"0\r\n\r\n"
    else:
        raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nSet-Cookie: a=1\r\n\r\n%s" % (len(body), body)
    reader = AnswerReader()
    for _ in range(2):  # one after the other over the same connection
        reader.expect()
        rest = raw
        for size in [*pieces, len(raw)]:
            assert not reader.complete or not rest
            if rest:
                reader.feed(rest[:size])
            rest = rest[size:]
        assert reader.complete
        assert (reader.status, reader.body, reader.cookies, reader.keep_alive) == (200, body, ["a=1"], True)


def test_connection_close_is_respected():
    reader = AnswerReader()
    reader.expect()
    reader.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    assert reader.complete
    assert not reader.keep_alive


def test_an_intermediate_answer_is_passed_over():
    reader = AnswerReader()
    reader.expect()
    reader.feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert not reader.complete
    reader.feed(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}")
    assert (reader.complete, reader.status, reader.body) == (True, 201, b"{}")


def test_the_end_of_the_connection_ends_a_body_without_length():
    reader = AnswerReader()
    reader.expect()
    reader.feed(b"HTTP/1.0 200 OK\r\n\r\nabc")
    reader.feed_end()
    assert (reader.complete, reader.body, reader.keep_alive) == (True, b"abc", False)


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"])
def test_a_cut_answer_is_an_error(raw):
    reader = AnswerReader()
    reader.expect()
    if raw:
        reader.feed(raw)
    with pytest.raises(ConnectionError):
        reader.feed_end()


def test_what_is_not_http_is_an_error():
    reader = AnswerReader()
    reader.expect()
    with pytest.raises(ConnectionError, match="not HTTP"):
        reader.feed(b"SSH-2.0-OpenSSH_9.2\r\n")


def test_an_unasked_answer_is_an_error():
    with pytest.raises(ConnectionError):
        AnswerReader().feed(b"HTTP/1.1 200 OK\r\n\r\n")


def test_requests():
    headers = header_lines({"host": "h"})
    assert request_bytes("GET", "/x", headers, None) == b"GET /x HTTP/1.1\r\nhost: h\r\n\r\n"
    posted = request_bytes("POST", "/x", headers, b"{}")
    assert posted.endswith(b"\r\ncontent-length: 2\r\n\r\n{}")
    assert b"content-type: application/json\r\n" in posted


@pytest.mark.parametrize("target", ["/a b", "/a\r\nx: y", "/ü"])
def test_no_request_is_smuggled(target):
    with pytest.raises(ValueError, match="quote"):
        request_bytes("GET", target, b"", None)
    with pytest.raises(ValueError, match="line break"):
        header_lines({"x": "a\r\nb: c"})

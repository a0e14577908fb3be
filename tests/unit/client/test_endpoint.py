import json

import pytest

from job_engine.client.connection import Connection
from job_engine.client.endpoint import Credentials, Endpoint, cookies_of, reason, refusal
from job_engine.client.wire import WireClient
from job_engine.job import errors


@pytest.mark.parametrize(
    ("url", "shown", "authority", "port", "prefix"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1:8080", 8080, ""),
        ("http://localhost/", "http://localhost", "localhost", 80, ""),
        ("https://nuvla.io/api/", "https://nuvla.io", "nuvla.io", 443, ""),
        ("https://host:444/deep/er/api", "https://host:444/deep/er", "host:444", 444, "/deep/er"),
        ("http://[::1]:8080", "http://[::1]:8080", "[::1]:8080", 8080, ""),
        ("http://user:pw@host:81", "http://host:81", "host:81", 81, ""),
    ],
)
def test_url(url, shown, authority, port, prefix):
    endpoint = Endpoint.of(url)
    assert (endpoint.url, endpoint.authority, endpoint.port, endpoint.prefix) == (shown, authority, port, prefix)


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://host", "http://", "http://host:99999", "http://[::1"])
def test_what_is_no_url_is_refused_with_an_example(url):
    with pytest.raises(errors.Invalid, match=r"http://127\.0\.0\.1:8080"):
        Endpoint.of(url)


def test_login_documents_are_those_of_the_contract():
    user = Credentials(username="jane", password="s")
    assert json.loads(user.login()) == {
        "template": {"href": "session-template/password", "username": "jane", "password": "s"}
    }
    key = Credentials(key="credential/1", secret="s")
    assert json.loads(key.login()) == {
        "template": {"href": "session-template/api-key", "key": "credential/1", "secret": "s"}
    }
    assert user.can_log_in
    assert key.can_log_in
    assert not Credentials(username="jane").can_log_in
    header = Credentials(header="group/nuvla-admin")
    assert not header.can_log_in
    assert header.headers == {"nuvla-authn-info": "group/nuvla-admin"}


def test_secrets_are_not_shown():
    assert "hush" not in repr(Credentials(username="jane", password="hush", key="k", secret="hush"))


def test_cookies():
    assert cookies_of(["a.b=x.y-z_1; Path=/; Secure; HttpOnly; Expires=Wed, 21 Oct 2026 07:28:00 GMT"]) == "a.b=x.y-z_1"
    assert cookies_of(["a=1; Path=/", "b=2"]) == "a=1; b=2"
    assert cookies_of([]) is None
    assert cookies_of(["no cookie at all"]) is None


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, errors.Invalid),
        (401, errors.Forbidden),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (405, errors.Invalid),
        (409, errors.Conflict),
        (413, errors.Invalid),
        (503, errors.Unavailable),
        (500, errors.JobEngineError),
    ],
)
def test_refusals(status, error):
    found = refusal(status, b'{"status": 1, "message": "because"}')
    assert type(found) is error
    assert found.message == "because"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message": 3}', b'{"other": "x"}'])
def test_a_refusal_without_a_sentence_names_the_status(body):
    assert "500" in refusal(500, body).message


def test_reasons():
    assert reason(ConnectionRefusedError(111, "Connection refused")) == "connection refused"
    assert reason(OSError(113, "No route to host")) == "No route to host"
    assert reason(ConnectionError("closed")) == "closed"
    assert reason(OSError()) == "OSError"


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost:8080", True),
        ("http://jobs.localhost", True),
        ("http://127.0.0.1", True),
        ("http://127.8.8.8", True),
        ("http://[::1]:1", True),
        ("http://0.0.0.0", True),
        ("http://localhost.example.org", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1.example.org", False),
    ],
)
def test_what_is_this_machine_itself(url, loopback):
    assert Endpoint.of(url).loopback is loopback


def test_a_password_in_clear_is_warned_of_once_for_each_server(caplog):
    password, key = Credentials(username="jane", password="s"), Credentials(key="credential/1", secret="s")
    for url, credentials in [
        ("http://a.example", password),
        ("http://a.example", password),
        ("http://b.example", key),
        ("https://c.example", password),
        ("http://127.0.0.1", password),
        ("http://d.example", Credentials()),
        ("http://e.example", Credentials(header="group/nuvla-admin")),
    ]:
        Connection(Endpoint.of(url), credentials, timeout=1.0)
        WireClient(url.replace(".example", ".wire"), credentials=credentials)
    said = [record.getMessage() for record in caplog.records]
    named = [line.partition(" is not encrypted")[0] for line in said]
    assert named == ["http://a.example", "http://a.wire", "http://b.example", "http://b.wire"]
    assert "reads the password" in said[0]
    assert "--tls-cert" in said[0]
    assert "reads the API key's secret" in said[2]

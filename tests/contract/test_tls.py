"""A server that speaks TLS itself, as each of our clients meets it."""

import asyncio
import http.client
import os
import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from job_engine.actions.interruption import Interruption
from job_engine.actions.job import Job
from job_engine.cli.serving.tls import ServerTls
from job_engine.client import Client
from job_engine.client.connection import Connection
from job_engine.client.discovery import Found, read_admin
from job_engine.client.endpoint import Credentials, Endpoint
from job_engine.client.nuvla import log_in, nuvla_api
from job_engine.client.tls import Tls
from job_engine.client.wire import WireClient
from job_engine.executor.clients import Clients
from job_engine.executor.messages import Setup
from job_engine.job.errors import Invalid, Unreachable
from tests import certificates
from tests.contract.conftest import Server, serve

ATTEND = b'{"n":1,"free":0}'


@dataclass
class Served:
    server: Server
    made: certificates.Certificates
    folder: Path
    tls: ServerTls

    @property
    def trusted(self) -> Tls:
        return Tls(ca=str(self.made.authority))

    @property
    def credentials(self) -> Credentials:
        return Credentials(username=self.server.admin["username"], password=self.server.admin["password"])

    def serial(self) -> str:
        """Of the certificate that a connection gets which begins now."""
        with dialled(self.server, self.trusted.context()) as connection:
            return str(connection.getpeercert()["serialNumber"])

    def get(self, path: str, host: str = "engine.example") -> dict[str, str]:
        """The headers of an answer."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.server.port, context=self.trusted.context())
        with closing(connection):
            connection.request("GET", path, headers={"host": host})
            return {name.lower(): value for name, value in connection.getresponse().getheaders()}


def dialled(server: Server, context: ssl.SSLContext, **settings: Any) -> ssl.SSLSocket:
    return context.wrap_socket(
        socket.create_connection(("127.0.0.1", server.port), timeout=10), server_hostname="127.0.0.1", **settings
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, certificates.Certificates]:
    folder = tmp_path_factory.mktemp("certificates")
    return folder, certificates.make(folder)


@pytest.fixture(scope="module")
def served(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder, files = made
    data = tmp_path_factory.mktemp("data")
    tls = ServerTls(str(shutil.copy(files.server, data / "server.pem")), client_ca=str(files.authority))
    for server in serve(data, tls=tls):
        yield Served(server, files, folder, tls)


def by_connection(url: str, credentials: Credentials, tls: Tls) -> int:
    with closing(Connection(Endpoint.of(url), credentials, tls=tls, timeout=10)) as connection:
        return connection.call("GET", "/api/user", repeatable=False).status


def by_wire(url: str, credentials: Credentials, tls: Tls) -> int:
    async def call() -> int:
        client = WireClient(url, credentials=credentials, tls=tls)
        try:
            return (await client.get("/api/user", timeout=10))[0]
        finally:
            await client.close()

    return asyncio.run(call())


def by_nuvla(url: str, credentials: Credentials, tls: Tls) -> int:
    from requests import ConnectionError as Failed

    api = nuvla_api(url, credentials, tls=tls)
    try:
        log_in(api, credentials, "test")
    except Failed as error:
        raise Unreachable(str(error)) from None
    return int(api.session.get(f"{url}/api/user", timeout=10).status_code)


CLIENTS = [by_connection, by_wire, by_nuvla]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_trusts_the_authorities_that_it_is_given_and_nobody_else(served, client):
    url = served.server.url
    assert client(url, served.credentials, served.trusted) == 200
    assert client(url, served.credentials, Tls(insecure=True)) == 200
    with pytest.raises(Unreachable, match=r"(?i)certificate"):
        client(url, served.credentials, Tls())


@pytest.mark.parametrize("client", CLIENTS)
def test_a_pinned_certificate_is_accepted_under_any_name_and_no_other_one_of_its_authority(served, client):
    port = served.server.port
    assert client(f"https://127.1:{port}", served.credentials, Tls(pinned=served.tls.certificate)) == 200
    other = certificates.sign(served.folder, "another", "IP:127.0.0.1")
    chain = (
        served.folder / "chain.pem"
    )  # as servers have it: whose authority is behind it trusts only itself all the same
    chain.write_text(other.read_text() + served.made.authority.read_text())
    with pytest.raises(Unreachable, match=r"(?i)certificate"):
        client(served.server.url, served.credentials, Tls(pinned=str(chain)))


def test_programs_of_this_machine_know_the_certificate_by_the_data_folder(served):
    found = read_admin(served.server.folder)
    assert found is not None
    assert found.tls.pinned == served.tls.certificate
    with Client(data=served.server.folder, environ={}) as client:
        assert client.count() == 0
    with (
        pytest.raises(Unreachable, match="certificate"),
        Client(found.url, username="x", password="y", environ={}) as it,
    ):
        it.count()


def test_a_renewed_certificate_is_served_without_a_restart_and_no_connection_is_dropped(served, caplog):
    mine = Path(served.tls.certificate)
    before, first = mine.read_bytes(), served.serial()
    try:
        with closing(
            Connection(Endpoint.of(served.server.url), served.credentials, tls=served.trusted, timeout=10)
        ) as connection:
            connection.call("GET", "/api/user")
            line = connection._own.line
            renewed = certificates.sign(served.folder, "renewed", "IP:127.0.0.1")
            put(mine, renewed.read_bytes())  # its key comes later, as some tools have it
            assert served.serial() == first
            assert f"{mine} cannot be used as certificate and key" in caplog.text
            put(mine, (served.folder / "renewed.key").read_bytes() + renewed.read_bytes())
            assert served.serial() != first
            assert connection.call("GET", "/api/user").status == 200
            assert connection._own.line is line
    finally:
        put(mine, before)


def put(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(content)
    os.replace(new, path)


def test_a_client_whose_authorities_changed_goes_on_without_a_restart(served, tmp_path):
    ca = tmp_path / "ca.pem"
    shutil.copy(certificates.sign(served.folder, "stranger", "DNS:x"), ca)
    tls = Tls(ca=str(ca))
    with pytest.raises(Unreachable, match="certificate"):
        by_connection(served.server.url, served.credentials, tls)
    shutil.copy(served.made.authority, ca)
    assert by_connection(served.server.url, served.credentials, tls) == 200


def attended(served: Served, tls: Tls) -> int:
    with closing(Connection(Endpoint.of(served.server.url), served.credentials, tls=tls, timeout=10)) as connection:
        return connection.call("POST", "/api/executor/one/attend", ATTEND).status


def test_executors_and_distributors_show_a_certificate_and_people_need_none(served):
    key = served.folder / "client.key"
    shown = replace(served.trusted, certificate=str(served.made.client), key=str(key))
    assert attended(served, shown) == 200
    assert attended(served, served.trusted) == 403
    with Client.of(Found(served.server.url, served.credentials, served.trusted)) as client:
        for path, body in (
            ("/api/distribution/report", b'{"distributor": "x", "distributions": []}'),
            ("/api/distribution/x/tick", b"{}"),
        ):
            reply = client._connection.call("POST", path, body)
            assert (reply.status, b"--api-cert" in reply.body) == (403, True)
        assert client.status() is not None


def test_a_certificate_of_a_foreign_authority_makes_no_connection(served, tmp_path):
    foreign = certificates.make(tmp_path)
    shown = replace(served.trusted, certificate=str(foreign.client), key=str(tmp_path / "client.key"))
    with pytest.raises(Unreachable):
        attended(served, shown)


def test_an_actions_clients_trust_what_the_executor_trusts(served, monkeypatch):
    who = served.credentials
    setup = Setup(
        api_url=served.server.url, tls=served.trusted, username=who.username, password=who.password, key=None,
        secret=None, header=None, threads=1, actions=[], entry_points=False, log_level="INFO", hands_out=True,
    )  # fmt: skip
    api = Clients(setup).connect("job/1", 1)
    assert api.session.get(f"{served.server.url}/api/user").status_code == 200
    job = Job.__new__(Job)
    monkeypatch.setattr(Job, "api", api)
    monkeypatch.setattr(Job, "interrupted", Interruption())
    theirs = job.get_api({"user-id": "user/1", "active-claim": "user/1", "claims": []})
    assert theirs.session.get(f"{served.server.url}/api/cloud-entry-point").status_code == 200


def test_browsers_are_told_to_come_back_by_https_but_not_to_localhost(served, server):
    assert served.get("/api/status")["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in served.get("/api/status", f"localhost:{served.server.port}")
    assert "strict-transport-security" not in server.call("GET", "status")[2]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("nothing.pem",), "nothing.pem cannot be read: No such file"),
        (("authority.pem",), "cannot be used as certificate and key"),
        (("client.pem", "server.key"), "the key is that of another certificate"),
        (("client.pem", "client-locked.key"), "has a password; give one without"),
        (("client.pem", "client.key", "client.key"), "has no certificates of authorities"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_at_the_start(made, files, said):
    folder, _ = made
    with pytest.raises(Invalid, match=said):
        ServerTls(*(str(folder / file) for file in files)).context()


def test_a_server_of_the_other_kind_is_named(server, served):
    with pytest.raises(Unreachable, match="write http:// instead of https://"):
        by_connection(server.url.replace("http:", "https:"), Credentials(), Tls())
    with pytest.raises(Unreachable):
        by_connection(served.server.url.replace("https:", "http:"), Credentials(), Tls())


def test_answers_of_the_api_are_nothing_but_what_they_are_and_kept_nowhere(server):
    for method, path in (("GET", "job"), ("GET", "nothing"), ("POST", "session"), ("OPTIONS", "job"), ("GET", "")):
        headers = server.call(method, path)[2]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"

"""Ways in: TLS, digest, SASL, a chroot, several servers of which one is dead."""

import asyncio
import contextlib
import socket
import ssl

import pytest

from job_engine.job.errors import Forbidden, Unreachable
from job_engine.queue import (
    Election,
    EndOutcome,
    LockingQueue,
    Session,
    ZooKeeper,
    ZooKeeperTls,
    inspection,
    parse_acl,
    wire,
)
from job_engine.queue.examine import examine
from job_engine.queue.link import Link
from tests import certificates, zookeeper
from tests.integration.queue.scene import TIMEOUT, Stage, play, until

MANY = 3_000
"""Entries in one listing: far more than a TLS record, so that what is decrypted and not yet read would be noticed."""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secure(files):
    """The address of a server that wants TLS, and a client's certificate."""
    with zookeeper.tls_server(files) as address:
        yield address


def with_certificate(files, **more) -> ZooKeeperTls:
    return ZooKeeperTls(
        **{
            "ca": str(files.authority),
            "certificate": str(files.client),
            "key": str(files.client_key),
            "key_password": certificates.PASSWORD,
            "check_hostname": True,
        }
        | more
    )


def test_tls_with_certificates_on_both_sides(secure, files):
    async def scene(stage: Stage) -> None:
        ours = await stage.member(timeout=4.0, settings={"tls": with_certificate(files)})
        names = await ours.queue.put_many([(f"job/{n}", 1) for n in range(MANY)])
        taken = await ours.queue.take_names(names)
        assert [t.name for t in taken] == names == await inspection.names(ours.session)
        assert set(await ours.queue.consume(taken)) == {EndOutcome.DONE}
        assert ours.witness.told == ["renewed"], "the connection held"

    play(scene, secure)


def test_answers_that_come_in_one_tls_record_are_all_read(host, files):
    """Guard: a proxy that terminates TLS joins answers; kazoo's loop would read one of them, and wait."""

    async def scene(stage: Stage) -> None:
        together = asyncio.Event()
        together.set()
        held, link_was_up = [], []

        async def serve(reader, writer):
            theirs, ours = await asyncio.open_connection(*host.split(":"))
            up = asyncio.create_task(_pass_on(reader, ours))
            while data := await theirs.read(65536):
                held.append(data)
                if together.is_set():
                    writer.write(b"".join(held))  # one write is one record
                    held.clear()
                    if link_was_up:
                        together.clear()  # nothing comes after it
            writer.close()
            await up

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.server)
        proxy = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        address = f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        link = Link(
            ZooKeeper(hosts=address, session_timeout=4.0, tls=ZooKeeperTls(ca=str(files.authority))), lambda: None
        )
        link.open()
        await until(lambda: link.connected)
        together.clear()
        link_was_up.append(True)
        first = [link.send(wire.exists(b"/")) for _ in range(40)]
        await until(lambda: len(b"".join(held)) >= 40 * 88, "all answers being held")
        together.set()
        last = link.send(wire.exists(b"/"))  # its answer sets the others free
        answers = await link.responses(*first, last)
        assert [type(answer).__name__ for answer in answers if isinstance(answer, Exception)] == []
        await link.close()
        proxy.close()

    play(scene, host)


async def _pass_on(reader, writer):
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [("authority", "verify failed"), ("name", "IP address mismatch"), ("nothing", "bad certificate")],
)
def test_tls_is_checked(secure, files, wrong, says, tmp_path):
    """Guard: verify and check_hostname; and the error says what was wrong."""
    tls = {
        "authority": lambda: with_certificate(files, ca=str(certificates.make(tmp_path).authority)),
        "name": lambda: with_certificate(files),
        "nothing": lambda: ZooKeeperTls(ca=str(files.authority), certificate=None, key=None),
    }[wrong]()
    # 127.0.0.1 under a name that is not in the certificate.
    host = secure.replace("127.0.0.1", "127.0.0.2") if wrong == "name" else secure

    async def scene(stage: Stage) -> None:
        session = Session(ZooKeeper(hosts=host, path=stage.path, session_timeout=TIMEOUT, tls=tls))
        with pytest.raises(Unreachable, match=says):
            await session.start(within=2)

    play(scene, secure)


def test_digest_rights_keep_strangers_out(host):
    """Guard: the ACL is that of everything we create, and credentials are sent again after each connection."""

    async def scene(stage: Stage) -> None:
        chroot = f"{host}/rooms{stage.path}"
        mine = {"auth": (("digest", "us:secret"),), "acl": (parse_acl("auth::cdrwa"),)}
        ours = await stage.member(chroot, settings=mine)
        name = await ours.queue.put("job/1")
        (taken,) = await ours.queue.take(1)
        assert (taken.name, taken.job) == (name, "job/1")
        for auth in ((), (("digest", "us:wrong"),)):
            stranger = Session(ZooKeeper(hosts=chroot, path=stage.path, session_timeout=TIMEOUT, auth=auth))
            with pytest.raises(Forbidden, match=r"check the rights|no right"):
                await stranger.start(within=3)
        ours.session.current.cut()
        assert await ours.queue.consume([taken]) == [EndOutcome.DONE]

    play(scene, host)


def test_what_we_make_is_ours_whichever_node_it_is(host):
    async def scene(stage: Stage) -> None:
        chroot = f"{host}/ours{stage.path}"
        mine = {"auth": (("digest", "us:secret"),), "acl": (parse_acl("auth::cdrwa"),)}
        session = Session(ZooKeeper(hosts=chroot, path=stage.path, session_timeout=TIMEOUT, **mine))
        queue, election = LockingQueue(session), Election(session, "nightly")
        await session.start()
        stage.push_async_callback(session.close)
        await queue.put_many([("job/1", 1), ("job/2", 2)])
        await queue.put_many([("job/3", 3)], record="mine")
        await queue.take(1)
        async with election.lead():
            client = await stage.kazoo(chroot)
            await asyncio.to_thread(client.add_auth, "digest", "us:secret")
            paths = await asyncio.to_thread(_below, client, "/")
            for kind in ("/entries/entry-", "/taken/", "/members/", "/election/nightly/"):
                assert any(kind in path for path in paths), paths
            for path in paths:
                rules, _ = await asyncio.to_thread(client.get_acls, path)
                assert {rule.id.scheme for rule in rules if rule.perms} == {"digest"}, path

    play(scene, host)


def test_what_the_doctor_makes_is_ours(host, monkeypatch):
    async def scene(stage: Stage) -> None:
        mine = {"auth": (("digest", "us:secret"),), "acl": (parse_acl("auth::cdrwa"),)}
        await stage.member(settings=mine)
        client = await stage.kazoo()
        await asyncio.to_thread(client.add_auth, "digest", "us:secret")
        seen = []
        call = Link.call

        async def looked_at(link, request):
            answer = await call(link, request)
            paths = await asyncio.to_thread(_below, client, stage.path)
            seen.extend([(await asyncio.to_thread(client.get_acls, path))[0] for path in paths if "/doctor-" in path])
            return answer

        monkeypatch.setattr(Link, "call", looked_at)
        found = await examine(ZooKeeper(hosts=host, path=stage.path, session_timeout=TIMEOUT, **mine))
        assert found.write is not None
        assert seen
        assert {rule.id.scheme for rules in seen for rule in rules if rule.perms} == {"digest"}
        assert not [path for path in await asyncio.to_thread(_below, client, stage.path) if "/doctor-" in path]

    play(scene, host)


def _below(client, path):
    """The nodes below one, with their paths."""
    found = []
    for name in client.get_children(path):
        found.append(f"{path.rstrip('/')}/{name}")
        found += _below(client, found[-1])
    return found


def test_a_queue_that_anybody_may_change_is_warned_of_once(host, caplog):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        (warned,) = [record.getMessage() for record in caplog.records if "Anybody" in record.getMessage()]
        assert all(f"{stage.path}/{folder}" in warned for folder in ("entries", "taken", "members"))
        ours.session.current.cut()
        await ours.queue.put("job/1")
        mine = {"auth": (("digest", "us:secret"),), "acl": (parse_acl("auth::cdrwa"), parse_acl("world:anyone:r"))}
        await stage.member(f"{host}/closed{stage.path}", settings=mine)
        assert [record.getMessage() for record in caplog.records if "Anybody" in record.getMessage()] == [warned]

    play(scene, host)


def test_who_may_take_and_not_put_is_told_so(host):
    async def scene(stage: Stage) -> None:
        owner = {"auth": (("digest", "owner:secret"),), "acl": (parse_acl("auth::cdrwa"), parse_acl("world:anyone:r"))}
        first = await stage.member(settings=owner)
        await first.queue.put("job/1")
        # Members and takes are for all, entries the owner's.
        client = first.session.current._client
        for folder in ("members", "taken"):
            open_to_all = [parse_acl("world:anyone:cdrwa")]
            await asyncio.to_thread(client.set_acls, f"{stage.path}/{folder}", open_to_all)
        second = await stage.member()
        (taken,) = await second.queue.take(1)
        with pytest.raises(Forbidden, match="put entries"):
            await second.queue.put("job/2")
        with pytest.raises(Forbidden, match="remove entries"):
            await second.queue.consume([taken])
        assert await second.queue.release([taken]) == [EndOutcome.DONE]
        assert await first.queue.put("job/2")

    play(scene, host)


def test_sasl_digest(tmp_path):
    """Debian's server can do it; kazoo needs the package pure-sasl."""
    config = tmp_path / "jaas.conf"
    login = 'Server {\n org.apache.zookeeper.server.auth.DigestLoginModule required user_us="secret";\n};\n'
    config.write_text(login)
    extra = (
        "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\nsessionRequireClientSASLAuth=true"
    )
    with zookeeper.server(extra=extra, jvm=[f"-Djava.security.auth.login.config={config}"]) as server:

        async def scene(stage: Stage) -> None:
            sasl = {"mechanism": "DIGEST-MD5", "username": "us", "password": "secret"}
            rights = (parse_acl("sasl:us:cdrwa"),)
            ours = await stage.member(settings={"sasl": sasl, "acl": rights})
            await ours.queue.put("job/1")
            (taken,) = await ours.queue.take(1)
            ours.session.current.cut()
            assert await ours.queue.consume([taken]) == [EndOutcome.DONE]
            for wrong, says in ((None, "give --zk-sasl"), (sasl | {"password": "wrong"}, "these credentials")):
                session = Session(ZooKeeper(hosts=server.host, path=stage.path, session_timeout=TIMEOUT, sasl=wrong))
                with pytest.raises(Forbidden) as caught:
                    await session.start(within=3)
                assert says in str(caught.value)

        play(scene, server.host)


@pytest.mark.parametrize("dead", ["refuses", "hangs"])
def test_a_dead_server_in_the_list_costs_a_moment(host, dead):
    """Guard: each host is tried in turn, and a connection that hangs is given up."""

    async def scene(stage: Stage) -> None:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            if dead == "hangs":
                silent.listen()  # connections are made by the kernel, and nobody ever answers
            nobody = f"127.0.0.1:{silent.getsockname()[1]}"
            hosts = f"{nobody},{host},nobody.invalid:2181"
            for _ in range(5):  # kazoo shuffles the list
                session = Session(ZooKeeper(hosts=hosts, path=stage.path, session_timeout=TIMEOUT))
                await session.start()
                await session.close()

    play(scene, host)

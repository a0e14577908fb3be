"""``job-engine doctor --zk-hosts`` against servers that are well, and that are not."""

import asyncio
import contextlib
import json
import socket
import subprocess
import threading

from kazoo.client import KazooClient

from job_engine.cli.checks import zookeeper as checks_zookeeper
from job_engine.queue import LockingQueue, Session, ZooKeeper, parse_acl
from job_engine.queue.examine import Server
from tests import certificates, zookeeper
from tests.integration.running import PROGRAM, clean, unique


def doctor(tmp_path, *arguments: str) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    """Exit code, and the findings of each check."""
    command = [PROGRAM, "doctor", "--json", "--data", str(tmp_path / "none"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=clean())
    assert done.stderr == ""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in json.loads(done.stdout)["checks"]:
        assert "\n" not in one["detail"]
        found.setdefault(one["check"], []).append((one["outcome"], one["detail"]))
    return done.returncode, found


def make(host: str, path: str) -> None:
    """The queue's folders, with a job."""

    async def once() -> None:
        session = Session(ZooKeeper(hosts=host, path=path))
        queue = LockingQueue(session)
        await session.start()
        await queue.put("job/1")
        await session.close()

    asyncio.run(once())


def test_a_server_that_is_well(host, tmp_path):
    path = unique("/well")
    make(host, path)
    code, found = doctor(tmp_path, "--zk-hosts", host, "--zk-path", path, "--session-timeout", "2")
    assert code == 0
    (_, (outcome, why)) = found.pop("rights")
    assert (outcome, f"{path}/entries" in why, "--zk-auth" in why) == ("warn", True, True), "this server is open to all"
    assert {outcome for findings in found.values() for outcome, _ in findings} == {"ok"}
    assert found["zookeeper"] == [("ok", f"{host}, standalone, version 3.8.0")]
    assert found["session"] == [("ok", "timeout 2 s, as asked for")]
    assert found["entries"] == [("ok", "1, of which 0 taken; members: none")]
    assert set(found) == {"zookeeper", "session", "entries", "zk write", "zk clock"}


def test_a_queue_that_nobody_has_used_is_not_made_by_looking(host, tmp_path):
    code, found = doctor(tmp_path, "--zk-hosts", host, "--zk-path", "/jbo")
    assert code == 0
    assert "/jbo is empty" in found["path"][0][1]
    assert found["session"][0] == (
        "warn",
        "timeout 4 s is granted, 10 s asked for; change --session-timeout or maxSessionTimeout",
    )
    client = KazooClient(host)
    client.start()
    assert client.exists("/jbo") is None
    client.stop()
    client.close()


def test_what_is_left_over(host, tmp_path):
    path = unique("/left")
    make(host, path)
    client = KazooClient(host)
    client.start()
    client.create(f"{path}/entries/stray")
    client.create(f"{path}/taken/entry-100-0000000099", ephemeral=True)
    code, found = doctor(tmp_path, "--zk-hosts", host, "--zk-path", path)
    assert code == 0
    assert found["entries"][0] == ("ok", "1, of which 1 taken; members: none")
    assert [outcome for outcome, _ in found["entries"]] == ["ok", "warn"]
    assert "stray" in found["entries"][1][1]
    assert "entry-100-0000000099 without an entry" in found["taken"][0][1]
    assert sorted(client.get_children(f"{path}/entries"))[1:] == ["stray"], "nothing is put"
    client.stop()
    client.close()


def test_rights_that_lack(host, tmp_path):
    path = unique("/rights")
    make(host, path)
    client = KazooClient(host, auth_data=[("digest", "a:b")])
    client.start()
    client.set_acls(f"{path}/entries", [parse_acl("world:anyone:r"), parse_acl("auth::cdrwa")])
    code, found = doctor(tmp_path, "--zk-hosts", host, "--zk-path", path)
    assert code == 1
    assert found["rights"][0][0] == "fail"
    assert f"in entries of {path}" in found["rights"][0][1]
    code, found = doctor(tmp_path, "--zk-hosts", host, "--zk-path", path, "--zk-auth", "digest:a:b")
    assert found["rights"][0][0] == "ok"
    client.stop()
    client.close()


def test_a_server_that_is_not_there_and_one_that_is_silent(host, tmp_path):
    """Servers before 3.5 can keep srvr to themselves; Debian's cannot, so something else plays one."""
    nobody = f"127.0.0.1:{zookeeper.free_port()}"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_refuse_words, args=(listener,), daemon=True).start()
        silent = f"127.0.0.1:{listener.getsockname()[1]}"
        code, found = doctor(tmp_path, "--zk-hosts", nobody, silent, host)
    assert code == 1
    missing, unknown, well = found["zookeeper"]
    assert missing[0] == "fail"
    assert "refused" in missing[1]
    assert unknown == ("warn", f"{silent} answers, but not what it is; add srvr to its 4lw.commands.whitelist")
    assert well[0] == "ok"
    assert found["ensemble"][0][0] == "fail", "it knows nothing of the others"
    code, found = doctor(tmp_path, "--zk-hosts", nobody)
    assert (code, found["session"][0][0]) == (1, "fail")


def _refuse_words(listener):
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                if connection.recv(4) == b"srvr":
                    connection.sendall(b"srvr is not executed because it is not in the whitelist.\n")


def test_what_an_old_server_lacks_is_said(shared, tmp_path):
    host = shared(zookeeper.OLD).host
    code, found = doctor(tmp_path, "--zk-hosts", host, "--zk-path", "/none")
    ((outcome, detail),) = found["zookeeper"]
    assert (code, outcome) == (0, "warn")
    assert detail.startswith(f"{host}, standalone, version 3.4.14: works, but it has no TLS")
    assert "entries are read one by one" in detail


def test_what_versions_lack():
    def said(*version):
        finding = checks_zookeeper._server(Server("a:1", mode="leader", version=version))
        return finding.outcome, "TLS" in finding.detail, "one by one" in finding.detail

    assert [said(3, minor, 1) for minor in (3, 4, 5, 6)] == [
        ("fail", False, False),
        ("warn", True, True),
        ("warn", False, True),
        ("ok", False, False),
    ]


def test_an_ensemble(tmp_path):
    with zookeeper.ensemble() as servers:
        code, found = doctor(tmp_path, "--zk-hosts", *[server.host for server in servers])
        modes = sorted(detail.split(", ")[1] for _, detail in found["zookeeper"])
        assert (code, modes) == (0, ["follower", "follower", "leader"])
        servers[0].kill()
        servers[2].kill()
        zookeeper.eventually(lambda: "not currently serving" in servers[1].ask("srvr"), "the quorum missing")
        code, found = doctor(tmp_path, "--zk-hosts", servers[1].host)
        assert code == 1
        assert "it has no quorum" in found["zookeeper"][0][1]


def test_tls(tmp_path):
    files = certificates.make(tmp_path)
    with zookeeper.tls_server(files, client="none") as address:
        code, found = doctor(tmp_path, "--zk-hosts", address, "--zk-ca", str(files.authority))
        assert (code, found["zookeeper"][0][0], found["session"][0][0]) == (0, "ok", "warn")
        code, found = doctor(tmp_path, "--zk-hosts", address)
        assert code == 1

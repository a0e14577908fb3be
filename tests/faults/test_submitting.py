"""The server is killed while clients submit: an add that was answered is kept, and one that is repeated is one add."""

import json
import os
import select
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from job_engine.client import Client
from tests.faults.history import check
from tests.faults.short_up import Engine, Http, engine
from tests.integration.running import WITHIN, eventually

CLIENTS = 8


def test_the_server_is_killed_under_eight_clients(tmp_path: Path) -> None:
    with engine(tmp_path, "--processes", "1") as busy, busy.client() as client:
        answered: list[str] = []
        met, enough = threading.Barrier(CLIENTS + 1), threading.Event()
        with ThreadPoolExecutor(CLIENTS) as pool:
            adding = [pool.submit(add, busy, answered, met, enough) for _ in range(CLIENTS)]
            try:
                met.wait(WITHIN)
                for more in (100, 50, 50, 50):
                    before, pid = len(answered), busy.pid("server")
                    eventually(lambda target=before + more: len(answered) >= target)
                    os.kill(pid, signal.SIGKILL)
                    eventually(lambda pid=pid: busy.pid("server") != pid)
                before = len(answered)
                eventually(lambda: len(answered) >= before + 50)
            finally:
                enough.set()
            for one in adding:
                one.result()
        eventually(lambda: client.count("state='QUEUED' or state='RUNNING'") == 0)
        assert len(set(answered)) == len(answered)
        jobs = client.jobs(select=["id"], last=10_000)
        assert sorted(job.id for job in jobs) == sorted(answered), "each add is one job, also if it was repeated"
        assert client.count("state='SUCCESS'") == len(answered)
        for id_ in answered[::20]:
            check(client.document(id_), client.events(id_), [note for note in busy.notes() if note[1] == id_])


def add(busy: Engine, answered: list[str], met: threading.Barrier, enough: threading.Event) -> None:
    with Client(data=busy.data, environ={}) as client:
        answered.append(client.submit("quick", payload=busy.payload()).id)
        met.wait(WITHIN)  # from now on it knows that there is a server, and waits for it
        while not enough.is_set():
            answered.append(client.submit("quick", payload=busy.payload()).id)


def test_an_add_whose_answer_is_lost_is_repeated_by_its_key(tmp_path: Path) -> None:
    with engine(tmp_path, "--processes", "1") as lossy, lossy.client() as client:
        senders = [Http(lossy.admin) for _ in range(CLIENTS)]
        job = {"action": "quick", "payload": json.dumps(lossy.payload())}
        for number, sender in enumerate(senders):
            body = [job] * 3 if number % 2 else job
            sender.send("POST", "job", body, idempotency_key=f"key {number}")
        lost = [ids(peeked(sender.socket)) for sender in senders]  # answered, and nobody reads it
        os.kill(lossy.pid("server"), signal.SIGKILL)
        for sender in senders:
            sender.close()
        client.count()  # it answers again
        for number, before in enumerate(lost):
            again = Http(lossy.admin)
            body = [job] * 3 if number % 2 else job
            status, answer = again.call("POST", "job", body, idempotency_key=f"key {number}")
            assert (status, ids(answer)) == (201, before)
            again.close()
        added = [id_ for found in lost for id_ in found]
        assert [client.job(id_).wait(WITHIN)["attempt"] >= 1 for id_ in added]
        assert client.count() == len(added) == CLIENTS * 2


def peeked(sock: socket.socket) -> dict:
    """The answer that has arrived, left where it is."""

    def body() -> bytes:
        select.select([sock], [], [], WITHIN)
        head, _, found = sock.recv(65536, socket.MSG_PEEK).partition(b"\r\n\r\n")
        assert b" 201 " in head, head
        return found if found.endswith(b"}") else b""

    return json.loads(eventually(body))


def ids(answer: dict) -> list[str]:
    return answer["resource-ids"] if "resource-ids" in answer else [answer["resource-id"]]

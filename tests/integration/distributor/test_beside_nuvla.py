"""Beside a Nuvla server a node in ZooKeeper remembers the last tick: none is made twice, whoever dies."""

import asyncio
import json
import signal
import time
from typing import Any

import pytest
from nuvla.api import Api

from job_engine import Unavailable, distribution
from job_engine.client import Client
from job_engine.client.endpoint import Credentials
from job_engine.client.wire import WireClient
from job_engine.distributor.distribution_state import DistributionState
from job_engine.distributor.leader import Leader
from job_engine.distributor.records import TickResult, nuvla
from job_engine.distributor.records.nuvla import NuvlaRecord
from job_engine.job.schedule import FUTURE
from job_engine.queue import Election, Lead, Session, ZooKeeper
from tests.integration.distributor.scene import SESSION, Distributor, Place
from tests.integration.engine_processes import until
from tests.zookeeper import Proxy

SEVERAL = """
from job_engine import distribution

@distribution(every=0.2)
def bad_ones():
    yield {"action": "good", "target-resource": {"href": "job"}}
    yield {"action": "good", "priority": 1000}
    yield {"action": "good", "retries": 3}

@distribution(every=0.2, unless_active=True)
def once_at_a_time():
    yield {"action": "slow", "target-resource": {"href": "nuvlabox/1"}}
    yield {"action": "slow", "target-resource": {"href": "nuvlabox/2"}}
    yield {"action": "slow", "target-resource": {"href": "nuvlabox/2"}}
"""


def test_no_tick_twice_whatever_becomes_of_leaders(beside: Place) -> None:
    beside.start("--distributions", beside.often(), count=3)
    killed = beside.leader()
    beside.more()
    killed.signal(signal.SIGKILL)
    frozen = beside.led_by_another_than(killed)
    frozen.signal(signal.SIGSTOP)
    beside.led_by_another_than(frozen)
    frozen.signal(signal.SIGCONT)
    beside.more()
    dues = beside.check(gaps=2)  # a tick that a leader had begun when it died is not made again
    with beside.kazoo() as client:
        note = json.loads(client.get("/job/ticks/often")[0])
    assert note["due"] / 1000 >= max(dues)


def test_each_job_stands_alone_and_none_piles_up(beside: Place) -> None:
    (one,) = beside.start("--distributions", beside.file(SEVERAL))
    until(lambda: beside.client.count("action='good'") >= 3, "ticks")
    until(lambda: "does not know retries" in one.log, "what is wrong with one job")
    assert "job 2 of the tick (action good): attribute 'priority'" in one.log
    until(lambda: one.log.count("distribution once-at-a-time: the tick of") > 2, "ticks of the other one")
    assert beside.client.count("action='slow'") == 2


def test_bulk_jobs_that_wait_for_their_children_are_monitored_one_job_at_a_time(beside: Place) -> None:
    admin = beside.engine.admin
    api = Api(beside.engine.url, insecure=True, persist_cookie=False)
    api.login_password(admin["username"], admin["password"])
    bulk, _ = [beside.client.submit("bulk-elsewhere", mode="pull") for _ in range(2)]
    beside.client.submit("noop", parent=bulk, mode="pull")
    api.edit(bulk.id, {"state": "RUNNING", "tags": ["monitor"]})
    beside.start("--distributions", beside.often(), "--distribution-interval", "monitor_bulk_job:0.2", "often:0.2")
    monitors = "action='monitor_bulk_job'"
    until(lambda: beside.client.count(monitors), "a job that monitors")
    beside.more(10)
    (monitor,) = beside.client.jobs(monitors)
    assert monitor.document["target-resource"] == {"href": bulk.id}


def test_a_server_of_ours_monitors_them_itself(cluster: Place) -> None:
    (one,) = cluster.start()
    assert "no distribution" in one.log


def test_without_zookeeper_it_says_what_it_needs(beside: Place) -> None:
    beside.zookeeper_port = 0
    one = Distributor(beside, "alone", "--distributions", beside.often())
    beside.distributors.append(one)
    assert one.process.wait(30) == 2
    assert "is a Nuvla server: beside one, give --zk-hosts" in one.log


async def test_a_tick_is_begun_once_and_by_who_leads(beside: Place) -> None:
    host = f"127.0.0.1:{beside.zookeeper_port}/{beside.chroot}"
    admin = Credentials(username=beside.engine.admin["username"], password=beside.engine.admin["password"])

    @distribution(every=1)
    def often(): ...

    async def scene() -> None:
        client = WireClient(beside.engine.url, credentials=admin)
        sessions = [Session(ZooKeeper(hosts=host, session_timeout=SESSION), kind="distributor") for _ in range(2)]
        first, second = (Election(session, "often") for session in sessions)
        records = [NuvlaRecord(client, "me", session) for session in sessions]
        for session in sessions:
            await session.start()
        state, job = DistributionState(often, asyncio.Event()), b'{"action":"waits-for-nobody"}'

        async def tick(record: NuvlaRecord, due: int, lead: Lead) -> TickResult:
            return await record.tick(state, due, [job], due + 1000, lead, lambda: True)

        try:
            async with first.lead() as lead:
                assert await records[0].begin(state, lead) is None
                assert await tick(records[0], 1000, lead) == TickResult(1)
                assert await tick(records[0], 1000, lead) == TickResult(0, repeated=True)
                assert await records[0].begin(state, lead) == 1000
            async with second.lead() as another:
                with pytest.raises(Unavailable):  # whoever led before and does not know
                    await tick(records[0], 2000, lead)
                assert await tick(records[1], 2000, another) == TickResult(1)
                wrong = round(time.time() * 1000) + 2 * FUTURE  # a clock that was hours ahead, and is right again
                assert await tick(records[1], wrong, another) == TickResult(1)
                assert await tick(records[1], 3000, another) == TickResult(1)
            assert beside.client.count("action='waits-for-nobody'") == 4
        finally:
            for session in sessions:
                await session.close()
            await client.close()

    await asyncio.wait_for(scene(), 60)


async def test_what_was_refused_is_told_though_the_end_of_the_tick_cannot_be_noted(
    beside: Place, caplog: pytest.LogCaptureFixture
) -> None:
    admin = Credentials(username=beside.engine.admin["username"], password=beside.engine.admin["password"])
    proxy = Proxy(beside.zookeeper_port)

    class Last(WireClient):
        async def request(self, method: str, path: str, *rest: Any, **more: Any) -> tuple[int, bytes]:
            answer = await super().request(method, path, *rest, **more)
            if (method, path) == ("POST", "/api/job"):
                proxy.set(up="hold", down="hold")
            return answer

    @distribution(every="1h")
    def often() -> dict[str, Any]:
        return {"action": "bad", "priority": 1000}

    async def scene() -> None:
        client = Last(beside.engine.url, credentials=admin)
        settings = ZooKeeper(hosts=f"{proxy.host}/{beside.chroot}", session_timeout=SESSION)
        session = Session(settings, kind="distributor")
        election = Election(session, "often")
        await session.start()
        state = DistributionState(often, asyncio.Event())
        state.heard(False, "2026-11-24T23:05:01.042Z")
        leading = asyncio.create_task(election.run(Leader(state, NuvlaRecord(client, "me", session), Client).lead))
        try:
            await asyncio.to_thread(until, lambda: "job 1 of the tick (action bad)" in caplog.text, "what was refused")
        finally:
            leading.cancel()
            await asyncio.wait([leading])
            await session.close()
            await client.close()
            proxy.close()

    await asyncio.wait_for(scene(), 60)


async def test_a_server_that_is_busy_is_asked_again(beside: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nuvla, "RETRY_SECONDS", 0.0)
    host = f"127.0.0.1:{beside.zookeeper_port}/{beside.chroot}"
    admin = Credentials(username=beside.engine.admin["username"], password=beside.engine.admin["password"])
    statuses = [503, 502]

    class Busy(WireClient):
        async def request(self, method: str, path: str, *rest: Any, **more: Any) -> tuple[int, bytes]:
            if method == "POST" and path == "/api/job" and statuses:
                return statuses.pop(0), b""
            return await super().request(method, path, *rest, **more)

    @distribution(every=1)
    def often(): ...

    async def scene() -> None:
        client = Busy(beside.engine.url, credentials=admin)
        session = Session(ZooKeeper(hosts=host, session_timeout=SESSION), kind="distributor")
        election = Election(session, "often")
        await session.start()
        record, state = NuvlaRecord(client, "me", session), DistributionState(often, asyncio.Event())
        try:
            async with election.lead() as lead:
                jobs = [b'{"action":"refused"}', b'{"action":"waits-for-nobody"}']
                made = await record.tick(state, 1000, jobs, 2000, lead, lambda: True)
            assert made.jobs == 1, "after a 502 nobody knows whether it was carried out"
            assert len(made.refused) == 1
            assert beside.client.count("action='waits-for-nobody'") == 1
        finally:
            await session.close()
            await client.close()

    await asyncio.wait_for(scene(), 60)

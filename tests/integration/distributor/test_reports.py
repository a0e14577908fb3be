"""What a distributor tells the record, when some of it is refused."""

import asyncio
import logging

import pytest

from job_engine import distribution
from job_engine.client.endpoint import Credentials
from job_engine.client.wire import WireClient
from job_engine.distributor.distribution_state import DistributionState
from job_engine.distributor.records.engine import EngineRecord
from tests.integration.distributor.scene import Place
from tests.integration.engine_processes import until

NEXT = "2026-11-24T23:05:01.042Z"


@distribution(every=1)
def wrong(): ...


@distribution(every=2)
def right(): ...


def test_what_is_refused_is_dropped_once_and_the_rest_is_told(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    admin = Credentials(username=place.engine.admin["username"], password=place.engine.admin["password"])

    async def told(name: str, **facts: object) -> None:
        await asyncio.to_thread(until, lambda: facts.items() <= place.document(name).items(), f"{facts} of {name}")

    async def scene() -> None:
        client, telling = WireClient(place.engine.url, credentials=admin), asyncio.Event()
        record = EngineRecord(client, "me", telling)
        bad, good = DistributionState(wrong, telling), DistributionState(right, telling)
        bad.tell(last_error="  ", next_tick=NEXT, contenders=["\udcff"])
        running = asyncio.create_task(record.run([bad, good]))
        try:
            await told("right", every="2s")
            await told("wrong", every="1s", **{"next-tick": NEXT})
            bad.tell(last_error="   ")
            good.tell(last_error="boom")
            await told("right", **{"last-error": "boom"})
            bad.tell(last_error="bang")
            await told("wrong", **{"last-error": "bang"})
        finally:
            running.cancel()
            await asyncio.wait([running])
            await client.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(asyncio.wait_for(scene(), 60))
    assert sorted(message.partition(":")[0] + message.rpartition("its ")[2][:12] for message in caplog.messages) == [
        "distribution wrongcontenders: ",
        "distribution wronglast-error: ",
    ]

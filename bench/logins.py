"""``./dev bench logins``: how long a fleet of executors that starts at once takes until all have logged in and attend.

Each is an executor's own client, with connections and a session of its own. Their processes are not started: the start
of a thousand interpreters would be what is measured. All log in as one user with a password, the dearest login.
"""

import argparse
import asyncio
import time
import tomllib
from uuid import uuid4

import uvloop
from kit.engine import JobEngine
from kit.measure import Budget, percentile
from kit.processes import BenchError
from kit.run import Result, run, say

from job_engine.client import kind
from job_engine.client.endpoint import Credentials
from job_engine.client.wire import WireClient
from job_engine.executor.sources.api import ApiSource
from job_engine.job.attend import Attend, Hello
from job_engine.job.errors import Unavailable, Unreachable

WITHIN = 120.0
"""Seconds after which those that are not in count as lost."""
PAUSE = 0.5
"""Seconds until one that was not answered asks again."""


async def _join(url: str, credentials: Credentials) -> float:
    """Seconds until one executor attends."""
    begun = time.monotonic()
    source = ApiSource(WireClient(url, credentials=credentials), str(uuid4()))
    client = source._client
    await kind.ask(client, "the bench", wait=True)
    hello = Hello(name="bench", host="bench", pid=0, version="0", processes=1, slots=1, actions=["noop"])
    while True:
        try:
            await source.attend(Attend(n=0, free=0, hello=hello))
        except (Unavailable, Unreachable):
            await asyncio.sleep(PAUSE)
        else:
            await source.close()
            return time.monotonic() - begun


async def _fleet(url: str, credentials: Credentials, size: int) -> list[float]:
    async with asyncio.timeout(WITHIN):
        return await asyncio.gather(*(_join(url, credentials) for _ in range(size)))


def measure(engine: JobEngine, options: argparse.Namespace) -> Result:
    slowest = []
    for n in range(options.rounds):
        data = engine.new_data()
        with engine.server(data):
            admin = tomllib.loads((data / "admin.toml").read_text())
            credentials = Credentials(username=admin["username"], password=admin["password"])
            try:
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    times = runner.run(_fleet(admin["url"], credentials, options.executors))
            except TimeoutError:
                raise BenchError(f"not all of {options.executors} executors were in after {WITHIN:g} s") from None
        slowest.append(max(times))
        say(f"round {n + 1}: half in after {percentile(times, 0.5):.1f} s, all after {max(times):.1f} s")
    return Result(
        text=f"{options.executors:,} executors that started at once were all in after {max(slowest):.1f} s at most.",
        figures={"all_in_seconds": slowest},
        budgets=[Budget(f"{options.executors:,} executors all in", max(slowest), 10, 30, "s", at_most=True)],
    )


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--executors", type=int, default=1_000)


if __name__ == "__main__":
    run(__doc__, arguments, lambda options, processes, folder: measure(JobEngine(processes, folder), options))

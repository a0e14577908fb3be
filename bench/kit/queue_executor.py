"""A process that takes and consumes until it is told to stop: ``queue_executor.py ours|kazoo HOST PATH REPORT``.

It says ``ready`` on its output, begins at a line on its input, and ends at the end of its input. Its report is JSON:
the jobs that it processed, and the time of its last consume on the machine's monotonic clock.
"""

import asyncio
import json
import sys
import threading
import time
from pathlib import Path

WANT = 64
"""Entries that ours takes at once: a multi."""
CONSUMING = 2
"""Batches being consumed while the next is taken."""


class Report:
    """What has been processed."""

    def __init__(self) -> None:
        self.jobs: list[int] = []
        self.last = 0.0

    def note(self, *jobs: str) -> None:
        self.jobs += [int(job.rpartition("/")[2]) for job in jobs]
        self.last = time.monotonic()


def ours(host: str, path: str, report: Report) -> None:
    import uvloop

    from job_engine.queue import EndOutcome, LockingQueue, Session, ZooKeeper

    async def run() -> None:
        session = Session(ZooKeeper(hosts=host, path=path, session_timeout=20))
        queue = LockingQueue(session)
        await session.start(60)
        places = asyncio.Semaphore(CONSUMING)
        running: set[asyncio.Task[None]] = set()

        async def consume(taken: list) -> None:
            for one, outcome in zip(taken, await queue.consume(taken), strict=True):
                if outcome is EndOutcome.DONE:
                    report.note(one.job)
            places.release()

        async def drain() -> None:
            while True:
                await places.acquire()
                task = asyncio.create_task(consume(await queue.take(WANT)))
                running.add(task)
                task.add_done_callback(running.discard)

        await asyncio.to_thread(begin)
        draining = asyncio.create_task(drain())
        await asyncio.to_thread(sys.stdin.read)
        draining.cancel()
        await asyncio.wait([draining, *running])
        await session.close()

    uvloop.run(run())


def kazoo(host: str, path: str, report: Report) -> None:
    from kazoo.client import KazooClient

    client = KazooClient(host, timeout=20)
    client.start()
    queue = client.LockingQueue(path)
    begin()
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    while not stop.is_set():
        job = queue.get(0.5)
        if job is not None and queue.consume():
            report.note(job.decode())
    client.stop()


def begin() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    found = Report()
    {"ours": ours, "kazoo": kazoo}[sys.argv[1]](*sys.argv[2:4], found)
    Path(sys.argv[4]).write_text(json.dumps(vars(found)))

"""The floor of a start in a cluster: what a commit, a put, a take and a commit cost, one after the other."""

import asyncio
import random
import sqlite3
import time
from pathlib import Path

from job_engine.queue import LockingQueue, Session, ZooKeeper
from kit.client import CLUSTER_GAP
from kit.floor import ROW


def chain_times(folder: Path, host: str, path: str, times: int) -> list[float]:
    """Milliseconds of each: a row on disk, its entry put and taken by another session that waits, a row on disk."""
    return asyncio.run(_chain(folder / "chain.db", ZooKeeper(hosts=host, path=path), times))


async def _chain(file: Path, settings: ZooKeeper, times: int) -> list[float]:
    connection = sqlite3.connect(file, isolation_level=None)
    for statement in ("pragma journal_mode = wal", "pragma synchronous = full", "create table row (text text)"):
        connection.execute(statement)
    sessions = [Session(settings, kind=kind) for kind in ("relay", "executor")]
    queues = [LockingQueue(session) for session in sessions]
    for session in sessions:
        await session.start()
    found = []
    for number in range(times):
        taking = asyncio.create_task(queues[1].take(1))
        await asyncio.sleep(random.uniform(*CLUSTER_GAP))
        began = time.perf_counter()
        connection.execute("insert into row (text) values (?)", (ROW,))
        await queues[0].put(f"job/{number}")
        taken = await taking
        connection.execute("insert into row (text) values (?)", (ROW,))
        found.append((time.perf_counter() - began) * 1000)
        await queues[1].consume(taken)
    for session in sessions:
        await session.close()
    connection.close()
    return found

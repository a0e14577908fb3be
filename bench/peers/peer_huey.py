"""Huey on Redis, or on a file of SQLite that is synced with every change.

Worker processes, because the task is all interpreter; four of them, because on two cores that was faster than two (they
wait for Redis half of the time), and threads slower. No result store, no periodic tasks.
"""

import os

from huey import RedisHuey, SqliteHuey

from peers.stamps import write

kind, _, where = os.environ["BENCH_QUEUE"].partition(":")
if kind == "sqlite":
    huey = SqliteHuey("bench", filename=where, fsync=True, results=False)
    name, unfinished = "Huey on SQLite", ["select count(*) from task"]
else:
    huey = RedisHuey("bench", url=os.environ["BENCH_QUEUE"], results=False)
    name, unfinished = "Huey", ["LLEN huey.redis.bench"]

PEER = {
    "name": f"{name}, synced" if os.environ["BENCH_DURABLE"] and kind != "sqlite" else name,
    "worker": ["huey_consumer", "peers.peer_huey.huey", "-k", "process", "-w", "4", "-n", "-q"],
    "unfinished": unfinished,
    "jobs": 20_000,
    "stop": "SIGINT",
}


@huey.task()
def noop(n: int) -> None:
    return None


@huey.task()
def stamp(path: str, sent: float) -> None:
    write(path, sent)


def add_noop(n: int) -> None:
    noop(n)


def add_stamp(path: str, sent: float) -> None:
    stamp(path, sent)

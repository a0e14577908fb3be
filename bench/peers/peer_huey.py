"""Huey on Redis.

Worker processes, because the task is all interpreter; four of them, because on two cores that was faster than two (they
wait for Redis half of the time), and threads slower. No result store, no periodic tasks.
"""

import os

from huey import RedisHuey

from peers.stamps import write

huey = RedisHuey("bench", url=os.environ["BENCH_REDIS"], results=False)

PEER = {
    "name": "Huey",
    "worker": ["huey_consumer", "peers.peer_huey.huey", "-k", "process", "-w", "4", "-n", "-q"],
    "unfinished": ["LLEN huey.redis.bench"],
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

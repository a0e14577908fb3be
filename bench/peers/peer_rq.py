"""RQ.

A pool of two SimpleWorkers, which do not fork for each job: its own page on performance has them six times as fast for
jobs this short. Results are not kept.
"""

import os

from redis import Redis
from rq import Queue

from peers.stamps import write

URL = os.environ["BENCH_QUEUE"]
queue = Queue(connection=Redis.from_url(URL))

PEER = {
    "name": "RQ",
    "worker": ["rq", "worker-pool", "-n", "2", "-q", "-w", "rq.SimpleWorker", "-u", URL],
    "unfinished": ["LLEN rq:queue:default", "ZCARD rq:wip:default"],
    "jobs": 1_500,
    "stop": "SIGTERM",
}


def noop(n: int) -> None:
    return None


def stamp(path: str, sent: float) -> None:
    write(path, sent)


def add_noop(n: int) -> None:
    queue.enqueue(noop, n, result_ttl=0)


def add_stamp(path: str, sent: float) -> None:
    queue.enqueue(stamp, path, sent, result_ttl=0)

"""Celery on Redis.

As its optimizing guide says for many short tasks: a large prefetch, results ignored, no rate limits, no events, gossip,
mingle or heartbeats. Two prefork processes; its threads, its solo pool, two solo workers, and other numbers were alike,
since its main process, which talks to Redis, is the limit.
"""

import os

from celery import Celery

from peers.stamps import write

app = Celery("bench", broker=os.environ["BENCH_QUEUE"])
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=128,
    worker_disable_rate_limits=True,
    worker_send_task_events=False,
)

PEER = {
    "name": "Celery",
    "worker": (
        "celery -A peers.peer_celery worker -P prefork -c 2 -l ERROR"
        " --without-gossip --without-mingle --without-heartbeat"
    ).split(),
    "unfinished": ["LLEN celery", "HLEN unacked"],
    "jobs": 4_000,
    "stop": "SIGTERM",
}


@app.task(name="noop")
def noop(n: int) -> None:
    return None


@app.task(name="stamp")
def stamp(path: str, sent: float) -> None:
    write(path, sent)


def add_noop(n: int) -> None:
    noop.delay(n)


def add_stamp(path: str, sent: float) -> None:
    stamp.delay(path, sent)

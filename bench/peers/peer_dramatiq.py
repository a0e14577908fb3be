"""Dramatiq on Redis.

Two processes of eight threads, its default on two cores and the fastest that was tried: with fewer threads its polling
limits it, and without its default middleware or with a larger prefetch it was no faster.
"""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from peers.stamps import write

dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_QUEUE"]))

PEER = {
    "name": "Dramatiq",
    "worker": ["dramatiq", "peers.peer_dramatiq", "-p", "2", "-t", "8", "--skip-logging"],
    "unfinished": ["HLEN dramatiq:default.msgs"],
    "jobs": 20_000,
    "stop": "SIGTERM",
}


@dramatiq.actor
def noop(n: int) -> None:
    return None


@dramatiq.actor
def stamp(path: str, sent: float) -> None:
    write(path, sent)


def add_noop(n: int) -> None:
    noop.send(n)


def add_stamp(path: str, sent: float) -> None:
    stamp.send(path, sent)

"""Enqueues jobs of job-engine through its client, for ``kit.client``."""

import os

from job_engine.client import Client

client = Client(data=os.environ["BENCH_DATA"], environ={})


def add_noop(n: int) -> None:
    client.submit("bench-noop", payload={"n": n})


def add_many(jobs: int) -> None:
    client.submit_many("bench-noop", [{"n": n} for n in range(jobs)])


def add_stamp(path: str, sent: float) -> None:
    client.submit("bench-stamp", payload={"path": path, "sent": sent})

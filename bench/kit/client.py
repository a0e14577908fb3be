"""A client process: enqueues jobs of one system, for peers and ours alike, in the system's own environment.

``python -m kit.client MODULE describe``: prints the module's PEER as JSON.
``... fill N``: enqueues N no-op jobs (many at a time where the module has ``add_many``).
``... rate SECONDS``: says ready, waits for a line, enqueues one by one for so long.
``... bulk SIZE SECONDS``: the same, SIZE jobs at a time.
``... each N``: enqueues N no-op jobs one by one.
``... many N SIZE``: the same, SIZE at a time.
``... paced N``: the same, one by one with pauses in which the system is idle again.
``... stamps PATH N LEAST MOST``: enqueues N jobs that write to PATH when they were sent and when they started, each so
many seconds after the one before, at least and at most.
Each prints what it measured as JSON.
"""

import importlib
import json
import random
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

GAP = 0.02, 0.03
"""Seconds between two jobs whose start is measured, at least and at most: longer than any of the systems needs to be
idle again, and not in step with anyone's polling."""
CLUSTER_GAP = 0.1, 0.15
"""The same in a cluster: a job is out of the queue, and all executors have seen that, some 50 ms after its start."""
AT_ONCE = 10_000
"""Jobs that are filled in with one call, so that a client with a million to add does not hold them all."""


def fill(module: ModuleType, jobs: int) -> dict[str, Any]:
    started = time.perf_counter()
    if hasattr(module, "add_many"):
        for done in range(0, jobs, AT_ONCE):
            module.add_many(min(AT_ONCE, jobs - done))
    else:
        for n in range(jobs):
            module.add_noop(n)
    return {"jobs": jobs, "seconds": time.perf_counter() - started}


def rate(add: Callable[[int], object], per_call: int, seconds: float) -> dict[str, Any]:
    add(per_call)  # connects
    print("ready", flush=True)
    sys.stdin.readline()
    started = now = time.perf_counter()
    calls = 0
    while now < started + seconds:
        add(per_call)
        calls += 1
        now = time.perf_counter()
    return {"jobs": calls * per_call, "seconds": now - started}


def each(
    add: Callable[[int], object], jobs: int, per_call: int, gap: tuple[float, float] = (0.0, 0.0)
) -> dict[str, Any]:
    add(per_call)  # connects
    began = time.process_time()
    for _ in range(0, jobs, per_call):
        add(per_call)
        time.sleep(random.uniform(*gap))
    return {"jobs": jobs, "cpu": time.process_time() - began}


def stamps(module: ModuleType, path: str, jobs: int, gap: tuple[float, float]) -> dict[str, Any]:
    for _ in range(jobs):
        module.add_stamp(path, time.time())
        time.sleep(random.uniform(*gap))
    return {"jobs": jobs}


def main(name: str, command: str, *arguments: str) -> None:
    module = importlib.import_module(name)
    if command == "describe":
        answer = module.PEER
    elif command == "fill":
        answer = fill(module, int(arguments[0]))
    elif command == "rate":
        answer = rate(module.add_noop, 1, float(arguments[0]))
    elif command == "each":
        answer = each(module.add_noop, int(arguments[0]), 1)
    elif command == "many":
        answer = each(module.add_many, int(arguments[0]), int(arguments[1]))
    elif command == "paced":
        answer = each(module.add_noop, int(arguments[0]), 1, GAP)
    elif command == "bulk":
        answer = rate(module.add_many, int(arguments[0]), float(arguments[1]))
    else:
        answer = stamps(module, arguments[0], int(arguments[1]), (float(arguments[2]), float(arguments[3])))
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

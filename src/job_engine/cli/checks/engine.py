"""What ``doctor`` asks of the engine that answers, here or elsewhere. Each check yields findings, and none raises."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Final

from job_engine.cli.checks.machine import FAIL, OK, WARN, Finding
from job_engine.cli.command_line import here
from job_engine.cli.screen import age, first_line, length
from job_engine.client import Client
from job_engine.client.responses import ExecutorInfo, RefusedLogin
from job_engine.job.distributions import overdue, silence
from job_engine.job.errors import Forbidden, Invalid, JobEngineError, Unavailable
from job_engine.job.times import epoch

CLOCK: Final = 2.0
"""Seconds by which clocks may differ: times that a client computes, such as not-before, are then that wrong."""
QUEUED_SEEN: Final = 1_000
"""Queued jobs that are inspected."""
FAILED_SEEN: Final = 1_000
"""Jobs that failed within the last hour that are inspected."""
SHOWN: Final = 3
"""Jobs, or reasons, that a finding names: the rest is a number."""
REASON: Final = 100
"""Characters of a reason that are shown."""
WAITING: Final = "state='QUEUED' and execution-mode!='pull'"  # those in pull mode wait for an edge
HELD: Final = "state='RUNNING' and tags!='monitor'"  # a bulk job that only waits for its children takes no slot


def engine(client: Client) -> Iterator[Finding]:
    """The server, its record and clock, executors, actions, slots, waiting and failed jobs, distributions."""
    try:
        yield from _server(client)
        executors = client.executors()
        yield from _executors(executors)
        yield from _waiting(client, {action for executor in executors for action in executor.actions})
        yield from _slots(client, executors)
        yield from _failed(client)
        with suppress(Forbidden):  # they are for administrators
            yield from _distributions(client.distributions())
    except JobEngineError as error:
        yield Finding("server", FAIL, error.message)


def _server(client: Client) -> Iterator[Finding]:
    before = time.time()
    status = client.status()
    after = time.time()
    own = version("job-engine")
    if status.version == own:
        yield Finding("server", OK, f"{client.url}, version {own}")
    else:
        yield Finding(
            "server", WARN, f"{client.url} has version {status.version}, this program {own}; use the same of both"
        )
    yield _write(client)
    yield from _queue(status.queue)
    if status.now is not None:
        at = epoch(status.now)
        difference = max(before - at, at - after, 0.0)
        shown = f"differs from the server's by {difference:.1f} s"
        if difference > CLOCK:
            yield Finding("clock", WARN, f"{shown}; set both by NTP")
        else:
            yield Finding("clock", OK, shown)
    yield from (_refused(client, refused) for refused in status.refused_logins)
    if status.refused_connections:
        yield _connections(status.refused_connections)


def _write(client: Client) -> Finding:
    try:
        seconds = client.try_a_write().write_seconds or 0.0
    except Unavailable as error:
        return Finding("write", FAIL, error.message)
    except (Forbidden, Invalid) as error:  # who is no administrator; a server of before this check
        return Finding("write", WARN, f"not tried: {error.message}")
    return Finding("write", OK, f"a small write took {1000 * seconds:.0f} ms")


def _refused(client: Client, refused: RefusedLogin) -> Finding:
    """Credentials that were wrong within the last minute: mostly those of a program that tries again and again."""
    why = "see the credentials of the executor, distributor or program there"
    if refused.name.startswith("credential/"):
        keys = client.search("credential", filter=f'id="{refused.name}"', last=1)["resources"]
        expiry = keys[0].get("expiry") if keys else None
        if not keys:
            why = f"there is no such key: make a new one, and {why}"
        elif expiry and epoch(expiry) <= time.time():
            why = f"the key expired at {expiry}: make a new one, and {why}"
    return Finding("logins", WARN, f"{refused.name} was refused {refused.count} times from {refused.address}; {why}")


def _connections(refused: Mapping[str, int]) -> Finding:
    """Connections and requests beyond what the server grants each client."""
    named = "; ".join(f"{count} x {what}" for what, count in list(refused.items())[:SHOWN])
    more = f"; and {len(refused) - SHOWN} other kinds" if len(refused) > SHOWN else ""
    return Finding(
        "connections", WARN, f"refused within the last hour: {named}{more}; the server's log names the address that"
        " most came from: block it before the server, or repair that client",
    )  # fmt: skip


def _queue(queue: Mapping[str, Any] | None) -> Iterator[Finding]:
    """The locking queue, of a server that uses ZooKeeper."""
    if queue is None:
        return
    if queue["zookeeper"] != "connected":
        yield Finding(
            "zookeeper", FAIL, "the server is not connected to it: jobs wait; look closer with doctor --zk-hosts HOSTS"
        )
    elif queue.get("refused"):
        yield Finding(
            "zookeeper",
            FAIL,
            "the server's --zk-path is the queue of another record, a copy or another system, so its jobs wait:"
            " see job-engine queue",
        )
    elif queue.get("rivals"):
        yield Finding(
            "zookeeper",
            FAIL,
            "a server of another record uses the same --zk-path: see job-engine queue; give it its own",
        )
    else:
        yield Finding("zookeeper", OK, "the server is connected" + (", and leads" if queue["leads"] else ""))


def _executors(executors: Sequence[ExecutorInfo]) -> Iterator[Finding]:
    if not executors:
        yield Finding(
            "executors", FAIL, "none is alive: nothing runs; start one with job-engine up or job-engine executor"
        )
        return
    slots = sum(executor.slots for executor in executors)
    yield Finding("executors", OK, f"{len(executors)} alive, {slots} slots, {_busy(executors)} of them busy")
    for executor in executors:
        ahead = executor.clock_ahead or 0.0
        if abs(ahead) > CLOCK:
            shown = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'}"
            yield Finding(
                "clock", WARN, f"the clock of {executor.name} on {executor.host} was {shown} the server's when it"
                " connected; set both by NTP, and start it again",
            )  # fmt: skip
    failed = {source: error for executor in executors for source, error in executor.failed_imports.items()}
    for source, error in failed.items():
        yield Finding("actions", FAIL, f"{source} failed to import: {error}; repair it and start the executor again")
    if not failed:
        yield Finding("actions", OK, f"{len({a for e in executors for a in e.actions})} loaded")


def _waiting(client: Client, known: set[str]) -> Iterator[Finding]:
    found = client.search("job", filter=WAITING, select=["action"], orderby="created:asc", last=QUEUED_SEEN)
    lacking = Counter(job["action"] for job in found["resources"] if job.get("action") not in known)
    for action, count in lacking.most_common():
        yield Finding("queue", FAIL, f"{count} wait for {action!r}, which no executor has; load it with --actions")
    if not lacking:
        yield Finding("queue", OK, f"{found['count']} queued, an executor for each")


def _slots(client: Client, executors: Sequence[ExecutorInfo]) -> Iterator[Finding]:
    """Whether something is free; if not, what has run for longest, and the command that ends it."""
    slots = sum(executor.slots for executor in executors)
    if not slots or _busy(executors) < slots:
        return
    waiting = client.search("job", filter=WAITING, last=0)["count"]
    shown = ["action", "progress", "started"]
    found = client.search("job", filter=HELD, select=shown, orderby="started:asc", last=SHOWN)
    longest = [
        f"{job['id']} ({job['action']}, for {age(job.get('started'))}, at {job['progress']}%)"
        for job in found["resources"]
    ]
    if longest:
        first = found["resources"][0]["id"]
        yield Finding(
            "slots", WARN, f"all {slots} are busy, and {waiting} jobs wait; for longest run {', '.join(longest)};"
            f" free one with: {here('cancel', first)}",
        )  # fmt: skip


def _failed(client: Client) -> Iterator[Finding]:
    """What failed within the last hour, by action and reason."""
    within = "state='FAILED' and updated>'now-1h'"
    found = client.search("job", filter=within, select=["action", "status-message"], last=FAILED_SEEN)
    reasons = Counter(
        (str(job.get("action")), first_line(job.get("status-message"))[:REASON] or "without a reason")
        for job in found["resources"]
    )
    if not reasons:
        yield Finding("failures", OK, "no job failed within the last hour")
        return
    named = "; ".join(f"{count} of {action}: {reason}" for (action, reason), count in reasons.most_common(SHOWN))
    more = f"; and {len(reasons) - SHOWN} other reasons" if len(reasons) > SHOWN else ""
    yield Finding("failures", WARN, f"{found['count']} jobs failed within the last hour: {named}{more}")


def _distributions(documents: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    now = time.time()
    bad = 0
    for document in documents:
        name, silent = document["name"], silence(document, now)
        wrong: tuple[str, str] | None = None
        if document["paused"]:
            wrong = WARN, f"is paused; go on with: {here('distributions', 'resume', name)}"
        elif silent is not None:
            wrong = (
                FAIL,
                f"makes no jobs: no distributor with it was heard of for {length(silent)}; start one, or delete it",
            )
        elif overdue(document, now):
            late = length(now - epoch(document["next-tick"]))
            leader = document.get("leader") or document.get("ticked-by") or "the distributor"
            wrong = FAIL, f"is {late} late; see its last error, and the log of {leader}"
        elif document.get("last-error"):
            wrong = WARN, f"failed the last time: {first_line(document['last-error'])[:REASON]}"
        if wrong is not None:
            bad += 1
            yield Finding("distributions", wrong[0], f"{name} {wrong[1]}")
    if not bad:
        yield Finding("distributions", OK, f"{len(documents)}, none late, paused or failing")


def _busy(executors: Sequence[ExecutorInfo]) -> int:
    return sum(min(executor.holds, executor.slots) for executor in executors)

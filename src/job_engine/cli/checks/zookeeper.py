"""What ``doctor`` looks at in ZooKeeper. Each check yields findings, and none raises."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from job_engine.cli.checks.engine import CLOCK
from job_engine.cli.checks.machine import FAIL, OK, WARN, Finding
from job_engine.cli.options.zookeeper import elsewhere
from job_engine.client import Client
from job_engine.job.errors import JobEngineError
from job_engine.relay.other_servers import by_record

if TYPE_CHECKING:
    from job_engine.queue import ZooKeeper
    from job_engine.queue.examine import Examination, Server

LACKS: Final = (
    ((3, 5), "it has no TLS and gets no repairs any more"),
    ((3, 6), "entries are read one by one, so one executor takes half as many in a second"),
)
"""What a server before a version lacks, of what we use."""
OLDEST: Final = (3, 4)
"""Servers before this version do not let several nodes change together, on which everything rests."""
SLOW: Final = 1.0
"""Seconds for a write, above which sessions are at risk: each is kept alive by writes."""
NAMED: Final = 3
"""Names shown of what is left over."""


def zookeeper(settings: "ZooKeeper") -> Iterator[Finding]:
    """Each server, the session, rights, leftovers, clock."""
    from job_engine.queue.examine import examine, servers

    # What fails is told as a finding; without a handler Python would print what kazoo says of it, too.
    logging.getLogger("job_engine.queue").addHandler(logging.NullHandler())
    found = asyncio.run(servers(settings))
    yield from (_server(server) for server in found)
    yield from _ensemble(found)
    try:
        seen = asyncio.run(examine(settings))
    except JobEngineError as error:
        yield Finding(
            "session", FAIL, f"{error.message.rstrip('.')}; see the addresses, the chroot and the credentials"
        )
        return
    yield _session(settings, seen)
    yield from _path(settings, seen)
    yield from _records(settings, seen)
    yield from _leftovers(seen)
    if seen.write is not None:
        shown = f"a write took {1000 * seen.write:.0f} ms"
        late = seen.write > SLOW
        yield Finding(
            "zk write", WARN if late else OK, f"{shown}; see its disk, and who else writes" if late else shown
        )
    if seen.ahead is not None:
        yield _clock(seen.ahead)


def of_server(client: Client) -> Iterator[Finding]:
    """The ZooKeeper that the server uses: executors that are not there, and all the rest, if it can be reached."""
    try:
        if client.status().queue is None:
            return
        told = client.queue()
        if "hosts" not in told:
            return  # a server of an earlier version
        yield from _absent(told)
        settings = elsewhere(told["hosts"], told["path"], told["session-timeout"])
    except JobEngineError as error:
        yield Finding("zookeeper", WARN, f"the server does not tell which it uses: {error.message}")
        return
    from job_engine.queue.examine import servers

    if all(server.trouble for server in asyncio.run(servers(settings))):
        yield Finding(
            "zookeeper",
            WARN,
            f"{told['hosts']}, which the server uses, cannot be reached from here: run doctor on the server's machine",
        )
        return
    yield from zookeeper(settings)


def _absent(told: Mapping[str, Any]) -> Iterator[Finding]:
    absent = [f"{one['name']} on {one['host']}" for one in told.get("absent", ())]
    if absent:
        yield Finding(
            "members",
            FAIL,
            f"{_some(absent)} {'is' if len(absent) == 1 else 'are'} alive, but not at {told['path']} in the server's"
            f" ZooKeeper ({told['hosts']}), and gets no jobs: give each executor the server's --zk-hosts and --zk-path",
        )


def _server(server: "Server") -> Finding:
    if server.trouble:
        return Finding("zookeeper", FAIL, f"{server.host}: {server.trouble}; start it, or take it off --zk-hosts")
    if server.silent:
        return Finding(
            "zookeeper", WARN, f"{server.host} answers, but not what it is; add srvr to its 4lw.commands.whitelist"
        )
    shown = f"{server.host}, {server.mode}, version {'.'.join(map(str, server.version)) or 'unknown'}"
    if server.version and server.version < OLDEST:
        return Finding("zookeeper", FAIL, f"{shown}: before 3.4 no queue is possible; upgrade it")
    lacks = [what for version, what in LACKS if server.version and server.version < version]
    if lacks:
        return Finding("zookeeper", WARN, f"{shown}: works, but {', and '.join(lacks)}; upgrade it when you can")
    return Finding("zookeeper", OK, shown)


def _ensemble(servers: Sequence["Server"]) -> Iterator[Finding]:
    modes = Counter(server.mode for server in servers if server.mode)
    if len(servers) > 1 and modes["standalone"]:
        alone = [server.host for server in servers if server.mode == "standalone"]
        yield Finding(
            "ensemble",
            FAIL,
            f"{', '.join(alone)} knows no other server, but several are listed; repair its server.N lines",
        )
    elif modes["leader"] > 1:
        yield Finding(
            "ensemble", FAIL, f"{modes['leader']} leaders: these servers are not one ensemble; see --zk-hosts"
        )


def _session(settings: "ZooKeeper", seen: "Examination") -> Finding:
    asked, granted = f"{settings.session_timeout:g} s", f"{seen.granted:g} s"
    if granted == asked:
        return Finding("session", OK, f"timeout {granted}, as asked for")
    # The server keeps to 2..20 of its ticks.
    setting = "minSessionTimeout" if seen.granted > settings.session_timeout else "maxSessionTimeout"
    return Finding(
        "session", WARN, f"timeout {granted} is granted, {asked} asked for; change --session-timeout or {setting}"
    )


def _path(settings: "ZooKeeper", seen: "Examination") -> Iterator[Finding]:
    at = f"{settings.path} in {settings.hosts.partition('/')[1]}{settings.hosts.partition('/')[2]}".removesuffix(" in ")
    if len(seen.missing) == 3:
        yield Finding("path", WARN, f"{at} is empty: nobody has used a queue there yet, or --zk-path is wrong")
        return
    if seen.missing:
        yield Finding("path", WARN, f"{at} has no {' and no '.join(seen.missing)} yet; a server or executor makes it")
    if seen.refused:
        yield Finding(
            "rights",
            FAIL,
            f"we may not create and delete in {', '.join(seen.refused)} of {at}; see --zk-auth and its ACL",
        )
    else:
        yield Finding("rights", OK, f"create and delete below {at}")
    if seen.open:
        from job_engine.queue.openness import ADVICE

        yield Finding("rights", WARN, f"anybody who reaches ZooKeeper may change {', '.join(seen.open)}: {ADVICE}")


def _records(settings: "ZooKeeper", seen: "Examination") -> Iterator[Finding]:
    found = by_record(seen.members.values())
    if len(found) > 1:
        servers = "; ".join(name for names in found.values() for name in names)
        yield Finding(
            "records",
            FAIL,
            f"servers of {len(found)} records use {settings.path} ({servers}): only one leads, and the jobs of the"
            " others wait; give each record a --zk-path of its own",
        )


def _leftovers(seen: "Examination") -> Iterator[Finding]:
    if len(seen.missing) == 3:
        return
    kinds = Counter(name.rpartition("-")[0] or name for name in seen.members)
    members = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(kinds.items()))
    yield Finding("entries", OK, f"{seen.entries}, of which {seen.taken} taken; members: {members or 'none'}")
    if seen.strays:
        yield Finding(
            "entries",
            WARN,
            f"{_some(seen.strays)} among the entries: no entry's name, and nobody of ours takes it; delete it",
        )
    if seen.orphans:
        yield Finding(
            "taken",
            WARN,
            f"{_some(seen.orphans)} without an entry: they go with the session of who took them; see who that is",
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _clock(ahead: float) -> Finding:
    shown = f"differs from ZooKeeper's by {abs(ahead):.1f} s"
    if abs(ahead) > CLOCK:
        return Finding("zk clock", WARN, f"{shown}; set both by NTP")
    return Finding("zk clock", OK, shown)

"""Checks of ZooKeeper for `job-engine doctor`: each server, one session, rights, and leftovers.

The checks put no entry and make no member, and a node that is created to try the rights is deleted in the same
transaction, so that no listing ever shows it. kazoo takes any name among the entries for a job.
"""

import asyncio
import contextlib
import re
import secrets
import socket
import time
from dataclasses import dataclass
from typing import Any

from kazoo.hosts import collect_hosts

from job_engine.job.errors import Forbidden, JobEngineError, Unreachable
from job_engine.queue import wire
from job_engine.queue.link import Link
from job_engine.queue.names import parse
from job_engine.queue.openness import open_folders
from job_engine.queue.session import ENTRIES, MEMBERS, TAKEN
from job_engine.queue.settings import ZooKeeper, ZooKeeperTls
from job_engine.queue.tls import context

ANSWER_SECONDS = 3.0
"""Seconds that a server may take to answer a four-letter word."""
FOLDERS = (ENTRIES, TAKEN, MEMBERS)

_VERSION = re.compile(r"version: (\d+)\.(\d+)\.(\d+)")
_MODE = re.compile(r"Mode: (\w+)")


@dataclass(frozen=True)
class Server:
    """The state that one server reports, or why it reports none."""

    host: str
    trouble: str = ""  # it cannot be reached, or serves nobody
    silent: bool = False  # it answers, but does not tell what it is: four-letter words are switched off
    mode: str = ""  # leader, follower, observer, standalone
    version: tuple[int, ...] = ()


@dataclass(frozen=True)
class Examination:
    """The findings of one session."""

    granted: float  # session timeout, seconds
    missing: list[str]  # folders that do not exist
    refused: list[str]  # folders in which we must not create and delete
    entries: int
    taken: int
    members: dict[str, str]  # names, and how they call themselves
    strays: list[str]  # names among the entries that are no entry's
    orphans: list[str]  # taken nodes without an entry
    open: list[str]  # folders that anybody may change
    ahead: float | None  # seconds by which our clock is before the server's, None where it could not be asked
    write: float | None  # seconds that a write took, likewise


async def servers(settings: ZooKeeper) -> list[Server]:
    """Ask each server what it is, all at once."""
    hosts, _ = collect_hosts(settings.hosts)
    return await asyncio.gather(*[asyncio.to_thread(_ask, host, port, settings.tls) for host, port in hosts])


async def examine(settings: ZooKeeper, within: float = 10.0) -> Examination:
    """Look through a session of its own. Raises Unreachable, Forbidden, and as `Link.call` does."""
    changed = asyncio.Event()
    link = Link(settings, changed.set)
    link.open()
    try:
        try:
            async with asyncio.timeout(within):
                while not (link.connected or link.ended):
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            raise Unreachable(
                f"no session within {within:.0f} s{f' ({link.trouble})' if link.trouble else ''}"
            ) from None
        if not link.connected:
            raise Forbidden("the servers do not accept these credentials")
        return await _examine(link, settings)
    finally:
        await link.close()


async def _examine(link: Link, settings: ZooKeeper) -> Examination:
    paths = {folder: link.path(settings.path, folder) for folder in FOLDERS}
    link.send(wire.sync(paths[ENTRIES]))
    # The taken nodes twice: what is consumed meanwhile is in the first listing only, what is taken in the second.
    asked = (TAKEN, ENTRIES, TAKEN, MEMBERS)
    listed = await link.responses(*[link.send(wire.Children(paths[folder].decode(), None)) for folder in asked])
    for answer in listed:
        if isinstance(answer, Exception) and getattr(answer, "code", None) != wire.NO_NODE:
            raise answer
    before, entries, after, members = ([] if isinstance(answer, Exception) else answer for answer in listed)
    missing = [folder for folder, names in zip(asked[1:], listed[1:], strict=True) if isinstance(names, Exception)]
    present = [folder for folder in FOLDERS if folder not in missing]
    refused = [folder for folder in present if not await _may(link, paths[folder])]
    member_paths = [link.path(settings.path, MEMBERS, name) for name in members]
    nodes = await link.nodes(link.send_reads(member_paths))
    may_ask = MEMBERS in present and MEMBERS not in refused
    ahead, write = await _clock(link, paths[MEMBERS]) if may_ask else (None, None)
    return Examination(
        granted=link.granted,
        missing=missing,
        refused=refused,
        entries=sum(parse(name) is not None for name in entries),
        taken=len(after),
        members={
            name: node.data.decode(errors="replace") for name, node in sorted(zip(members, nodes, strict=True)) if node
        },
        strays=sorted(name for name in entries if parse(name) is None),
        orphans=sorted(set(before) & set(after) - set(entries)),
        open=await open_folders(link, [paths[folder] for folder in present]),
        ahead=ahead,
        write=write,
    )


async def _may(link: Link, folder: bytes) -> bool:
    """Whether we may create and delete there."""
    node = folder + b"/doctor-" + secrets.token_hex(8).encode()
    try:
        answer = await link.call(wire.multi([wire.create(node, b"", link.acl), wire.delete(node)]))
    except Forbidden:
        return False
    return bool(answer.done)


async def _clock(link: Link, members: bytes) -> tuple[float | None, float | None]:
    """By how much our clock differs, and how long a write took: the server writes the time into a node that it makes.

    The difference is 0 within the round trip.
    """
    node = members + b"/doctor-" + secrets.token_hex(8).encode()
    before, began = time.time(), time.monotonic()
    made = await link.call(wire.multi([wire.create(node, b"", link.acl, wire.EPHEMERAL)]))
    after, took = time.time(), time.monotonic() - began
    if not made.done:
        return None, None
    try:
        created = (await link.call(wire.read(node))).created
    except JobEngineError:
        return None, took
    finally:
        with contextlib.suppress(JobEngineError):
            await link.call(wire.multi([wire.delete(node)]))
    return float(min(max(created, before), after) - created), took


def _ask(host: str, port: int, tls: ZooKeeperTls | None) -> Server:
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        said = _word(host, port, tls)
    except OSError as error:
        return Server(name, trouble=" ".join(str(error).split()) or type(error).__name__)
    mode, version = _MODE.search(said), _VERSION.search(said)
    if mode:
        return Server(name, mode=mode[1], version=tuple(map(int, version.groups())) if version else ())
    if "not currently serving" in said:
        return Server(name, trouble="it runs and serves nobody: it has no quorum")
    return Server(name, silent=True)


def _word(host: str, port: int, tls: ZooKeeperTls | None) -> str:
    with contextlib.ExitStack() as stack:
        connection: Any = stack.enter_context(socket.create_connection((host, port), ANSWER_SECONDS))
        if tls:
            connection = stack.enter_context(context(tls).wrap_socket(connection, server_hostname=host))
        connection.settimeout(ANSWER_SECONDS)
        connection.sendall(b"srvr")
        said = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):  # it says nothing, and that is an answer too
            while data := connection.recv(4096):
                said += data
        return said.decode(errors="replace")

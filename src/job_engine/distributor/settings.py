"""What a distributor is told when it starts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from job_engine.client.endpoint import Credentials
from job_engine.client.tls import VERIFY, Tls

if TYPE_CHECKING:
    from job_engine.queue import ZooKeeper


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributorSettings:
    """One distributor's configuration; durations in seconds."""

    api_url: str
    credentials: Credentials = field(default_factory=Credentials)
    tls: Tls = VERIFY  # for a server whose URL begins with https
    name: str = ""  # how people know it; empty: made of the host's name
    distributions: tuple[str, ...] = ()  # dotted modules, .py files and folders
    needed: bool = False  # one of these that does not load ends the distributor at its start
    entry_points: bool = True  # load what installed packages offer, too
    only: tuple[str, ...] = ()  # names of the only distributions to make jobs for; empty: all
    exclude: tuple[str, ...] = ()  # names, as registered, of those to leave alone
    intervals: tuple[tuple[str, float], ...] = ()  # (name, seconds): instead of its own schedule
    keep_jobs: float | None = 7 * 86400.0  # how old final jobs get before cleanup_jobs deletes them; None: it does not
    zookeeper: "ZooKeeper | None" = None
    wait_for_api: bool = True  # else an API server that does not answer at the start ends the distributor
    statsd: str | None = None  # HOST or HOST:PORT
    log_level: str = "INFO"
    parent_fd: int | None = None  # the read end of a pipe: its end of file ends the distributor at once
    on_start: Callable[[], None] = lambda: None  # called once, in the running event loop

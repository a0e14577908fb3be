"""What an executor is told when it starts."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from job_engine.client.endpoint import Credentials
from job_engine.client.tls import VERIFY, Tls

if TYPE_CHECKING:  # who needs no ZooKeeper need not load its client
    from job_engine.queue import ZooKeeper


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings:
    """One executor's configuration; durations in seconds."""

    api_url: str
    credentials: Credentials = field(default_factory=Credentials)
    tls: Tls = VERIFY  # for a server whose URL begins with https
    zookeeper: "ZooKeeper | None" = None  # where the locking queue is; None: the API server decides who runs what
    wait_for_api: bool = True  # for one that does not answer at the start
    job_id: str | None = None  # run this one job, which nobody gives us, and end
    names_hold: bool = True  # actions' requests name their hold; only a record of ours knows what that is
    full_api: bool = False  # actions may do there what the executor may, not only what the owner of their job may
    name: str = ""  # how people know it; empty: made of the host's name
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    threads: int = 4  # slots a process
    actions: tuple[str, ...] = ()  # dotted modules, .py files and folders
    needed: bool = False  # one of these that does not load ends the executor at its start
    entry_points: bool = True  # load what installed packages offer, too
    pull_mode_only: bool = False  # of all these keep only what a NuvlaEdge may run
    logs_in_output: bool = False  # whether all that is logged goes to the jobs' ``output``
    nuvlaedge_fs: str | None = None  # the folder that a NuvlaEdge shares with its jobs
    version: str = field(default_factory=lambda: version("job-engine"))  # of the engine, for messages
    shutdown_timeout: float = 120.0  # how long running jobs may go on after the first signal
    api_grace: float = 30.0  # how long the API may be away before running jobs are interrupted and released
    unknown_action_grace: float = 600.0  # beside Nuvla, how long a job is left to others whose action we lack
    masked: tuple[str, ...] = ()  # regular expressions of what the logs and messages of jobs do not say
    run_dir: Path | None = None  # where its lock and id are; a successor there takes over at once
    log_level: str = "INFO"
    parent_fd: int | None = None  # the read end of a pipe: its end of file ends the executor at once
    on_start: Callable[[], None] = lambda: None  # called once, in the running event loop

    @property
    def hands_out(self) -> bool:
        """Whether actions get the executor's credentials: as asked, and beside a Nuvla server, which has no tokens."""
        return self.full_api or not self.names_hold

    @property
    def slots(self) -> int:
        """How many jobs can run at a time."""
        return self.processes * self.threads

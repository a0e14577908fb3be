"""What an API server is told at its start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final

from job_engine.api.audit import KEEP
from job_engine.api.declared_types import DeclaredType
from job_engine.job.attend import PERIOD

UNKNOWN_ACTION_GRACE: Final = 3600.0
"""Seconds that a job waits for an executor that has its action: long enough to deploy one."""


def _version() -> str:
    try:
        return version("job-engine")
    except PackageNotFoundError:  # run from a tree that is not installed
        return "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What each caller may use who is no administrator."""

    jobs: int = 10_000  # that are queued at a time
    job_bytes: int = 10 << 30  # of the jobs that there are, ended ones included: what their maker chose of them
    priority: int = 0  # the best that their jobs may have; lower runs first
    documents: int = 256 << 20  # bytes of JSON, in documents other than jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """One API server: where its record is, and how the world reaches it."""

    database: Path
    host: str = "127.0.0.1"
    port: int = 8080
    url: str | None = None  # how clients reach it, when that is not http(s)://host:port
    certificate: Path | None = None  # under which it serves https; None: it serves http
    executors_certified: bool = False  # executors and distributors have to show a certificate of their own
    trust_authn_header: tuple[IPv4Network | IPv6Network, ...] = ()  # whose nuvla-authn-info is believed
    trust_proxy: tuple[IPv4Network | IPv6Network, ...] = ()  # whose X-Forwarded-For or Forwarded is believed
    unknown_action_grace: float = UNKNOWN_ACTION_GRACE  # seconds
    period: float = PERIOD  # seconds after which a silent executor loses its holds
    cluster: bool = False  # whether executors take jobs from ZooKeeper, which this server fills
    queue: str = ""  # where the queue is there, chroot and path: executors are told, to compare
    quota: Quota = Quota()  # of each caller who is no administrator
    admin_folder: Path | None = (
        None  # where admin.toml is left for the owner of the data; None: no administrator is made
    )
    types: Mapping[str, DeclaredType] = field(default_factory=dict)  # by name: those that are served beside its own
    audit_log: str | None = None  # a file that gets the audit's events as JSON lines; "-": the log
    keep_audit: float = KEEP  # seconds for which they are kept
    version: str = _version()

    @property
    def base(self) -> str:
        """The URL at which clients find the server, without a slash at its end."""
        if self.url is not None:
            return self.url.rstrip("/").removesuffix("/api")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        scheme = "http" if self.certificate is None else "https"
        return f"{scheme}://[{host}]:{self.port}" if ":" in host else f"{scheme}://{host}:{self.port}"

"""``job-engine server``: one API server."""

import os
import socket
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from job_engine.cli.options.parts import (
    audit_log_option,
    declared,
    keep_audit_option,
    log_level_option,
    nuvla_types_option,
    parent_option,
    types_option,
)
from job_engine.cli.options.shared import command, data_option, duration, engine_option
from job_engine.cli.options.zookeeper import ZK_SEVERAL, zk_options
from job_engine.cli.processes.folder import RECORD, prepare
from job_engine.cli.processes.health import Start, health_checked
from job_engine.cli.processes.journal import log_to_stderr
from job_engine.cli.screen import say
from job_engine.cli.serving.listening import address_of, listening, local_url
from job_engine.cli.serving.tls import ServerTls, client_ca_option, tls_options
from job_engine.client.discovery import ADMIN_FILE, data_folder
from job_engine.client.private import warn_if_exposed
from job_engine.job.errors import Invalid
from job_engine.parent import when_gone

if TYPE_CHECKING:
    from job_engine.queue import ZooKeeper

SQLITE: Final = "sqlite:///"


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise click.BadParameter(f"{text} is not a network such as 10.0.0.0/8 ({error})") from None


@command("server", several=("--trust-authn-header", "--trust-proxy", "--types", *ZK_SEVERAL))
@engine_option("--database", metavar="URL", help=f"{SQLITE}PATH.  [default: {RECORD} in the data folder]")
@data_option()
@engine_option("--host", default="127.0.0.1", help="Address to listen on.")
@engine_option("--port", type=click.IntRange(0, 65535), default=8080, help="Port to listen on; 0 takes a free one.")
@engine_option("--url", metavar="URL", help="Where clients reach the server.  [default: http(s)://HOST:PORT]")
@engine_option(
    "--trust-authn-header",
    metavar="CIDR...",
    type=_network,
    multiple=True,
    help="Networks whose header nuvla-authn-info is believed.",
)
@engine_option(
    "--trust-proxy",
    metavar="CIDR...",
    type=_network,
    multiple=True,
    help="Networks of proxies whose X-Forwarded-For or Forwarded says where a client is.",
)
@engine_option(
    "--unknown-action-grace",
    metavar="TIME",
    type=duration,
    default="1h",
    help="How long a job may wait for an executor that has its action, before it fails.",
)
@tls_options
@client_ca_option
@engine_option(
    "--user-jobs",
    metavar="N",
    type=click.IntRange(0),
    default=10_000,
    help="How many jobs of each user who is no administrator may be queued at a time.",
)
@engine_option(
    "--user-job-bytes",
    metavar="MIB",
    type=click.IntRange(0),
    default=10_240,
    help="How many MiB the jobs of each of them may have, ended ones included.",
)
@engine_option(
    "--user-priority",
    metavar="N",
    type=click.IntRange(0, 999),
    default=0,
    help="The best priority of jobs that they add; lower runs first.",
)
@engine_option(
    "--user-documents",
    metavar="MIB",
    type=click.IntRange(0),
    default=256,
    help="How many MiB the documents of each of them may have, jobs apart.",
)
@types_option
@nuvla_types_option
@audit_log_option
@keep_audit_option
@health_checked("server")
@log_level_option()
@zk_options
@parent_option
@click.option("--fd", type=int, hidden=True)
def server(
    database: str | None,
    data: Path | None,
    host: str,
    port: int,
    url: str | None,
    trust_authn_header: tuple[IPv4Network | IPv6Network, ...],
    trust_proxy: tuple[IPv4Network | IPv6Network, ...],
    unknown_action_grace: float,
    tls: ServerTls | None,
    user_jobs: int,
    user_job_bytes: int,
    user_priority: int,
    user_documents: int,
    types: tuple[Path, ...],
    nuvla_types: bool,
    audit_log: str | None,
    keep_audit: float,
    log_level: str,
    zookeeper: "ZooKeeper | None",
    parent_fd: int | None,
    fd: int | None,
    on_start: Start,
) -> int:
    """Run an API server, and the page.

    With --zk-hosts it puts the jobs into a locking queue in ZooKeeper, for executors that are started with --zk-hosts
    too: on many machines, and beside those of Nuvla.

    It leaves the administrator's credentials in admin.toml beside its database.
    """
    path = _path(database, data)
    log_to_stderr(log_level)
    if parent_fd is None:  # else up has done it
        warn_if_exposed(path.parent)

    from job_engine.api.settings import Quota, ServerSettings
    from job_engine.cli.serving.application import Serving

    context = None if tls is None else tls.context()
    sock = socket.socket(fileno=fd) if fd is not None else listening(host, port)
    host, port = address_of(sock) if fd is None else (host, port)
    settings = ServerSettings(
        database=path,
        host=host,
        port=port,
        url=url,
        trust_authn_header=trust_authn_header,
        trust_proxy=trust_proxy,
        unknown_action_grace=unknown_action_grace,
        quota=Quota(
            jobs=user_jobs,
            job_bytes=user_job_bytes << 20,
            priority=user_priority,
            documents=user_documents << 20,
        ),
        types=declared(types, nuvla_types),
        audit_log=audit_log,
        keep_audit=keep_audit,
        admin_folder=path.parent,
        cluster=zookeeper is not None,
        certificate=None if tls is None else Path(tls.certificate),
        executors_certified=tls is not None and tls.client_ca is not None,
        queue="" if zookeeper is None else zookeeper.place,
    )
    serving = Serving(settings, zookeeper, context)
    if parent_fd is not None:
        when_gone(parent_fd, serving.orphaned)
    served = f"job-engine: listening on {settings.base}, credentials in {path.parent / ADMIN_FILE}"

    def ready() -> None:
        on_start(f"{local_url(host, port, tls=tls is not None)}/api/status")
        if fd is None:
            say(served, err=True)

    serving.run(sock, ready)
    return 0


def _path(database: str | None, data: Path | None) -> Path:
    if database is None:
        return prepare(data_folder(data, os.environ)) / RECORD
    if not database.startswith(SQLITE) or database == SQLITE:
        raise Invalid(
            f"{database!r} is not a database this version knows; write {SQLITE}PATH, e.g. {SQLITE}/srv/record.db"
        )
    path = Path(database.removeprefix(SQLITE)).expanduser()
    return prepare(path.parent) / path.name

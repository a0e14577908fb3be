"""``job-engine up``: everything on one machine."""

import os
from pathlib import Path

import click

from job_engine.cli.options.parts import (
    actions_option,
    audit_log_option,
    declared,
    distributions_option,
    keep_audit_option,
    keep_jobs_option,
    keeping,
    log_level_option,
    mask_patterns_option,
    nuvla_types_option,
    patterns_in,
    processes_option,
    shutdown_timeout_option,
    threads_option,
    types_option,
)
from job_engine.cli.options.shared import certificate_options, command, data_option, engine_option
from job_engine.cli.serving.tls import ServerTls, client_ca_option, tls_options
from job_engine.client.discovery import data_folder
from job_engine.client.private import warn_if_exposed
from job_engine.client.tls import Tls
from job_engine.job.errors import Invalid


@command("up", several=("--actions", "--distributions", "--types"))
@data_option()
@engine_option("--host", default="127.0.0.1", help="Address to listen on.")
@engine_option("--port", type=click.IntRange(0, 65535), default=8080, help="Port to listen on; 0 takes a free one.")
@tls_options
@client_ca_option
@certificate_options
@actions_option
@distributions_option
@keep_jobs_option
@processes_option
@threads_option
@shutdown_timeout_option
@mask_patterns_option
@types_option
@nuvla_types_option
@audit_log_option
@keep_audit_option
@log_level_option("WARNING")
def up(
    data: Path | None,
    host: str,
    port: int,
    tls: ServerTls | None,
    api_cert: str | None,
    api_cert_key: str | None,
    actions: tuple[str, ...],
    distributions: tuple[str, ...],
    keep_jobs: str,
    processes: int | None,
    threads: int,
    shutdown_timeout: float,
    mask_patterns: Path | None,
    types: tuple[Path, ...],
    nuvla_types: bool,
    audit_log: str | None,
    keep_audit: float,
    log_level: str,
) -> int:
    """Run everything on this machine: API, page, executor, distributor.

    Ctrl-C stops it: running jobs get --shutdown-timeout to finish. A second Ctrl-C stops at once; what is not done
    runs again at the next start. Nothing is lost either way.
    """
    from job_engine.cli.processes.engine import Engine
    from job_engine.cli.processes.folder import RECORD, in_use, locked, prepare
    from job_engine.cli.processes.journal import level_number
    from job_engine.cli.serving.listening import listening

    level_number(log_level)
    keeping(keep_jobs)
    patterns_in(mask_patterns)
    declared(types, nuvla_types)
    for what, sources in (("actions", actions), ("distributions", distributions)):
        for source in sources:
            if (os.sep in source or source.endswith(".py")) and not Path(source).expanduser().exists():
                raise Invalid(f"there is no file or folder {source!r} to load {what} from (--{what})")
    if tls is not None:
        tls.context()  # what is wrong with its files is said before anything starts
    certified = _certified(tls, api_cert, api_cert_key)
    folder = prepare(data_folder(data, os.environ))
    warn_if_exposed(folder)
    with locked(folder), listening(host, port, lambda: in_use(folder / f"{RECORD}.lock")) as sock:
        return Engine(
            folder,
            sock,
            tls,
            server=[
                *(part for file in types for part in ("--types", str(file.absolute()))),
                *(("--nuvla-types",) if nuvla_types else ()),
                *("--keep-audit", f"{keep_audit:g}"),
                *(("--audit-log", audit_log if audit_log == "-" else os.path.abspath(audit_log)) if audit_log else ()),
            ],
            executor=[
                *certified,
                *(part for source in actions for part in ("--actions", source)),
                *(("--processes", str(processes)) if processes else ()),
                *(("--mask-patterns", str(mask_patterns.absolute())) if mask_patterns else ()),
                *("--threads", str(threads), "--shutdown-timeout", f"{shutdown_timeout:g}"),
            ],
            distributor=[
                *certified,
                *(part for source in distributions for part in ("--distributions", source)),
                *("--keep-jobs", keep_jobs),
            ],
            shutdown_timeout=shutdown_timeout,
            log_level=log_level,
        ).run()


def _certified(tls: ServerTls | None, certificate: str | None, key: str | None) -> list[str]:
    """What the executor and distributor are told of the certificate that they show.

    Raises:
        Invalid: they need one and have none, or its files are not what they should be.
    """
    if certificate is None:
        if tls is not None and tls.client_ca is not None:
            raise Invalid("--tls-client-ca asks the executor of up as well: give it a certificate, with --api-cert")
        return []
    shown = Tls(certificate=os.path.abspath(certificate), key=None if key is None else os.path.abspath(key))
    shown.context()
    return ["--api-cert", str(shown.certificate), *(("--api-cert-key", shown.key) if shown.key is not None else ())]

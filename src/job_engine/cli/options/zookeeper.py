"""The options that say where ZooKeeper is and how to get in: the same on all commands."""

import re
from collections.abc import Iterable
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from job_engine.cli.options.secrets import secret_option
from job_engine.cli.options.shared import Decorator, F, duration, engine_option
from job_engine.job.errors import Invalid

if TYPE_CHECKING:
    from job_engine.queue import ZooKeeper, ZooKeeperTls

ZK_SEVERAL: Final = ("--zk-hosts", "--zk-auth", "--zk-acl", "--zk-sasl")
"""Those that take several values, for `command`."""

_NAMES: Final = (
    "zk_hosts", "zk_path", "zk_auth", "zk_acl", "zk_ca", "zk_cert", "zk_key", "zk_key_password", "zk_no_verify",
    "zk_sasl", "session_timeout",
)  # fmt: skip
_GIVEN: Final = "job_engine.zookeeper"
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+)(:(?P<port>[0-9]{1,5}))?")
_DIGEST: Final = "DIGEST-MD5"
_OURS: Final = "auth::cdrwa"
"""Whoever has the credentials of who made the node, and nobody else."""


def zk_options(function: F) -> F:
    """Adds the options; the function gets ``zookeeper``: a `queue.ZooKeeper`, or None without ``--zk-hosts``."""

    @wraps(function)
    def with_zookeeper(*arguments: Any, **rest: Any) -> Any:
        given = click.get_current_context().meta[_GIVEN] = {name: rest.pop(name) for name in _NAMES}
        return function(*arguments, zookeeper=_zookeeper(**given), **rest)

    wrapped: Any = with_zookeeper
    for decorate in reversed(_options()):
        wrapped = decorate(wrapped)
    return wrapped  # type: ignore[no-any-return]


def elsewhere(hosts: str, path: str, session_timeout: float) -> "ZooKeeper":
    """A queue that somebody else told of, with the credentials among the options of this command. Raises Invalid."""
    given = click.get_current_context().meta[_GIVEN]
    found = _zookeeper(**given | {"zk_hosts": (hosts,), "zk_path": path, "session_timeout": session_timeout})
    assert found is not None
    return found


def _options() -> list[Decorator[Any]]:
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    return [
        engine_option(
            "--zk-hosts",
            metavar="HOST[:PORT]...",
            multiple=True,
            help="The ZooKeeper servers, as values or with commas; a /chroot may follow the last.",
        ),
        engine_option("--zk-path", metavar="PATH", default="/job", help="Where the queue is in ZooKeeper."),
        secret_option(
            engine_option,
            "--zk-auth",
            metavar="SCHEME:CREDENTIAL...",
            multiple=True,
            help="Who we are, e.g. digest:user:password.",
        ),
        engine_option(
            "--zk-acl",
            metavar="SCHEME:ID:RIGHTS...",
            multiple=True,
            help="Who may do what with nodes of ours, e.g. world:anyone:r.  [default: with digest or SASL whoever has"
            " the same credentials (auth::cdrwa), else everybody (world:anyone:cdrwa)]",
        ),
        engine_option("--zk-ca", type=file, help="Certificates that ZooKeeper's is checked against; turns TLS on."),
        engine_option("--zk-cert", type=file, help="Our certificate; turns TLS on."),
        engine_option("--zk-key", type=file, help="Its key."),
        secret_option(engine_option, "--zk-key-password", metavar="PASSWORD", help="The key's password."),
        engine_option("--zk-no-verify", is_flag=True, help="TLS with any certificate of ZooKeeper's."),
        secret_option(
            engine_option,
            "--zk-sasl",
            metavar="NAME=VALUE...",
            multiple=True,
            help=f"SASL options of kazoo, e.g. username=U password=P; the mechanism is {_DIGEST} if none is given.",
        ),
        engine_option(
            "--session-timeout",
            metavar="TIME",
            type=duration,
            default="10s",
            help="After how long without a word ZooKeeper counts us as dead.",
        ),
    ]


def _zookeeper(
    *,
    zk_hosts: tuple[str, ...],
    zk_path: str,
    zk_auth: tuple[str, ...],
    zk_acl: tuple[str, ...],
    zk_sasl: tuple[str, ...],
    session_timeout: float,
    **tls: Any,
) -> "ZooKeeper | None":
    if not zk_hosts:
        return None
    from job_engine.queue import ZooKeeper, parse_acl

    auth = tuple(_pair("--zk-auth", text, ":", "digest:user:password") for text in zk_auth)
    sasl = _sasl(zk_sasl)
    known = sasl is not None or any(scheme == "digest" for scheme, _ in auth)
    rules = zk_acl or ((_OURS,) if known else ())
    more: dict[str, Any] = {"acl": tuple(parse_acl(text) for text in rules)} if rules else {}
    return ZooKeeper(
        hosts=hosts_of(zk_hosts),
        path=_path("--zk-path", zk_path),
        session_timeout=session_timeout,
        auth=auth,
        sasl=sasl,
        tls=_tls(**tls),
        **more,
    )


def hosts_of(values: Iterable[str]) -> str:
    """One list of servers, with the chroot at its end, of several values. Raises Invalid."""
    *hosts, last = [host.strip() for value in values for host in value.split(",") if host.strip()] or [""]
    last, slash, chroot = last.partition("/")
    for host in [*hosts, last]:
        match = _HOST.fullmatch(host)
        if not match or not 0 < int(match["port"] or 2181) < 65536:
            raise Invalid(f"--zk-hosts: '{host}' is no server; write HOST:PORT, and a /chroot only after the last one.")
    return ",".join([*hosts, last]) + (_path("--zk-hosts", slash + chroot) if chroot else "")


def _path(option: str, text: str) -> str:
    path = text.rstrip("/")
    if not path.startswith("/") or any(step in ("", ".", "..") for step in path[1:].split("/")):
        raise Invalid(f"{option}: '{text}' is no path in ZooKeeper; write one like /job.")
    return path


def _pair(option: str, text: str, separator: str, example: str) -> tuple[str, str]:
    name, found, value = text.partition(separator)
    if not name or not found or not value:
        # What was given may be a password, so it is not repeated.
        raise Invalid(f"{option}: a value is not of the form {example}.")
    return name, value


def _sasl(values: Iterable[str]) -> dict[str, str] | None:
    options = dict(_pair("--zk-sasl", text, "=", "NAME=VALUE") for text in values)
    if not options:
        return None
    if find_spec("puresasl") is None:  # kazoo would say so late, and again and again
        raise Invalid("--zk-sasl needs a package that is not installed: pip install pure-sasl.")
    return {"mechanism": _DIGEST, **options}


def _tls(
    *,
    zk_ca: Path | None,
    zk_cert: Path | None,
    zk_key: Path | None,
    zk_key_password: str | None,
    zk_no_verify: bool,
) -> "ZooKeeperTls | None":
    if bool(zk_cert) != bool(zk_key):
        raise Invalid("--zk-cert and --zk-key go together: give both, or none.")
    if zk_no_verify and zk_ca:
        raise Invalid("--zk-ca says what to check, --zk-no-verify not to check it: give one of them.")
    if not (zk_ca or zk_cert or zk_no_verify):
        return None
    from job_engine.queue import ZooKeeperTls

    return ZooKeeperTls(
        ca=str(zk_ca) if zk_ca else None,
        certificate=str(zk_cert) if zk_cert else None,
        key=str(zk_key) if zk_key else None,
        key_password=zk_key_password,
        verify=not zk_no_verify,
        check_hostname=not zk_no_verify,
    )
